//! The README's workflow, run by a workflow runner on the action's own image: what `act` runs is what users get.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::Namespace;
use crate::github::{GitHub, TOKEN};
use crate::servers::bridge;
use crate::support::{Project, bed, checkout};

/// Tag of the action's image, built once from the Dockerfile's runtime stage and the binary under test.
pub(crate) const ACTION_IMAGE: &str = "ml-deploy-action:it";

/// Builds the action's image the way the Dockerfile says, with the binary that cargo just built.
pub(crate) fn build_action_image() {
    let context = tempfile::tempdir().unwrap();
    let copy = |from: &Path, to: &str| {
        std::fs::copy(from, context.path().join(to)).unwrap();
    };
    copy(Path::new(env!("CARGO_BIN_EXE_ml-deploy")), "ml-deploy");
    copy(Path::new(&bed("UV")), "uv");
    copy(&checkout().join("Dockerfile"), "Dockerfile");
    let built = Command::new(bed("DOCKER"))
        .env("DOCKER_BUILDKIT", "1")
        .args([
            "build",
            "--build-arg",
            "BINARY=local",
            "--build-arg",
            &format!("BASE={}", bed("RUNTIME_BASE")),
            "--label",
            "ml-deploy-test=1",
            "-t",
            ACTION_IMAGE,
        ])
        .arg(context.path())
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
}

/// The action as a release publishes it: `action.yml` names the image instead of the Dockerfile.
fn released_action() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(checkout().join("action.yml")).unwrap();
    assert!(text.contains("image: Dockerfile"));
    let released = text.replace(
        "image: Dockerfile",
        &format!("image: docker://{ACTION_IMAGE}"),
    );
    std::fs::write(folder.path().join("action.yml"), released).unwrap();
    folder
}

fn workflow(registry: &str, namespace: &str) -> String {
    format!(
        r#"on: [push, pull_request]
permissions:
  contents: read
  packages: write
  checks: write
  pull-requests: write
  deployments: write
jobs:
  deliver:
    runs-on: ubuntu-latest
    outputs:
      image-ref: ${{{{ steps.ml.outputs.image-ref }}}}
      run-id: ${{{{ steps.ml.outputs.run-id }}}}
      status: ${{{{ steps.ml.outputs.status }}}}
    steps:
      - uses: actions/checkout@v4
      - id: ml
        uses: org/ml-deploy-action@v1
        with:
          python-version: '3.11'
          requirements: requirements.txt
          train: python train.py --data-path data/train.csv --model-output ./model
          mlflow-tracking-uri: ${{{{ secrets.MLFLOW_TRACKING_URI }}}}
          mlflow-experiment-name: {namespace}
          image: {registry}/act/wine
          registry-username: ${{{{ secrets.REGISTRY_USER }}}}
          registry-password: ${{{{ secrets.REGISTRY_PASSWORD }}}}
          deployment-file: k8s/deployment.yaml
          namespace: {namespace}
          kubeconfig: ${{{{ secrets.KUBECONFIG }}}}
          health-path: /health
          predict-path: /predict
          golden: golden.jsonl
  later:
    runs-on: ubuntu-latest
    needs: deliver
    steps:
      - run: echo "live=${{{{ needs.deliver.outputs.image-ref }}}} run=${{{{ needs.deliver.outputs.run-id }}}} status=${{{{ needs.deliver.outputs.status }}}}"
"#
    )
}

/// The example, with everything in the workflow and its image in this registry.
fn wine(registry: &str) -> Project {
    let project = Project::example("wine");
    std::fs::remove_file(project.path().join("ml-deploy.yml")).unwrap();
    let manifest = project.path().join("k8s/deployment.yaml");
    let text = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("ghcr.io/org/wine", &format!("{registry}/act/wine"));
    std::fs::write(&manifest, text).unwrap();
    project
}

