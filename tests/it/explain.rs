//! `explain`: the bundle of a failed rollout, judged again without a cluster.

use crate::cluster::Namespace;
use crate::deploy::manifest;
use crate::support::{Project, bed};

#[test]
fn a_failed_rollout_leaves_a_bundle_without_secrets_that_explains_it() {
    let namespace = Namespace::new("it-explain");
    let script = "echo token hunter2hunter2; echo ImportError: no sklearn; exit 3";
    let project = Project::new().file("k8s/app.yaml", &manifest(script));
    project
        .ml_deploy("deploy")
        .input("manifests", "k8s")
        .input("namespace", &namespace.0)
        .input("kubeconfig", &bed("KUBECONFIG"))
        .input("registry-username", "me")
        .input("registry-password", "hunter2hunter2")
        .input("deploy-timeout", "60s")
        .run()
        .expect(50)
        .code("crash-loop")
        .says("container `model` exits 3 — ImportError: no sklearn");
    let bundle = project.path().join(".ml-deploy/rollout.json");
    let text = std::fs::read_to_string(bundle).unwrap();
    assert!(text.contains("token ***"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    project
        .ml_deploy("explain")
        .word(".ml-deploy/rollout.json")
        .run()
        .expect(50)
        .code("crash-loop")
        .says("container `model` exits 3 — ImportError: no sklearn")
        .says("log model: token ***");
}

#[test]
fn what_had_not_failed_is_no_failure_and_what_is_no_bundle_is_refused() {
    let recorded = crate::support::checkout().join("tests/fixtures/rollouts/image-name.json");
    let text = std::fs::read_to_string(recorded).unwrap();
    let healthy = text
        .replace("InvalidImageName", "ContainerCreating")
        .replace("\"InspectFailed\"", "\"Other\"");
    let project = Project::new()
        .file("bad.json", &text)
        .file("good.json", &healthy)
        .file("none.json", "{}")
        .file("broken.json", "{");
    let explain = |file: &str| project.ml_deploy("explain").word(file).run();
    explain("bad.json").expect(50).code("image-name-invalid");
    explain("good.json")
        .expect(0)
        .says("Deployment/wine: 0 of 1 pods are available");
    for file in ["none.json", "broken.json", "absent.json"] {
        explain(file).expect(2).code("bundle-invalid").says(file);
    }
}
