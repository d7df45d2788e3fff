//! The bed's cluster: kubectl as an independent witness, and a namespace for each test.

use std::process::Command;

use crate::support::{bed, unique};

/// A namespace that is deleted with the test.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn new(prefix: &str) -> Self {
        let name = unique(prefix);
        let (created, _) = kubectl(&["create", "namespace", &name]);
        assert!(created, "namespace `{name}` could not be created");
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        kubectl(&["delete", "namespace", &self.0, "--wait=false"]);
    }
}

/// Runs the bed's kubectl as administrator: whether it succeeded, and what it printed.
pub(crate) fn kubectl(arguments: &[&str]) -> (bool, String) {
    let program = bed("KUBECTL");
    // The bed's kubectl is a program and its first argument.
    let mut words = program.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .args(arguments)
        .env("KUBECONFIG", bed("KUBECONFIG"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), printed)
}
