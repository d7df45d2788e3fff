//! Our workflows and the examples' are free of what linters for correctness and for security find.

use std::process::Command;

use crate::support::{bed, checkout};

fn clean(mut command: Command) {
    let output = command.current_dir(checkout()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn actionlint_finds_nothing() {
    let mut command = Command::new(bed("ACTIONLINT"));
    for folder in [
        ".github/workflows",
        "examples/wine/.github/workflows",
        "examples/digits/.github/workflows",
    ] {
        let files = std::fs::read_dir(checkout().join(folder)).unwrap();
        command.args(files.map(|file| file.unwrap().path()));
    }
    clean(command);
}

#[test]
fn zizmor_finds_nothing() {
    let mut command = Command::new(bed("ZIZMOR"));
    command.args(["--offline", ".github", "action.yml", "examples"]);
    clean(command);
}
