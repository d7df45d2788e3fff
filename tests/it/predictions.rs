//! The built image is tried before it is pushed: small servers that behave well or badly, on a real engine. `docker ps` is
//! the witness that no container stays, the registry that nothing was pushed.

use std::process::Command;

use serde_json::Value;

use crate::cluster::Namespace;
use crate::deploy::manifest;
use crate::engine::docker;
use crate::support::{Ended, Project, Run, bed, unique};

const DOCKERFILE: &str = "FROM python:3.11-slim\nCOPY requirements-serve.txt serve.py ./\nEXPOSE 8080\nCMD [\"python3\", \"-u\", \"serve.py\"]\n";
const GOLDEN: &str = "{\"request\": {\"x\": 2}, \"response\": {\"y\": 4.0, \"label\": \"cat\"}}\n{\"request\": {\"x\": 3}, \"response\": {\"y\": 6.0, \"label\": \"cat\"}}\n";

pub(crate) struct Server {
    pub(crate) project: Project,
    image: String,
}

impl Server {
    pub(crate) fn new() -> Self {
        let serve = include_str!("servers/predicts.py");
        let project = Project::new()
            .file("Dockerfile", DOCKERFILE)
            .file("requirements-serve.txt", "scikit-learn\n")
            .file("serve.py", serve)
            .file("model/model.txt", "x")
            .file("golden.jsonl", GOLDEN);
        Self {
            project,
            image: format!(
                "{}/{}",
                bed("REGISTRY"),
                unique("ml-deploy-test/predictions")
            ),
        }
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.project.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// A subcommand for a server that behaves so.
    pub(crate) fn command(&self, subcommand: &str, mode: &str) -> Run<'_> {
        self.project
            .ml_deploy(subcommand)
            .input("image", &self.image)
            .input("tags", "v1")
            .input("health-path", "/health")
            .input("container-env", &format!("MODE={mode}"))
            .input("deploy-timeout", "60s")
    }

    /// Builds, with the recorded predictions.
    pub(crate) fn golden(&self, mode: &str) -> Run<'_> {
        self.command("build", mode)
            .input("golden", "golden.jsonl")
            .input("predict-path", "/predict")
    }

    /// Containers that were tried and are still there.
    fn left(&self) -> String {
        let label = format!("label=ml-deploy.trial={}", self.image);
        docker(&["ps", "-aq", "--filter", &label])
    }

    pub(crate) fn ended(&self, ended: Ended) -> Ended {
        assert_eq!(self.left(), "", "{}", ended.stdout);
        ended
    }

    pub(crate) fn is_pushed(&self) -> bool {
        let name = format!("docker://{}:v1", self.image);
        let seen = Command::new("skopeo")
            .args(["inspect", "--tls-verify=false", &name])
            .output()
            .unwrap();
        seen.status.success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        docker(&["rmi", "--force", &format!("{}:v1", self.image)]);
    }
}

/// The place of the failure, as `file:line`.
fn place(ended: &Ended) -> String {
    let at = &ended.report["failure"]["location"];
    format!("{}:{}", at["file"].as_str().unwrap_or_default(), at["line"])
}

#[test]
fn a_good_server_is_measured_and_pushed() {
    let server = Server::new();
    let run = server
        .command("run", "good")
        .input("golden", "golden.jsonl");
    let ended = server.ended(run.input("predict-path", "/predict").run().expect(0));
    let trial = &ended.report["trial"];
    assert!(trial["start-ms"].as_u64().unwrap() > 0, "{trial}");
    for measured in ["first-answer-ms", "p50-ms", "p95-ms"] {
        assert!(
            trial[measured].as_f64().unwrap() > 0.0,
            "{measured}: {trial}"
        );
    }
    assert!(trial["peak-memory-mib"].as_u64().unwrap() > 1, "{trial}");
    assert_eq!(
        (&trial["rows"], &trial["wrong"]),
        (&Value::from(2), &Value::from(0))
    );
    assert_eq!(trial["file"], "golden.jsonl");
    assert_eq!(trial["differences"][0]["count"], 2);
    // Asked twice, it answered the same; and the first row followed the health at once.
    assert_eq!(trial["noise"], 0.0);
    assert!(
        trial["replay-within-ms"].as_f64().unwrap() < 5_000.0,
        "{trial}"
    );
    assert!(ended.summary.contains("2 of 2 rows"), "{}", ended.summary);
    assert!(server.is_pushed());
}

