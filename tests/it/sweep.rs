//! What the test bed removes of runs that were killed, and what it leaves alone.

use std::process::Command;

use crate::engine::{Container, docker};
use crate::support::{bed, checkout, unique};

#[test]
fn what_a_killed_run_of_the_tests_left_is_removed_and_nothing_else() {
    // No process has a number as large.
    let ours = unique("it-sweep");
    let (dead, strange) = ("it-sweep-4999999-0", format!("{ours}x"));
    let containers = [dead, &ours, &strange].map(|name| {
        docker(&["rm", "--force", name]);
        docker(&["create", "--name", name, &bed("BASE"), "true"]);
        Container(name.to_owned())
    });
    let image = |name: &str| format!("{}/it/{name}:v1", bed("REGISTRY"));
    for name in [dead, &ours] {
        docker(&["tag", &bed("BASE"), &image(name)]);
    }
    let swept = Command::new(checkout().join("tests/bed/sweep"))
        .output()
        .unwrap();
    assert!(swept.status.success(), "{swept:?}");
    let there = |kind: &str, name: &str| {
        let seen = docker(&[kind, "inspect", "--format", "{{.Id}}", name]);
        !seen.trim().is_empty()
    };
    let container = |name: &str| there("container", name);
    assert!(!container(dead) && container(&ours) && container(&strange));
    assert!(!there("image", &image(dead)) && there("image", &image(&ours)));
    assert!(there("image", &bed("BASE")), "the base has another name");
    docker(&["rmi", &image(&ours)]);
    drop(containers);
}
