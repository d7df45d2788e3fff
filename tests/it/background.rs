//! What only decorates a report: servers that do not answer, or refuse, are a line in the log and change nothing else.

use std::time::Duration;

use crate::gates::project;
use crate::servers::Server;
use crate::support::{bed, unique};

#[test]
fn a_silent_tracking_server_and_a_registry_that_refuses_are_only_noted() {
    // Both answer what the job itself asks (it finds its run with the first search); the rest is only for the report.
    let server = bed("MLFLOW");
    let behind = server.trim_start_matches("http://");
    let agent = "ml-deploy";
    let mlflow = Server::start(
        "proxy.py",
        &[behind, "POST", "runs/search", agent, "1+1000", "silent"],
    );
    let registry = bed("REGISTRY");
    let refusing = Server::start(
        "proxy.py",
        &[&registry, "GET", "/manifests/", agent, "1000", "403-json"],
    );
    let dockerfile = format!("FROM {}\nCOPY model /srv/model\n", bed("BASE"));
    let name = unique("it-background");
    let ended = project("'accuracy': 0.9", "pass")
        .file("Dockerfile", &dockerfile)
        .ml_deploy("run")
        .input("train", "python train.py")
        .input(
            "mlflow-tracking-uri",
            &format!("http://{}", mlflow.address()),
        )
        .input("mlflow-experiment-name", &name)
        .input("image", &format!("{}/it/{name}:v1", refusing.address()))
        .input("parity", "off")
        .input("try-container", "false")
        .run()
        .expect(0)
        .says("the experiment's last runs are not shown in the report: no answer within 10 s")
        .says("the image's layers are not shown in the report: ");
    assert_eq!(ended.output("status"), "success");
    assert_eq!(ended.output("digest").len(), 71);
    assert!(ended.took < Duration::from_secs(120), "{:?}", ended.took);
    // Neither is a finding, and neither leaves an empty section.
    assert_eq!(ended.report["findings"].as_array().map(Vec::len), Some(0));
    for section in ["### Last runs", "### Image\n"] {
        assert!(!ended.summary.contains(section), "{}", ended.summary);
    }
    assert!(ended.summary.contains("### Metrics"), "{}", ended.summary);
}
