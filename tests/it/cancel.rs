//! A signal at any moment: within 6 s everything we started is gone, and what was left is said.

use std::process::Command;
use std::time::Duration;

use crate::support::{Ended, Project, bed, unique};

const LIMIT: Duration = Duration::from_secs(6);

fn assert_cancelled(ended: &Ended, status: i32, code: &str) {
    assert_eq!(ended.status, status, "{}", ended.stdout);
    assert!(ended.took < LIMIT, "{:?}\n{}", ended.took, ended.stdout);
    assert_eq!(ended.output("status"), "cancelled");
    assert_eq!(ended.output("failure-code"), code);
    assert_eq!(ended.report["status"], "cancelled");
}

/// Processes whose command line holds the text.
fn processes(text: &str) -> usize {
    let listed = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    listed
        .lines()
        .filter(|line| line.contains(text) && !line.starts_with("ps "))
        .count()
}

/// Ends a training that has begun, and with it every process that carries the marker.
fn nothing_survives(script: &str, marker: &str) {
    let project = Project::new().file("train.py", script);
    let ended = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .signal_at("training has begun", "TERM");
    assert_cancelled(&ended, 143, "terminated");
    assert_eq!(processes(marker), 0, "a grandchild survived");
}

#[test]
fn sigterm_ends_the_trainings_whole_group() {
    let marker = unique("ml-deploy-it-sleep");
    let script = format!(
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nchild = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(120) # {marker}'])\ntime.sleep(1)\nprint('training has begun', flush=True)\ntime.sleep(120)\n"
    );
    nothing_survives(&script, &marker);
}

#[test]
fn a_process_in_a_session_of_its_own_ends_too() {
    let marker = unique("ml-deploy-it-session");
    let script = format!(
        "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(120) # {marker}'], start_new_session=True)\ntime.sleep(1)\nprint('training has begun', flush=True)\ntime.sleep(120)\n"
    );
    nothing_survives(&script, &marker);
}

#[test]
fn a_third_signal_leaves_at_once_and_leaves_nothing_running() {
    let marker = unique("ml-deploy-it-third");
    let script = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('training has begun', flush=True)\ntime.sleep(120)\n";
    let project = Project::new().file("train.py", script);
    let ended = project
        .ml_deploy("train")
        .input("train", &format!("python train.py {marker}"))
        .signal_at("training has begun", "INT TERM INT");
    assert_eq!(ended.status, 130, "{}", ended.stdout);
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
    assert_eq!(processes(&marker), 0, "the training survived");
}

/// What cannot be shown must hold up neither the end nor what is written into files.
#[test]
fn a_reader_that_reads_no_more_holds_nothing_up() {
    let marker = unique("ml-deploy-it-unread");
    let script = "print('training has begun', flush=True)\nwhile True:\n    print('x' * 4000)\n";
    let project = Project::new().file("train.py", script);
    let ended = project
        .ml_deploy("train")
        .input("train", &format!("python train.py {marker}"))
        .unread_at("training has begun", "TERM");
    assert_cancelled(&ended, 143, "terminated");
    assert!(ended.summary.contains("terminated"), "{}", ended.summary);
    assert_eq!(processes(&marker), 0, "the training survived");
}

#[test]
fn sigint_ends_a_build() {
    let image = format!("{}/it/{}", bed("REGISTRY"), unique("cancel"));
    let dockerfile = format!(
        "FROM {}\nRUN echo build has begun && sleep 100 # {}\n",
        bed("BASE"),
        unique("nocache")
    );
    let project = Project::new()
        .file("Dockerfile", &dockerfile)
        .file("model", "m");
    let run = project
        .ml_deploy("run")
        .input("stages", "build")
        .input("image", &image)
        .input("early-layers", "false");
    let ended = run.signal_at("build has begun", "INT");
    assert_cancelled(&ended, 130, "interrupted");
    let left = Command::new("docker")
        .args(["image", "ls", "-q", &image])
        .output()
        .unwrap();
    assert!(left.stdout.is_empty());
}

#[test]
fn the_deadline_of_the_run_is_another_code() {
    let project = Project::new().file("train.py", "import time\ntime.sleep(100)\n");
    let ended = project
        .ml_deploy("train")
        .input("train", "python train.py")
        .input("timeout", "4s")
        .run();
    assert_eq!(ended.status, 124, "{}", ended.stdout);
    assert_eq!(ended.output("failure-code"), "deadline");
}