/// Runs the workflow for an event and returns act's JSON records. `event` are the event and what act is told of it. Workflows that
/// run at the same time need files of different names: act names its containers so.
fn act(
    project: &Project,
    event: &[&str],
    workflow: &str,
    action: &Path,
    secrets: &[(&str, &str)],
) -> (bool, Vec<Value>, String) {
    let cache = tempfile::tempdir().unwrap();
    let secret_file = cache.path().join("secrets");
    let lines: Vec<String> = secrets
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    std::fs::write(&secret_file, lines.join("\n")).unwrap();
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &[
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "commit",
            "-qm",
            "wine",
        ],
    ] {
        assert!(
            Command::new("git")
                .args(args)
                .current_dir(project.path())
                .status()
                .unwrap()
                .success()
        );
    }
    let output = Command::new(bed("ACT"))
        .current_dir(project.path())
        .env("XDG_CACHE_HOME", cache.path())
        .args(event)
        .arg("-W")
        .arg(workflow)
        .arg("-P")
        .arg(format!("ubuntu-latest={}", bed("BASE")))
        .args(["--pull=false", "--action-offline-mode", "--rm", "--json"])
        .arg(format!("--secret-file={}", secret_file.display()))
        .arg(format!(
            "--local-repository=org/ml-deploy-action@v1={}",
            action.display()
        ))
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let records = stdout
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    (
        output.status.success(),
        records,
        format!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr)),
    )
}