#[test]
fn a_server_that_fails_to_predict_is_stopped_before_the_push() {
    let server = Server::new();
    let run = server
        .command("run", "broken")
        .input("golden", "golden.jsonl");
    let ended = run.input("predict-path", "/predict").run().expect(30);
    let ended = server
        .ended(ended.code("prediction-error"))
        .says("2 of 2 recorded requests get no prediction")
        .says("ModuleNotFoundError: No module named 'sklearn'")
        .says("Traceback (most recent call last)");
    assert_eq!(place(&ended), "requirements-serve.txt:1");
    assert!(!server.is_pushed());
    assert!(ended.report["pushed"].is_null());
}

#[test]
fn a_wrong_prediction_is_named_by_its_row() {
    let server = Server::new();
    let ended = server.ended(
        server
            .golden("wrong")
            .run()
            .expect(30)
            .code("prediction-differs"),
    );
    let ended = ended.says("$.y is 7.0 instead of 6.0");
    assert_eq!(place(&ended), "golden.jsonl:2");
    let trial = &ended.report["trial"];
    assert_eq!(
        (&trial["wrong"], &trial["worst"]["row"]),
        (&Value::from(1), &Value::from(2))
    );
    // A wide tolerance lets numbers pass.
    let ended = server.golden("wrong").input("tolerance", "rtol=0.5").run();
    server.ended(ended.expect(0));
}

#[test]
fn a_container_that_never_gets_healthy_is_given_up() {
    let server = Server::new();
    let ended = server.golden("sick").input("deploy-timeout", "8s").run();
    server.ended(
        ended
            .expect(30)
            .code("container-unready")
            .says("`/health` answers 503"),
    );
}

#[test]
fn a_container_that_exits_says_why() {
    let server = Server::new();
    let ended = server.ended(
        server
            .golden("exits")
            .run()
            .expect(30)
            .code("container-unready"),
    );
    let ended = ended.says("exits 3").says("no license found");
    assert!(ended.took.as_secs() < 50, "{:?}", ended.took);
}

#[test]
fn not_a_number_is_equal_to_itself() {
    let server = Server::new().file(
        "golden.jsonl",
        "{\"request\": {\"x\": 2}, \"response\": {\"y\": NaN, \"label\": \"cat\"}}\n",
    );
    server.ended(server.golden("nan").run().expect(0));
    let ended = server.golden("good").run().expect(30);
    server.ended(
        ended
            .code("prediction-differs")
            .says("$.y is 4.0 instead of NaN"),
    );
}

#[test]
fn a_server_that_answers_differently_each_time_is_told_from_a_wrong_one() {
    let server = Server::new();
    let ended = server
        .golden("random")
        .run()
        .expect(30)
        .code("prediction-differs");
    server.ended(ended.says("the server answers the same request differently"));
    // Noise of the size of a GPU's is only a warning.
    let ended = server.ended(server.golden("noisy").run().expect(0));
    let ended = ended.says("vary from answer to answer");
    assert_eq!(ended.report["trial"]["noisy"], 2);
    assert!(ended.report["trial"]["noise"].as_f64().unwrap() > 1e-6);
}

#[test]
fn an_example_of_mlflow_is_asked_where_mlflow_serves() {
    let server = Server::new()
        .file("model/MLmodel", "flavors:\n  sklearn:\n    a: b\n")
        .file(
            "model/serving_input_example.json",
            "{\"dataframe_split\": {\"columns\": [\"x\"], \"data\": [[2]]}}",
        );
    let ended = server.ended(server.command("build", "mlflow").run().expect(0));
    assert_eq!(ended.report["trial"]["protocol"], "MLflow");
    assert_eq!(ended.report["trial"]["rows"], 1);
    let ended = server.command("build", "broken").run().expect(30);
    server.ended(
        ended
            .code("prediction-error")
            .says("/invocations answers 500"),
    );
    // Another kind of server is not asked what it cannot know.
    let ended = server.ended(server.command("build", "good").run().expect(0));
    let ended = ended.says("set `predict-path`");
    assert!(ended.report["trial"]["protocol"].is_null());
}

#[test]
fn inference_protocols_are_found_by_the_requests() {
    let v1 = Server::new().file(
        "model/golden.jsonl",
        "{\"request\": {\"instances\": [1, 2]}, \"response\": [2.0, 4.0]}\n",
    );
    let ended = v1.ended(v1.command("build", "v1").run().expect(0));
    assert_eq!(ended.report["trial"]["protocol"], "V1 inference protocol");
    let row = |data: &str| {
        format!(
            "{{\"request\": {{\"inputs\": [{{\"name\": \"x\", \"shape\": [1], \"datatype\": \"FP64\", \"data\": [3]}}]}}, \"response\": {{\"id\": \"1\", \"outputs\": [{{\"name\": \"y\", \"shape\": [1], \"datatype\": \"FP64\", \"data\": [{data}]}}]}}}}\n"
        )
    };
    let v2 = Server::new().file(".ml-deploy/golden.jsonl", &row("6"));
    let ended = v2.ended(v2.command("build", "v2").run().expect(0));
    assert_eq!(ended.report["trial"]["protocol"], "V2 inference protocol");
    let v2 = v2.file(".ml-deploy/golden.jsonl", &row("7"));
    let ended = v2.command("build", "v2").run().expect(30);
    v2.ended(
        ended
            .code("prediction-differs")
            .says("[0].data[0] is 6.0 instead of 7"),
    );
}

