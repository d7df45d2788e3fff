//! The whole job on real parts: from `train.py` to a verified deployment, on the local engine and on Kubernetes.

use std::process::Command;

use crate::browser::{shown, sound, texts};
use crate::cluster::{Namespace, kubectl};
use crate::engine::Container;
use crate::ports::free_port;
use crate::support::{Ended, Project, bed, checkout, unique};

fn wine() -> Project {
    let project = Project::example("wine");
    // The test says what it wants; the example's own configuration would be a second opinion.
    std::fs::remove_file(project.path().join("ml-deploy.yml")).unwrap();
    project
}

fn assert_complete(ended: &Ended, project: &Project) {
    let digest = ended.output("digest");
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "digest `{digest}`"
    );
    assert!(ended.output("image-ref").ends_with(digest));
    assert_eq!(ended.output("status"), "success");
    assert_eq!(ended.output("run-id").len(), 32, "{}", ended.stdout);
    assert_eq!(ended.output("model-sha256").len(), 64);
    let metrics: serde_json::Value = serde_json::from_str(ended.output("metrics")).unwrap();
    assert!(metrics["accuracy"].as_f64().unwrap() > 0.9, "{metrics}");
    assert_eq!(ended.report["schema"], "ml-deploy/report/v1");
    assert_eq!(ended.report["pushed"]["digest"], digest);
    assert!(project.path().join(".ml-deploy/report.json").is_file());
    for part in ["accuracy", &digest["sha256:".len()..], "golden"] {
        assert!(
            ended.summary.contains(part),
            "no `{part}` in the summary:\n{}",
            ended.summary
        );
    }
}

