//! The workflow for a push, and what only shows inside of the action's image.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{act, action_image, released_action, wine, workflow};
use crate::cluster::Namespace;
use crate::hostile::texts::{SIGN, lines};
use crate::support::{Project, bed, unique};

#[test]
fn the_readmes_workflow_delivers_and_a_later_job_reads_the_outputs() {
    let action = released_action();
    let namespace = Namespace::new("it-act");
    let image = format!("{}/it/{}", bed("REGISTRY"), unique("act"));
    let project = wine(&image);
    let project = project.file(
        ".github/workflows/deliver.yml",
        &workflow(&image, &namespace.0),
    );
    let kubeconfig = std::fs::read_to_string(bed("KUBECONFIG")).unwrap();
    let mlflow = bed("MLFLOW");
    let secrets = [
        ("MLFLOW_TRACKING_URI", mlflow.as_str()),
        ("REGISTRY_USER", "anyone"),
        ("REGISTRY_PASSWORD", "never-shown-anywhere"),
        ("KUBECONFIG", kubeconfig.as_str()),
    ];
    let (succeeded, records, log) = act(
        &project,
        &["push"],
        ".github/workflows/deliver.yml",
        action.path(),
        &secrets,
    );
    assert!(succeeded, "{log}");

    let command = |name: &str| {
        records
            .iter()
            .filter(|record| record["command"] == name)
            .count()
    };
    assert!(
        command("add-mask") > 0,
        "secrets are masked by command:\n{log}"
    );
    let later = records
        .iter()
        .filter_map(|record| record["msg"].as_str())
        .find(|line| line.starts_with("live="));
    let later = later.unwrap_or_else(|| panic!("the later job printed nothing:\n{log}"));
    assert!(
        later.contains("@sha256:") && later.contains("status=success"),
        "{later}"
    );
    assert!(!later.contains("run= "), "{later}");
    // The runner swallows the commands that mask; everything else must be free of what they mask.
    let shown = records
        .iter()
        .filter(|record| record["command"] != "add-mask");
    for line in shown.map(ToString::to_string) {
        assert!(
            !line.contains("never-shown-anywhere") && !line.contains("client-key-data"),
            "{line}"
        );
    }
}

/// The runner's way: the signal goes to Docker's client, which hands it to process 1.
#[test]
fn as_process_1_a_signal_is_heard_and_files_have_an_owner() {
    use std::os::unix::fs::MetadataExt as _;
    let script = "import time\nprint('training has begun', flush=True)\ntime.sleep(100)\n";
    let project = Project::new().file("train.py", script);
    // As root this would be nobody's else.
    if std::fs::metadata(project.path()).unwrap().uid() == 0 {
        std::os::unix::fs::chown(project.path(), Some(4321), Some(4321)).unwrap();
    }
    let name = unique("it-process-1");
    let place = format!("{}:/github/workspace", project.path().display());
    let docker = bed("DOCKER");
    let words = [
        &docker,
        "run",
        "--rm",
        "--name",
        &name,
        "-v",
        &place,
        "-w",
        "/github/workspace",
        "--entrypoint=ml-deploy",
        action_image(),
    ];
    let run = project.through(&words, "train").terminal();
    let ended = run
        .flag("train", "python train.py")
        .signal_at("training has begun", "TERM")
        .expect(143);
    assert!(ended.took.as_secs() < 6, "{:?}", ended.took);
    assert_eq!(ended.report["status"], "cancelled");
    let report = project.path().join(".ml-deploy/report.json");
    let owner = |path: &Path| std::fs::metadata(path).unwrap().uid();
    assert_ne!(owner(&report), 0);
    assert_eq!(owner(&report), owner(project.path()));
    let left = Command::new(&docker)
        .args(["ps", "-aq", "--filter", &format!("name={name}")])
        .output()
        .unwrap();
    assert!(left.stdout.is_empty(), "{left:?}");
}

const PASSWORD: &str = "never-shown-password";
/// Fails at its ninth line.
const HOSTILE: &str = "import json, sys
lines = json.load(open('lines.json'))
secret = '-'.join(['never', 'shown', 'password'])
for number, line in enumerate(lines):
    sys.stdout.buffer.write(line.encode() + b'\\n')
    if number % 40 == 0:
        print(secret)
sys.stdout.flush()
json.loads('{')
";

#[test]
fn a_failing_training_is_an_annotation_at_its_line() {
    let action = released_action();
    // Before it fails, it prints what would be commands of somebody else, and a secret after each few of them.
    let project = Project::new()
        .file("train.py", HOSTILE)
        .file("lines.json", &json!(lines()).to_string())
        .file(
        ".github/workflows/train.yml",
        "on: push\njobs:\n  train:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - uses: org/ml-deploy-action@v1\n        with:\n          train: python train.py\n          registry-username: robot\n          registry-password: ${{ secrets.REGISTRY_PASSWORD }}\n",
    );
    let (succeeded, records, log) = act(
        &project,
        &["push"],
        ".github/workflows/train.yml",
        action.path(),
        &[("REGISTRY_PASSWORD", PASSWORD)],
    );
    assert!(!succeeded, "{log}");
    let error = records
        .iter()
        .find(|record| record["command"] == "error")
        .unwrap_or_else(|| panic!("no annotation:\n{log}"));
    assert_eq!(
        (
            error["kvPairs"]["file"].as_str(),
            error["kvPairs"]["line"].as_str()
        ),
        (Some("train.py"), Some("9")),
        "{error}"
    );
    // Every line was seen, none was taken for a command, and what was masked stays it.
    let mut seen = 0;
    for record in &records {
        let text = record.to_string();
        seen += text.matches(SIGN).count();
        assert!(
            !text.contains(PASSWORD) || record["command"] == "add-mask",
            "{text}"
        );
        // act marks what it does by a sign, also where it has no name for it.
        let done = record["msg"].as_str().unwrap_or_default().trim_start();
        let command = record["command"].as_str();
        if command.is_none() && !done.starts_with(['⚙', '❓', '❗', '🚧', '💬']) {
            continue;
        }
        // The finding and the summary, a file, quote what the training said; nothing else may.
        let finding = command == Some("error") && record["kvPairs"]["file"] == "train.py";
        let quotes = finding || command == Some("summary");
        assert!(quotes || !text.contains(SIGN), "{text}");
        if let Some(command) = command {
            let ours = [
                "add-mask",
                "group",
                "endgroup",
                "error",
                "set-output",
                "save-state",
                "summary",
            ];
            assert!(ours.contains(&command), "{text}");
        }
    }
    assert!(seen >= lines().len(), "{seen}");
}