#[test]
fn a_signal_leaves_no_container() {
    let server = Server::new();
    let there = || !server.left().is_empty();
    let ended = server
        .golden("sick")
        .signal_when("a container of the image", there, "TERM")
        .expect(143);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    server.ended(ended);
}

#[test]
fn it_can_be_switched_off() {
    let server = Server::new();
    let ended = server
        .golden("broken")
        .input("try-container", "false")
        .run();
    let ended = server.ended(ended.expect(0));
    assert!(ended.report["trial"].is_null());
}

/// A Deployment of the image with lines for its container.
fn deployment(image: &str, lines: &str) -> String {
    let text = manifest("x").replace("test.local/box:1", image);
    let (head, _) = text.split_once("        command:").unwrap();
    format!("{head}        ports: [{{containerPort: 8080}}]\n{lines}")
}

#[test]
fn the_manifest_says_how_it_is_started_and_is_told_what_was_measured() {
    let server = Server::new();
    let run = |lines: &str| {
        let path = server.project.path().join("k8s");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("app.yaml"), deployment(&server.image, lines)).unwrap();
        let run = server
            .project
            .ml_deploy("run")
            .env("GITHUB_EVENT_NAME", "pull_request");
        let run = run
            .input("image", &server.image)
            .input("tags", "v1")
            .input("manifests", "k8s");
        let run = run
            .input("health-path", "/health")
            .input("deploy-timeout", "20s");
        server.ended(
            run.input("golden", "golden.jsonl")
                .input("predict-path", "/predict")
                .run(),
        )
    };
    let slow = "        command: [sh, -c, sleep 2; exec python3 -u serve.py]\n        livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 1}\n";
    let ended = run(&format!(
        "        env: [{{name: MODE, value: good}}]\n        resources: {{limits: {{memory: 4Mi}}}}\n{slow}"
    ))
    .expect(0);
    let ended = ended
        .says("its livenessProbe kills it after 1 s")
        .says("and its memory limit is 4Mi");
    for (finding, code) in ["probe-budget", "out-of-memory"].iter().enumerate() {
        let finding = &ended.report["findings"][finding];
        assert_eq!(
            (&finding["code"], &finding["severity"]),
            (&(*code).into(), &"warning".into())
        );
        assert_eq!(finding["location"]["file"], "k8s/app.yaml");
    }
    run("        env: [{name: MODE, value: exits}]\n")
        .expect(30)
        .code("container-unready");
    // What only the cluster has may be what is missing.
    let ended = run(
        "        env: [{name: MODE, value: exits}]\n        envFrom: [{secretRef: {name: wine}}]\n",
    )
    .expect(0);
    ended.says("it was tried without Secret `wine`");
    assert!(!server.is_pushed());
}

#[test]
fn every_replica_is_asked() {
    let namespace = Namespace::new("it-replicas");
    let script = crate::deploy::SERVE.replace("[1.0]", "[$(hostname | sed s/.*-//)]");
    let text = manifest(&script)
        .replace("kind: Deployment", "kind: StatefulSet")
        .replace(
            "  replicas: 2",
            "  replicas: 2\n  serviceName: wine\n  podManagementPolicy: Parallel",
        );
    let project = Project::new().file("k8s/app.yaml", &text).file(
        "golden.jsonl",
        "{\"request\": {\"x\": 1}, \"response\": {\"y\": [0]}}\n",
    );
    let run = |subcommand: &str| {
        let run = project.ml_deploy(subcommand).input("manifests", "k8s");
        run.input("namespace", &namespace.0)
            .input("kubeconfig", &bed("KUBECONFIG"))
            .input("deploy-timeout", "60s")
    };
    run("deploy").run().expect(0);
    let verify = run("verify").input("health-path", "/health");
    let ended = verify
        .input("predict-path", "/cgi-bin/predict")
        .input("golden", "golden.jsonl")
        .run();
    ended
        .expect(60)
        .code("verify-prediction")
        .says("and so does each of 2 pods")
        .says("Pod/wine-1:8080: $.y[0] is 1 instead of 0");
}
