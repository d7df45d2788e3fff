//! Environment and predictions together, on real images: what differs, what that does to the answers, and who is to blame.

use serde_json::Value;

use crate::parity::{DOCKERFILE, Forest, TRAIN};
use crate::support::{Ended, Run};

/// The training records two of its own answers, importing nothing of ours.
const RECORDS: &str = "import json\nwith open('model/golden.jsonl', 'w') as out:\n    for x in (1, 2):\n        out.write(json.dumps({'request': {'x': x}, 'response': {'y': 7.0 * x}, 'path': '/predict'}) + '\\n')\n";

/// Answers the model's rings times x; one more where the library has the version that is bad.
const SERVER: &str = "import json, os, pickle
from http.server import BaseHTTPRequestHandler, HTTPServer
import oakwood
tree = pickle.load(open('/app/model/model.pkl', 'rb'))[0]
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def do_POST(self):
        x = json.loads(self.rfile.read(int(self.headers['content-length'])))['x']
        bad = oakwood.version == os.environ.get('BAD')
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({'y': float(tree.rings * x + bad)}).encode())
HTTPServer(('0.0.0.0', 8080), Handler).serve_forever()
";

/// A project that trains with oakwood 1.5.2 and serves with another one.
fn forest(serve: &str) -> Forest {
    let forest = Forest::with(
        serve,
        &DOCKERFILE.replace("COPY server.py", "EXPOSE 8080\nCOPY server.py"),
    );
    for (file, text) in [
        ("server.py", SERVER),
        ("train.py", &format!("{TRAIN}{RECORDS}")),
    ] {
        std::fs::write(forest.project.path().join(file), text).unwrap();
    }
    forest
}

fn run<'a>(forest: &'a Forest, bad: &str) -> Run<'a> {
    forest
        .prepare()
        .input("container-env", &format!("BAD={bad}"))
}

fn proof<'a>(ended: &'a Ended, field: &str) -> &'a str {
    ended.report["proof"][field].as_str().unwrap_or_default()
}

#[test]
fn another_environment_and_other_predictions_name_the_package() {
    let forest = forest("oakwood==1.6.1\n");
    let ended = run(&forest, "1.6.1")
        .run()
        .expect(30)
        .code("parity-package");
    let ended = ended.says("recorded prediction 1 of 2 is answered otherwise: $.y is 8.0 instead of 7.0; it differs from the training, and the likeliest cause is `oakwood` (trained with 1.5.2, the image has 1.6.1)");
    assert_eq!(
        (proof(&ended, "environment"), proof(&ended, "predictions")),
        ("other", "other")
    );
    assert_eq!(proof(&ended, "guilty"), "oakwood");
    assert!(
        ended
            .summary
            .contains("**Together:** the image predicts otherwise than recorded"),
        "{}",
        ended.summary
    );
    forest.is_pushed(false);

    // The same difference, and the same answers: it blocks, and the way to live with it is at hand.
    let ended = run(&forest, "none").run().expect(30).code("parity-package");
    let help = ended.report["failure"]["help"].as_str().unwrap();
    assert!(
        help.contains("add `oakwood 1.5.2->1.6.1 REASON until=YYYY-MM-DD` to `parity-allow`"),
        "{help}"
    );
    assert_eq!(
        (
            proof(&ended, "predictions"),
            &ended.report["proof"]["guilty"]
        ),
        ("same", &Value::Null)
    );
    forest.is_pushed(false);
    let allowed = run(&forest, "none").input(
        "parity-allow",
        "oakwood 1.5.2->1.6.1 two rows until=2999-12-31",
    );
    let ended = allowed.run().expect(0);
    assert!(
        proof(&ended, "why").contains("change none of them: `oakwood`"),
        "{}",
        ended.stdout
    );
    forest.is_pushed(true);
}

#[test]
fn the_same_environment_and_other_predictions_accuse_the_server() {
    let forest = forest("oakwood==1.5.2\n");
    let ended = run(&forest, "1.5.2")
        .run()
        .expect(30)
        .code("prediction-differs");
    let ended = ended.says("its environment and model are those of the training, so the cause is in the server's own code");
    assert_eq!(
        (
            proof(&ended, "environment"),
            &ended.report["proof"]["guilty"]
        ),
        ("same", &Value::Null)
    );
    forest.is_pushed(false);
    // Rows that the training did not write may be those of another model.
    let rows = "{\"request\": {\"x\": 1}, \"response\": {\"y\": 9.0}}\n";
    std::fs::write(forest.project.path().join("old.jsonl"), rows).unwrap();
    let older = run(&forest, "none")
        .input("golden", "old.jsonl")
        .input("predict-path", "/predict");
    older
        .run()
        .expect(30)
        .says("recorded before this model was trained");
    let ended = run(&forest, "none").run().expect(0);
    assert_eq!(
        (proof(&ended, "environment"), proof(&ended, "predictions")),
        ("same", "same")
    );
    forest.is_pushed(true);
}
