//! A cluster whose answers, pods and events are hostile, and inputs that mean nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::readers::{assert_log_is_ours, assert_markdown_is_ours};
use super::texts::{NAME, lines};
use super::{asked, assert_only_shown, project};
use crate::cluster::Namespace;
use crate::deploy::{SERVE, manifest};
use crate::formats::files;
use crate::github::GitHub;
use crate::support::{Project, bed};

#[test]
fn what_a_cluster_says_and_inputs_say_is_only_shown() {
    let github = GitHub::start(&json!({}));
    let namespace = Namespace::new("it-hostile");
    // The API server repeats what it refuses.
    let text = manifest(SERVE);
    let text = text.replacen(
        "labels: {app: wine}",
        &format!("labels: {{app: wine, team: {}}}", json!(NAME)),
        1,
    );
    let project = project().file("k8s/app.yaml", &text);
    let run = project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"));
    let ended = asked(&github, &project, run)
        .run()
        .expect(10)
        .code("manifest-rejected");
    assert_log_is_ours(&ended, 1);
    assert_markdown_is_ours("the summary", &ended.summary);
    let body = github.all("comments").pop().unwrap();
    assert_markdown_is_ours("the comment", body["body"].as_str().unwrap());

    // Inputs that mean nothing: tags, rules, names of files, unknown keys.
    let project = project.file(
        "ml-deploy.yml",
        &format!("{}: 1\ntrain: python train.py\n", json!(NAME)),
    );
    let run = project
        .ml_deploy("run")
        .input("tags", NAME)
        .input("image", NAME)
        .input("requirements", NAME)
        .input("deployment-name", NAME);
    let ended = asked(&github, &project, run)
        .input("gates", NAME)
        .run()
        .expect(2);
    assert_log_is_ours(&ended, 1);
    assert_markdown_is_ours("the summary", &ended.summary);
    files(&project.path().join(".ml-deploy"));
}

/// Says what it mounts, by log and by termination message, and ends.
const ENDS: &str = "cat /hostile/lines; cat /hostile/name >/dev/termination-log; exit 3";
/// Stands, and is never ready: what a probe prints becomes an event.
const DEAF: &str = "cat /hostile/lines; exec sleep 1000";

/// A deployment of one container that is as hostile as Kubernetes lets it be.
fn pod(script: &str) -> String {
    let lines = STANDARD.encode(lines().join("\n"));
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hostile"},
        "binaryData": {"lines": lines, "name": STANDARD.encode(NAME)}});
    let container = json!({
        "name": "x--error--set-output--forged",
        "image": "test.local/box:1",
        "command": ["sh", "-c", script, "::error::FORGED", NAME],
        "env": [{"name": "NOTE", "value": NAME}],
        "volumeMounts": [{"name": "hostile", "mountPath": "/hostile"}],
        "readinessProbe": {"exec": {"command": ["sh", "-c", "cat /hostile/name; head -c 900 /hostile/lines; exit 1"]}, "periodSeconds": 1},
    });
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "x--add-mask--forged", "annotations": {"note": NAME}},
        "spec": {"selector": {"matchLabels": {"app": "wine"}}, "template": {
            "metadata": {"labels": {"app": "wine"}, "annotations": {"note": NAME}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [container],
                "volumes": [{"name": "hostile", "configMap": {"name": "hostile"}}]}}}});
    format!("{config}\n---\n{deployment}\n")
}

#[test]
fn what_pods_and_events_say_is_only_shown() {
    let github = GitHub::start(&json!({}));
    let namespace = Namespace::new("it-hostile");
    for (script, said) in [(ENDS, "exit code 3"), (DEAF, "Readiness probe failed")] {
        let project = Project::new().file("k8s/app.yaml", &pod(script));
        let deploy = || {
            let run = github.tells(project.ml_deploy("deploy"));
            run.input("manifests", "k8s")
                .input("namespace", &namespace.0)
                .input("kubeconfig", &bed("KUBECONFIG"))
                .input("deploy-timeout", "8s")
        };
        let ended = deploy().run().expect(50).says(said);
        assert_only_shown(&ended, &project, &github, 20);
    }
}