/// Names in a folder, sorted.
fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn assert_leaves_only_what_is_documented(project: &Project) {
    let readme = std::fs::read_to_string(checkout().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## What it leaves").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let state = names(&project.path().join(".ml-deploy"));
    assert!(state.contains(&"last-run.json".to_owned()), "{state:?}");
    for name in state {
        assert!(
            section.contains(&format!("`{name}`")),
            "`{name}` in {section}"
        );
    }
    let before = names(&checkout().join("examples/wine"));
    // The model is what the training was asked for; the last two are the runner's.
    let known = [
        ".ml-deploy",
        "mlruns",
        "model",
        ".test-output",
        ".test-summary",
    ];
    for name in names(project.path()) {
        assert!(
            before.contains(&name) || known.contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
fn wine_goes_from_source_to_a_verified_container() {
    let project = wine();
    let name = unique("ml-deploy-it-wine");
    let _container = Container(name.clone());
    let port = free_port();
    let image = format!("{}/it/{name}", bed("REGISTRY"));
    let run = || {
        project
            .ml_deploy("run")
            .input(
                "train",
                "python train.py --data-path data/train.csv --model-output ./model",
            )
            .input("requirements", "requirements.txt")
            .input("mlflow-experiment-name", "wine")
            .input("image", &image)
            .input("target", "docker")
            .input("container-name", &name)
            .input("ports", &format!("{port}:8080"))
            .input("health-path", "/health")
            .input("predict-path", "/predict")
            .input("golden", "golden.jsonl")
            .input("reuse", "true")
            .run()
    };
    let first = run().expect(0);
    assert_complete(&first, &project);
    assert_leaves_only_what_is_documented(&project);
    assert_eq!(first.output("endpoint"), format!("http://127.0.0.1:{port}"));
    for part in [
        "Nothing of this repository was live",
        "RUN useradd --create-home app",
    ] {
        assert!(first.summary.contains(part), "{part}\n{}", first.summary);
    }
    // A reader sees the verdict first, every stage as a bar, and needs to scroll nowhere.
    let seen = shown(&first.summary);
    sound(&seen);
    assert_eq!(seen["first"], format!("✅ {name} is live"));
    let diagrams = seen["diagrams"].as_array().unwrap();
    assert_eq!((diagrams.len(), &diagrams[0]["kind"]), (1, &"gantt".into()));
    assert!(
        diagrams[0]["bars"].as_u64().unwrap() >= 8,
        "{}",
        diagrams[0]
    );
    assert!(texts(&seen["scrolled"]).is_empty(), "{}", seen["scrolled"]);
    // Independent witnesses: the registry's digest, and a prediction asked from outside.
    let seen = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"])
        .arg(format!("docker://{image}:0123456789ab"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&seen.stdout).trim(),
        first.output("digest")
    );
    let url = format!("http://127.0.0.1:{port}/health");
    assert!(
        Command::new("curl")
            .args(["-sf", &url])
            .output()
            .unwrap()
            .status
            .success()
    );

    let second = run().expect(0);
    assert_eq!(second.output("status"), "reused", "{}", second.stdout);
    assert_eq!(second.output("image-ref"), first.output("image-ref"));
    assert_eq!(second.output("parity"), first.output("parity"));
    assert_ne!(second.output("parity"), "");
}

#[test]
fn digits_goes_from_source_to_a_verified_container() {
    let project = Project::example("digits");
    let name = unique("ml-deploy-it-digits");
    let _container = Container(name.clone());
    let port = free_port();
    let image = format!("{}/it/{name}", bed("REGISTRY"));
    let ended = project
        .ml_deploy("run")
        .input("image", &image)
        .input("target", "docker")
        .input("container-name", &name)
        .input("ports", &format!("{port}:8080"))
        .run()
        .expect(0);
    assert_complete(&ended, &project);
    assert_eq!(ended.output("parity"), "pass", "{}", ended.stdout);
    let bearing = &ended.report["parity"]["bearing"];
    assert_eq!(bearing["jax"], "the model is computed with it");
    // A prediction asked from outside, and one that the service refuses because it is no digit.
    let ask = |body: &str| {
        let url = format!("http://127.0.0.1:{port}/predict");
        let asked = Command::new("curl")
            .args([
                "-s",
                "-H",
                "content-type: application/json",
                "-d",
                body,
                &url,
            ])
            .output();
        String::from_utf8(asked.unwrap().stdout).unwrap()
    };
    let golden = std::fs::read_to_string(project.path().join("golden.jsonl")).unwrap();
    let row: serde_json::Value = serde_json::from_str(golden.lines().next().unwrap()).unwrap();
    assert_eq!(
        ask(&row["request"].to_string()),
        row["response"].to_string()
    );
    assert!(ask("{\"instances\": [[1, 2]]}").contains("detail"));
}

#[test]
fn wine_is_split_over_two_jobs_onto_kubernetes() {
    let project = wine();
    let namespace = Namespace::new("it-wine");
    let image = format!("{}/it/{}", bed("REGISTRY"), namespace.0);
    let manifest = project.path().join("k8s/deployment.yaml");
    let text = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("ghcr.io/org/wine", &image);
    std::fs::write(&manifest, text).unwrap();
    let kubeconfig = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();

    let first = project
        .ml_deploy("run")
        .input("stages", "train, build, push")
        .input(
            "train",
            "python train.py --data-path data/train.csv --model-output ./model",
        )
        .input("mlflow-tracking-uri", &bed("MLFLOW"))
        .input("mlflow-experiment-name", &namespace.0)
        .input("image", &image)
        .run()
        .expect(0);
    assert!(
        first.output("run-url").starts_with(&bed("MLFLOW")),
        "{}",
        first.stdout
    );
    assert_eq!(first.output("endpoint"), "");

    let second = project
        .ml_deploy("run")
        .input("stages", "deploy, verify")
        .input("image-ref", first.output("image-ref"))
        .input("deployment-file", "k8s/deployment.yaml")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &kubeconfig)
        .input("health-path", "/health")
        .input("predict-path", "/predict")
        .input("golden", "golden.jsonl")
        .run()
        .expect(0);
    assert_eq!(second.output("digest"), first.output("digest"));
    let (_, pods) = kubectl(&[
        "-n",
        &namespace.0,
        "get",
        "pods",
        "-o",
        "jsonpath={.items[*].spec.containers[*].image}",
    ]);
    assert!(pods.contains(first.output("digest")), "{pods}");
    assert!(
        !second.stdout.contains("client-key-data"),
        "the kubeconfig must not be shown"
    );
}
