//! How requests are made and answers read, on a real container: templates, BentoML, a signature, and servers that answer what
//! nobody expects.

use crate::predictions::Server;
use crate::support::Ended;

fn trial<'a>(ended: &'a Ended, field: &str) -> &'a str {
    ended.report["trial"][field].as_str().unwrap_or_default()
}

#[test]
fn a_template_wraps_rows_and_a_pointer_finds_predictions() {
    let rows = "{\"request\": {\"x\": 2}, \"response\": 4.0}\n{\"request\": {\"x\": 3}, \"response\": 6.0}\n";
    let server = Server::new().file("model/golden.jsonl", rows);
    let run = |template: &str, pointer: &str| {
        let run = server
            .command("build", "wrapped")
            .input("predict-path", "/score");
        let run = run.input("request-template", template);
        server.ended(run.input("response-pointer", pointer).run())
    };
    let wrapped = "{\"instances\": [\"$row\"], \"verbose\": false}";
    let ended = run(wrapped, "/data/0/score").expect(0);
    assert_eq!(ended.report["trial"]["wrong"], 0, "{}", ended.stdout);
    // Parts of a row go where the template says.
    run("{\"instances\": [{\"x\": \"$row/x\"}]}", "/data/0/score").expect(0);
    let ended = run(wrapped, "/data/1/score").expect(30);
    ended
        .code("prediction-error")
        .says("/score answers no prediction at `/data/1/score`");
    // What cannot be is told before anything runs, at the line of the row where there is one.
    let ended = run("{\"instances\": [\"row\"]}", "data").expect(2);
    ended
        .code("input-invalid")
        .says("input `request-template` has no `\"$row\"`")
        .says("input `response-pointer` is `data`");
    let ended = run("[\"$row/y\"]", "/data").expect(2);
    ended.says("`request` has no `/y`, which `request-template` asks for");
}

#[test]
fn a_service_of_bentoml_says_where_it_is_asked() {
    let server = Server::new().file(
        "model/golden.jsonl",
        "{\"request\": {\"x\": 2}, \"response\": 4.0}\n",
    );
    let ended = server.ended(server.command("build", "bento").run().expect(0));
    assert_eq!(trial(&ended, "protocol"), "BentoML");
    assert_eq!(ended.report["trial"]["rows"], 1);
    // Nobody is asked with arguments that it does not have.
    let server = server.file(
        "model/golden.jsonl",
        "{\"request\": {\"z\": 2}, \"response\": 4.0}\n",
    );
    let ended = server.ended(server.command("build", "bento").run().expect(0));
    ended.says("is not asked: the server has none of /predict; set `predict-path`");
}

#[test]
fn a_signature_alone_is_asked_with_a_request_that_is_made_up() {
    let server = Server::new().file(
        "model/MLmodel",
        "flavors:\n  sklearn:\n    a: b\nsignature:\n  inputs: '[{\"type\": \"double\", \"name\": \"x\", \"required\": true}]'\n",
    );
    let run = |mode: &str| server.ended(server.command("build", mode).run());
    let ended = run("mlflow").expect(0);
    assert_eq!(
        (trial(&ended, "protocol"), trial(&ended, "file")),
        ("MLflow", "model/MLmodel")
    );
    // Made-up values may be refused; a server that cannot load its library is broken whatever it is asked.
    let ended = run("fussy").expect(0);
    assert_eq!(ended.report["findings"][0]["severity"], "warning");
    ended
        .says("a request made up from the signature of the model gets no prediction")
        .says("save the model with an `input_example`");
    run("broken")
        .expect(30)
        .code("prediction-error")
        .says("ModuleNotFoundError: No module named 'sklearn'");
}

#[test]
fn an_answer_that_nobody_expects_is_named_and_ends_in_time() {
    let server = Server::new();
    for (mode, said) in [
        (
            "deep",
            "no JSON that can be read (recursion limit exceeded)",
        ),
        ("huge", "no JSON that can be read (number out of range)"),
        ("page", "<html>log in first</html>"),
        ("endless", "answers with more than 4 MiB"),
    ] {
        let ended = server.ended(server.golden(mode).run().expect(30));
        assert!(ended.took.as_secs() < 60, "{:?}", ended.took);
        ended.code("prediction-error").says(said);
    }
}
