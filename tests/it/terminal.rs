//! A person at a terminal: `script` gives the program one, and what it shows there is read back.

use std::process::Command;

use crate::support::{Project, checkout, path_with_uv};

/// What a line is erased with.
const ERASE: &str = "\r\u{1b}[K";

/// Trains for some seconds in a terminal of 60 columns, with these variables; what was shown.
fn seen(project: &Project, variables: &[(&str, &str)], words: &str) -> String {
    let program = env!("CARGO_BIN_EXE_ml-deploy");
    let inner = format!("stty cols 60; exec {program} train --train 'python3 train.py' {words}");
    let output = Command::new("script")
        .args(["-qec", &inner, "/dev/null"])
        .current_dir(project.path())
        .env_clear()
        .env("PATH", path_with_uv())
        .env("HOME", std::env::var("HOME").unwrap())
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}");
    // The terminal's driver adds the carriage return.
    shown.replace("\r\n", "\n")
}

/// What stands on the terminal in the end: what was erased does not.
fn left(shown: &str) -> String {
    let lines = shown.lines();
    let lines = lines.map(|line| line.rsplit(ERASE).next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every state of the live line.
fn drawn(shown: &str) -> Vec<&str> {
    let parts = shown
        .split(['\n', '\r'])
        .map(|part| part.trim_start_matches("\u{1b}[K"));
    parts.filter(|part| part.contains("… train ")).collect()
}

fn slow() -> Project {
    let script = "import time\nprint('begun', flush=True)\ntime.sleep(2.5)\nopen('model', 'w').write('m')\nprint('ended', flush=True)\n";
    Project::new().file("train.py", script)
}

#[test]
fn a_terminal_shows_one_line_that_is_redrawn_and_stays_nowhere() {
    let project = slow();
    let shown = seen(&project, &[], "");
    let lines = drawn(&shown);
    for time in [
        "… train 0:00  ",
        "… train 0:01  `python3 train.py`",
        "… train 0:02  `python3 train.py`",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(time)),
            "{time} {lines:?}"
        );
    }
    for line in &lines {
        let plain = line.replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
        assert!(plain.chars().count() < 60, "{plain:?}");
    }
    let left = left(&shown);
    assert!(!left.contains('…') || !left.contains("… train"), "{left}");
    for part in ["begun", "ended", "✓", "done"] {
        assert!(left.contains(part), "{part}\n{left}");
    }

    // Without colours the line is there too, and nothing is coloured.
    let shown = seen(&project, &[("NO_COLOR", "1")], "");
    assert!(!drawn(&shown).is_empty(), "{shown}");
    assert!(!shown.replace(ERASE, "").contains('\u{1b}'), "{shown:?}");
}

#[test]
fn what_cannot_erase_a_line_or_is_read_by_a_program_gets_none() {
    let project = Project::new().file("train.py", "open('model', 'w').write('m')\n");
    for (variables, words) in [
        (&[("TERM", "dumb")][..], ""),
        (&[("CI", "true")], ""),
        (&[], "--format=plain"),
        (&[], "--format=json"),
        // A pipe behind the terminal's shell, which standard error still is.
        (&[], "| cat"),
    ] {
        let shown = seen(&project, variables, words);
        assert!(
            drawn(&shown).is_empty() && !shown.contains("\u{1b}[K"),
            "{words} {variables:?}\n{shown:?}"
        );
        assert!(shown.contains("train"), "{shown}");
    }
    // What a file gets is what is documented: whole lines.
    let readme = std::fs::read_to_string(checkout().join("README.md")).unwrap();
    assert!(
        readme.contains("On a terminal the last line"),
        "the README says it"
    );
}