#[test]
fn the_readmes_workflow_delivers_and_a_later_job_reads_the_outputs() {
    build_action_image();
    let action = released_action();
    let namespace = Namespace::new("it-act");
    let registry = bed("REGISTRY");
    let project = wine(&registry);
    let project = project.file(
        ".github/workflows/deliver.yml",
        &workflow(&registry, &namespace.0),
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
    build_action_image();
    let script = "import time\nprint('training has begun', flush=True)\ntime.sleep(100)\n";
    let project = Project::new().file("train.py", script);
    // As root this would be nobody's else.
    if std::fs::metadata(project.path()).unwrap().uid() == 0 {
        std::os::unix::fs::chown(project.path(), Some(4321), Some(4321)).unwrap();
    }
    let name = crate::support::unique("it-process-1");
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
        ACTION_IMAGE,
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

#[test]
fn a_failing_training_is_an_annotation_at_its_line() {
    build_action_image();
    let action = released_action();
    let project = Project::new().file("train.py", "import json\n\njson.loads('{')\n").file(
        ".github/workflows/train.yml",
        "on: push\njobs:\n  train:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - uses: org/ml-deploy-action@v1\n        with:\n          train: python train.py\n",
    );
    let (succeeded, records, log) = act(
        &project,
        &["push"],
        ".github/workflows/train.yml",
        action.path(),
        &[],
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
        (Some("train.py"), Some("3")),
        "{error}"
    );
}

/// The event's payload as GitHub sends it, and what act must be told to report where `github` listens.
fn asked(github: &GitHub, project: &Project, from: &str) -> Vec<String> {
    let event = json!({
        "action": "synchronize",
        "number": 7,
        "pull_request": {
            "number": 7,
            "title": "Better `model` ::error::forged",
            "head": {"ref": "better", "sha": HEAD, "repo": {"full_name": from, "fork": from != "org/wine"}},
            "base": {"ref": "main", "repo": {"full_name": "org/wine"}},
        },
        "repository": {"full_name": "org/wine", "default_branch": "main"},
    });
    let path = project.path().join(".event.json");
    std::fs::write(&path, event.to_string()).unwrap();
    let port = github.server.port;
    let api = format!("GITHUB_API_URL=http://{}:{port}", bridge());
    let told = [
        "pull_request",
        "-e",
        &path.to_string_lossy(),
        "--env",
        &api,
        "--env",
        "GITHUB_REPOSITORY=org/wine",
    ];
    told.map(str::to_owned).to_vec()
}

/// Looks for the token where a program of the same user may look: in the environment of the one that started it.
const SPY: &str = "import json
try:
    assert b'ghs_' not in open('/proc/1/environ', 'rb').read()
except PermissionError:
    pass
json.loads('{')
";

const HEAD: &str = "fedcba9876543210fedcba9876543210fedcba98";

#[test]
fn on_a_pull_request_the_readmes_workflow_checks_comments_and_delivers_nothing() {
    build_action_image();
    let action = released_action();
    let github = GitHub::start(&json!({"address": "0.0.0.0"}));
    let registry = bed("REGISTRY");
    let project = wine(&registry);
    let project = project.file(
        ".github/workflows/pull.yml",
        &workflow(&registry, "nowhere"),
    );
    let told = asked(&github, &project, "org/wine");
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let (succeeded, records, log) = act(
        &project,
        &told,
        ".github/workflows/pull.yml",
        action.path(),
        &[
            ("GITHUB_TOKEN", TOKEN),
            ("MLFLOW_TRACKING_URI", &bed("MLFLOW")),
        ],
    );
    assert!(succeeded, "{log}");
    let later = records.iter().filter_map(|record| record["msg"].as_str());
    let later: Vec<&str> = later.filter(|line| line.starts_with("live=")).collect();
    assert!(
        later.len() == 1 && later[0].starts_with("live= run="),
        "{later:?}\n{log}"
    );
    assert!(later[0].contains("status=success"), "{later:?}");
    let checks = github.all("checks");
    assert_eq!(
        (checks.len(), &checks[0]["run"]["head_sha"]),
        (1, &json!(HEAD))
    );
    assert_eq!(checks[0]["run"]["conclusion"], "success");
    let comments = github.all("comments");
    assert_eq!(comments.len(), 1);
    let body = comments[0]["body"].as_str().unwrap();
    for part in [
        "## ✅",
        "### Environment",
        "### Container before the push",
        "Image size",
    ] {
        assert!(body.contains(part), "{part}\n{body}");
    }
    assert!(github.all("deployments").is_empty());
    let shown = records
        .iter()
        .filter(|record| record["command"] != "add-mask");
    assert!(
        !shown
            .map(ToString::to_string)
            .any(|line| line.contains(TOKEN)),
        "{log}"
    );
}

#[test]
fn on_a_forks_pull_request_there_is_one_notice_and_everything_else() {
    build_action_image();
    let action = released_action();
    // What GitHub gives a fork: a token that can only read, and no secrets.
    let github = GitHub::start(&json!({"address": "0.0.0.0", "deny": ["check-runs", "comments"]}));
    let project = Project::new().file("train.py", SPY).file(
        ".github/workflows/fork.yml",
        "on: [push, pull_request]\njobs:\n  train:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - uses: org/ml-deploy-action@v1\n        with:\n          train: python train.py\n",
    );
    let told = asked(&github, &project, "somebody/wine");
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let (succeeded, records, log) = act(
        &project,
        &told,
        ".github/workflows/fork.yml",
        action.path(),
        &[("GITHUB_TOKEN", TOKEN)],
    );
    assert!(!succeeded, "{log}");
    // act knows no notices and prints them as they are.
    let said = records.iter().filter_map(|record| record["msg"].as_str());
    let said = said.chain(records.iter().filter_map(|record| record["raw"].as_str()));
    let notices: std::collections::BTreeSet<&str> = said
        .filter(|line| line.contains("left out on GitHub"))
        .map(str::trim)
        .collect();
    assert!(
        !notices.is_empty() && notices.iter().all(|line| line.contains("from a fork")),
        "{notices:?}\n{log}"
    );
    let errors = records.iter().filter(|record| record["command"] == "error");
    let at: Vec<_> = errors
        .map(|error| (&error["kvPairs"]["file"], &error["kvPairs"]["line"]))
        .collect();
    assert_eq!(at, [(&json!("train.py"), &json!("6"))], "{log}");
    assert_eq!(github.all("checks").len() + github.all("comments").len(), 0);
}
