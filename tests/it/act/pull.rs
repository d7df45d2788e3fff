//! The workflow for a pull request, of the repository itself and of a fork.

use serde_json::json;

use super::{act, released_action, wine, workflow};
use crate::github::{GitHub, TOKEN};
use crate::servers::bridge;
use crate::support::{Project, bed, unique};

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
    let action = released_action();
    let github = GitHub::start(&json!({"address": "0.0.0.0"}));
    let image = format!("{}/it/{}", bed("REGISTRY"), unique("act"));
    let project = wine(&image);
    let project = project.file(".github/workflows/pull.yml", &workflow(&image, "nowhere"));
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
