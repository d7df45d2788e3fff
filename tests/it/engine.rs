//! The bed's container engine through its own client: what tests start there, and the images that they deploy.

use std::process::Command;

use crate::support::{Project, bed};

/// A container of the engine that is removed with the test.
pub(crate) struct Container(pub(crate) String);

impl Drop for Container {
    fn drop(&mut self) {
        for suffix in ["", "-next", "-previous"] {
            docker(&["rm", "-f", &format!("{}{suffix}", self.0)]);
        }
    }
}

/// What the engine's own client prints, without the white space around it.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new(bed("DOCKER"))
        .args(arguments)
        .env("DOCKER_BUILDKIT", "1")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Builds and pushes an image and returns it by digest.
pub(crate) fn pushed(name: &str, command: &str) -> String {
    let project = Project::new().file(
        "Dockerfile",
        &format!("FROM {}\nEXPOSE 8080\nCMD {command}\n", bed("BASE")),
    );
    let image = format!("{}/it/{name}:1", bed("REGISTRY"));
    docker(&[
        "build",
        "-q",
        "-t",
        &image,
        &project.path().display().to_string(),
    ]);
    docker(&["push", &image]);
    docker(&["inspect", "-f", "{{index .RepoDigests 0}}", &image])
}
