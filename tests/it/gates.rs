//! Rules on metrics: real trainings that log to real MLflow servers, a real model registry, and a real cluster that says
//! what is live. curl is the independent witness of what the registry holds.

use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::Namespace;
use crate::deploy::{SERVE, manifest};
use crate::rollback::ran;
use crate::support::{Ended, Project, Run, bed, unique};

const MODEL: &str = "open('model', 'w').write('m')\n";

/// A workspace whose training logs these metrics, written as Python; `more` runs in the same run.
pub(crate) fn project(metrics: &str, more: &str) -> Project {
    let project = Project::new().file("requirements.txt", "mlflow-skinny==3.17.2\n");
    rewrite(&project, metrics, more);
    project
}

fn rewrite(project: &Project, metrics: &str, more: &str) {
    let text = format!(
        "import mlflow\nwith mlflow.start_run() as run:\n    for name, value in {{{metrics}}}.items():\n        mlflow.log_metric(name, value)\n    {more}\n{MODEL}"
    );
    std::fs::write(project.path().join("train.py"), text).unwrap();
}

pub(crate) fn prepared<'a>(project: &'a Project, server: &str, rules: &str) -> Run<'a> {
    let config = format!("train: python train.py\ngates: |\n{}", indented(rules));
    std::fs::write(project.path().join("ml-deploy.yml"), config).unwrap();
    project
        .ml_deploy("train")
        .input("mlflow-tracking-uri", server)
        .input("mlflow-experiment-name", &unique("it-gates"))
}

fn indented(rules: &str) -> String {
    rules.lines().map(|rule| format!("  {rule}\n")).collect()
}

fn judged(metrics: &str, rules: &str) -> Ended {
    prepared(&project(metrics, "pass"), &bed("MLFLOW"), rules).run()
}

/// The verdicts, in the order of the rules.
fn verdicts(ended: &Ended) -> Vec<String> {
    let rules = ended.report["gates"]["rules"].as_array();
    let verdict = |rule: &Value| rule["verdict"].as_str().unwrap().to_owned();
    rules.unwrap().iter().map(verdict).collect()
}

