//! A cluster whose answers, pods and events are hostile, and inputs that mean nothing.

use serde_json::json;

use super::readers::{assert_log_is_ours, assert_markdown_is_ours};
use super::texts::NAME;
use super::{asked, project};
use crate::cluster::Namespace;
use crate::deploy::{SERVE, manifest};
use crate::formats::files;
use crate::github::GitHub;
use crate::support::bed;

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