/// Asks a tracking server; with a body it is a change.
pub(crate) fn ask(server: &str, path: &str, body: Option<&Value>) -> Value {
    let url = format!("{server}/api/2.0/mlflow/{path}");
    let mut command = Command::new("curl");
    command.args(["-s", &url, "-H", "content-type: application/json"]);
    if let Some(body) = body {
        command.args(["-d", &body.to_string()]);
    }
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Makes a run the champion of a registered model, by hand.
pub(crate) fn crown(server: &str, model: &str, run: &str) {
    ask(
        server,
        "registered-models/create",
        Some(&json!({"name": model})),
    );
    let body = json!({"name": model, "source": format!("runs:/{run}/model"), "run_id": run});
    let made = ask(server, "model-versions/create", Some(&body));
    let version = made["model_version"]["version"].as_str().unwrap();
    let body = json!({"name": model, "alias": "champion", "version": version});
    ask(server, "registered-models/alias", Some(&body));
}

#[test]
fn a_model_that_passes_every_rule_goes_on() {
    let metrics = "'accuracy': 0.95, 'rmse': 0.5, 'val acc/top 1': 0.99";
    let rules = "accuracy >= 0.92\n# not too far off\nrmse < 0.6\n\"val acc/top 1\" required";
    let ended = judged(metrics, rules)
        .expect(0)
        .says("0.95 is at least 0.92");
    assert_eq!(verdicts(&ended), ["passed"; 3]);
    let rule = &ended.report["gates"]["rules"][0];
    assert_eq!(
        (&rule["candidate"], &rule["metric"]),
        (&json!(0.95), &json!("accuracy"))
    );
    assert!(ended.summary.contains("### Gates"), "{}", ended.summary);
    assert!(ended.summary.contains("✅ passed"), "{}", ended.summary);
}

#[test]
fn a_model_that_fails_a_rule_is_not_built() {
    let project = project("'accuracy': 0.9, 'rmse': 0.7", "pass")
        .file("Dockerfile", "FROM scratch\nCOPY model /model\n");
    let rules = "accuracy >= 0.92\nrmse <= 0.6\nrmse > 0";
    prepared(&project, &bed("MLFLOW"), rules);
    let ended = project
        .ml_deploy("run")
        .input("mlflow-tracking-uri", &bed("MLFLOW"))
        .input(
            "image",
            &format!("{}/it/{}", bed("REGISTRY"), unique("gates")),
        )
        .input("early-layers", "false")
        .run()
        .expect(30)
        .code("gate-failed")
        .says("file=ml-deploy.yml,line=3")
        .says("file=ml-deploy.yml,line=4")
        .says("0.9 is less than 0.92");
    assert_eq!(verdicts(&ended), ["failed", "failed", "passed"]);
    assert_eq!(ended.output("digest"), "");
    let stages = ended.report["stages"].as_array().unwrap();
    let names: Vec<_> = stages
        .iter()
        .map(|stage| stage["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["preflight", "train", "gates"]);
}

#[test]
fn a_number_that_is_none_fails_and_a_name_that_is_wrong_is_corrected() {
    let metrics = "'loss': float('nan'), 'val_accuracy': 0.9";
    let ended = judged(metrics, "loss <= 1\naccuracy >= 0.5")
        .expect(30)
        .code("gate-metric-missing")
        .says("`loss` is not a number")
        .says("did you mean `val_accuracy`");
    assert_eq!(verdicts(&ended), ["missing", "missing"]);
    assert_eq!(ended.report["gates"]["rules"][0]["candidate"], "NaN");
}

#[test]
fn all_rules_that_are_none_are_found_before_anything_runs() {
    let ended = judged(
        "'accuracy': 1",
        "accuracy => 0.9\naccuracy >= 0.5\nrmse <= champion 2%",
    )
    .expect(2)
    .code("input-invalid")
    .says("file=ml-deploy.yml,line=3")
    .says("write it like `accuracy >= 0.9`")
    .says("file=ml-deploy.yml,line=5")
    .says("write it like `rmse <= champion - 0.01`");
    assert!(!ended.stdout.contains("train.py"), "{}", ended.stdout);
    let project = Project::new();
    let wrong = |name: &str, value: &str| {
        let run = project.ml_deploy("plan").input("train", "python a.py");
        let run = run.input("gates", "a > 1").input(name, value).run();
        run.expect(2)
    };
    wrong("first-deploy", "maybe").says("expected one of pass, fail");
    wrong("champion", "v1");
    wrong("register-model", "models:/wine").says("alone");
    let registers = |target: &str| {
        let run = project.ml_deploy("plan").input("train", "python a.py");
        let run = run.input("image", "wine").input("register-model", "wine");
        run.input("target", target).run()
    };
    registers("docker").expect(2).says("needs an MLflow server");
    registers("none").expect(0);
}

#[test]
fn metrics_come_from_files_too() {
    let write = |text: &str| {
        format!(
            "import os\nos.makedirs('wandb/latest-run/files', exist_ok=True)\nopen('wandb/latest-run/files/wandb-summary.json', 'w').write('{{\"wb\": 2, \"_step\": 9}}')\nopen('m.json', 'w').write('{text}')\n{MODEL}"
        )
    };
    let project = Project::new().file(
        "train.py",
        &write("{\"report\": {\"f1-score\": 0.8}, \"wb\": 3, \"auc{country=DE}\": NaN}"),
    );
    let run = |rules: &str| {
        let run = project.ml_deploy("train").input("train", "python train.py");
        run.input("metrics-file", "m.json")
            .input("gates", rules)
            .run()
    };
    run("report.f1-score >= 0.8\nwb == 3")
        .expect(0)
        .says("`m.json` counts");
    run("auc{country=DE} >= 0.5")
        .expect(30)
        .code("gate-metric-missing")
        .says("not a number");
    run("_step required").expect(30).code("gate-metric-missing");
    // The files of the last training say nothing about this one.
    std::fs::write(project.path().join("train.py"), MODEL).unwrap();
    run("wb == 3")
        .expect(30)
        .code("gate-metric-missing")
        .says("older than this training");
    let run = project.ml_deploy("train").input("train", "python train.py");
    run.input("gates", "wb == 2")
        .run()
        .expect(30)
        .says("older than this training");
}

/// Trains a champion and returns its run.
fn champion(server: &str, metrics: &str, more: &str) -> String {
    let project = project(metrics, more);
    let ended = prepared(&project, server, "accuracy required")
        .run()
        .expect(0);
    ended.output("run-id").to_owned()
}

#[test]
fn the_alias_is_compared_with_on_both_versions_of_mlflow() {
    for server in [bed("MLFLOW"), bed("MLFLOW2")] {
        let model = unique("it-gates");
        let first = |verdict: &str| {
            let project = project("'accuracy': 0.5", "pass");
            let run = prepared(&project, &server, "accuracy >= champion");
            run.input("register-model", &model)
                .input("first-deploy", verdict)
                .run()
        };
        first("pass").expect(0).says("no champion yet");
        first("fail")
            .expect(30)
            .code("gate-failed")
            .says("there is no champion");
        let run = champion(&server, "'accuracy': 0.9, 'drift': 0, 'rmse': 0.5", "pass");
        crown(&server, &model, &run);
        let judged = |metrics: &str, rules: &str| {
            let project = project(metrics, "pass");
            prepared(&project, &server, rules)
                .input("register-model", &model)
                .run()
        };
        let metrics = "'accuracy': 0.895, 'drift': 0.1, 'rmse': 0.51";
        let rules = "accuracy >= champion - 0.01\nrmse <= champion + 2%\ndrift <= champion + 0.2";
        let ended = judged(metrics, rules).expect(0);
        assert_eq!(ended.report["gates"]["champion"]["run_id"], run.as_str());
        assert_eq!(ended.report["gates"]["rules"][0]["champion"], 0.9);
        assert!(ended.summary.contains(&run), "{}", ended.summary);
        judged(metrics, "accuracy >= champion")
            .expect(30)
            .code("gate-failed");
        judged(metrics, "drift <= champion + 2%")
            .expect(30)
            .code("gate-not-comparable")
            .says("`drift <= champion + 0.01`");
        judged("'accuracy': 1, 'new': 1", "new >= champion")
            .expect(30)
            .code("gate-not-comparable");
    }
}

/// Python that names data of a run.
fn data(digest: &str, context: &str) -> String {
    format!(
        "from mlflow.entities import Dataset, DatasetInput, InputTag; mlflow.MlflowClient().log_inputs(run.info.run_id, datasets=[DatasetInput(Dataset('d', '{digest}', 'local', '{{}}'), [InputTag('mlflow.data.context', '{context}')])])"
    )
}

#[test]
fn metrics_of_other_data_are_not_compared() {
    for server in [bed("MLFLOW"), bed("MLFLOW2")] {
        let model = unique("it-gates");
        let run = champion(&server, "'accuracy': 0.9", &data("aaa", "eval"));
        crown(&server, &model, &run);
        let judged = |digest: &str| {
            let project = project("'accuracy': 0.95", &data(digest, "eval"));
            let run = prepared(&project, &server, "accuracy >= champion");
            run.input("register-model", &model).run()
        };
        judged("aaa").expect(0);
        judged("bbb")
            .expect(30)
            .code("gate-not-comparable")
            .says("data bbb and not aaa");
    }
}

#[test]
fn what_is_live_comes_before_the_alias() {
    let (server, model) = (bed("MLFLOW"), unique("it-gates"));
    let namespace = Namespace::new("it-gates");
    let live = champion(&server, "'accuracy': 0.8", "pass");
    let aliased = champion(&server, "'accuracy': 0.9", "pass");
    crown(&server, &model, &aliased);
    let project = project("'accuracy': 0.85", "pass").file("k8s/app.yaml", &manifest(SERVE));
    let judged = || {
        let run = prepared(&project, &server, "accuracy >= champion");
        run.input("register-model", &model)
            .input("manifests", "k8s")
            .input("namespace", &namespace.0)
            .input("kubeconfig", &bed("KUBECONFIG"))
            .run()
    };
    // Nothing is live yet: the alias counts.
    judged()
        .expect(30)
        .code("gate-failed")
        .says("less than 0.9, the champion's")
        .says("alias champion of");
    let applied = project.ml_deploy("deploy").input("manifests", "k8s");
    let applied = applied.input("namespace", &namespace.0);
    applied
        .input("kubeconfig", &bed("KUBECONFIG"))
        .run()
        .expect(0);
    // Live, but of no run that anyone knows.
    judged().expect(30).says("less than 0.9, the champion's");
    let note = format!("ml-deploy/run-id={live}");
    ran(&namespace, &["annotate", "deployment/wine", &note]);
    let ended = judged()
        .expect(0)
        .says("cluster and model registry disagree")
        .says("live as Deployment/wine");
    assert_eq!(ended.report["gates"]["champion"]["run_id"], live.as_str());
    assert!(ended.report.to_string().contains("champion-disputed"));
    // A run that the tracking server does not have is an error only for a rule that needs it.
    let note = "ml-deploy/run-id=00000000000000000000000000000000";
    ran(
        &namespace,
        &["annotate", "--overwrite", "deployment/wine", note],
    );
    judged().expect(30).code("champion-unreadable");
    let run = prepared(&project, &server, "accuracy >= 0.8").input("manifests", "k8s");
    let run = run.input("namespace", &namespace.0);
    run.input("kubeconfig", &bed("KUBECONFIG")).run().expect(0);
}

/// A store without a server is read by the training's own Python, its data sets too.
#[test]
fn a_champion_in_a_local_store_is_found() {
    let namespace = Namespace::new("it-gates");
    let project = project("'accuracy': 0.9", &data("aaa", "eval"))
        .file("requirements.txt", "mlflow==3.17.2\n")
        .file("k8s/app.yaml", &manifest(SERVE));
    let deployed = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .run();
    deployed.expect(0);
    for store in ["sqlite:///store.db", "./runs"] {
        let judged = |digest: &str, rules: &str| {
            rewrite(&project, "'accuracy': 0.9", &data(digest, "eval"));
            let run = prepared(&project, store, rules).input("manifests", "k8s");
            run.input("namespace", &namespace.0)
                .input("kubeconfig", &bed("KUBECONFIG"))
                .input("train-env", "MLFLOW_ALLOW_FILE_STORE=true")
                .run()
        };
        let first = judged("aaa", "accuracy required").expect(0);
        let note = format!("ml-deploy/run-id={}", first.output("run-id"));
        ran(
            &namespace,
            &["annotate", "--overwrite", "deployment/wine", &note],
        );
        let ended = judged("aaa", "accuracy >= champion").expect(0);
        assert_eq!(ended.report["gates"]["rules"][0]["champion"], 0.9);
        judged("bbb", "accuracy >= champion")
            .expect(30)
            .code("gate-not-comparable");
    }
}
