//! Check and comment on GitHub: the program against GitHub's own description of its interface, and against what can go wrong.

mod faults;
mod reports;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::servers::Server;
use crate::support::{Ended, Project, Run, checkout};

pub(crate) const TOKEN: &str = "ghs_reports-only";
const HEAD: &str = "fedcba9876543210fedcba9876543210fedcba98";
const MARKER: &str = "<!-- ml-deploy:deliver/ml -->";

const CHECKS: &str = "post /repos/{owner}/{repo}/check-runs";
const CHECK: &str = "patch /repos/{owner}/{repo}/check-runs/{check_run_id}";
const COMMENTS: &str = "post /repos/{owner}/{repo}/issues/{issue_number}/comments";

/// GitHub's interface, holding what is written.
pub(crate) struct GitHub {
    pub(crate) server: Server,
    folder: tempfile::TempDir,
    prefix: String,
}

impl GitHub {
    /// `script` says what is there before, and what goes wrong (`servers/github/server.py`).
    pub(crate) fn start(script: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let description = checkout().join("tests/fixtures/github/openapi.json");
        let server = Server::with(
            &["jsonschema==4.26.0", "rfc3339-validator==0.1.4"],
            "github/server.py",
            &[
                &description.to_string_lossy(),
                &script.to_string(),
                &folder.path().join("log").to_string_lossy(),
            ],
        );
        let prefix = script["prefix"].as_str().unwrap_or_default().to_owned();
        Self {
            server,
            folder,
            prefix,
        }
    }

    /// The run is a job's step on GitHub, for a push.
    pub(crate) fn tells<'a>(&self, run: Run<'a>) -> Run<'a> {
        let api = format!("http://{}{}", self.server.address(), self.prefix);
        run.env("GITHUB_API_URL", &api)
            .env("GITHUB_RUN_ID", "4711")
            .env("GITHUB_JOB", "deliver")
            .env("GITHUB_ACTION", "ml")
            .env("GITHUB_STATE", &self.file("state").to_string_lossy())
            .input("github-token", TOKEN)
    }

    /// The same, for a pull request from `from`.
    pub(crate) fn asks<'a>(&self, run: Run<'a>, from: &str) -> Run<'a> {
        let event = json!({
            "number": 7,
            "pull_request": {"number": 7, "head": {"sha": HEAD, "repo": {"full_name": from}}},
        });
        let path = self.file("event.json");
        std::fs::write(&path, event.to_string()).unwrap();
        self.tells(run)
            .env("GITHUB_EVENT_NAME", "pull_request")
            .env("GITHUB_EVENT_PATH", &path.to_string_lossy())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the step remembers for its `post-entrypoint`: the last value of each key, as the runner reads it.
    pub(crate) fn remembered(&self, key: &str) -> String {
        let text = std::fs::read_to_string(self.file("state")).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let values: Vec<&str> = pairs
            .filter(|(known, _)| *known == key)
            .map(|(_, value)| value)
            .collect();
        values.last().map_or("", |value| value).to_owned()
    }

    /// All that the step remembers, as it stands in the runner's file.
    pub(crate) fn step_state(&self) -> String {
        std::fs::read_to_string(self.file("state")).unwrap_or_default()
    }

    /// Everything that was asked and written so far, which was as the description says.
    pub(crate) fn log(&self) -> Value {
        let text = std::fs::read_to_string(self.file("log")).unwrap();
        assert!(!text.contains(TOKEN), "a report holds the token");
        let log: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(log["violations"], json!([]), "{:#}", log["violations"]);
        log
    }

    /// What there is now of a kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        let log = self.log();
        let all = log["state"][kind].as_object().unwrap();
        all.values().cloned().collect()
    }

    /// Bodies of the requests to an operation.
    pub(crate) fn sent(&self, operation: &str) -> Vec<Value> {
        let log = self.log();
        let requests = log["requests"].as_array().unwrap().iter();
        let (method, template) = operation.split_once(' ').unwrap();
        requests
            .filter(|one| one["method"] == method && one["template"] == template)
            .map(|one| one["body"].clone())
            .collect()
    }
}

/// A configuration with so many wrong lines: the quickest way to findings with places.
fn wrong(lines: usize) -> Project {
    let text: String = (1..=lines)
        .map(|line| format!("wrong-{line}: x\n"))
        .collect();
    Project::new().file("ml-deploy.yml", &text)
}

/// Lines of a file that commands of the log annotate.
fn commands(ended: &Ended, kind: &str, file: &str) -> Vec<u64> {
    let begin = format!("::{kind} file={file},line=");
    let said = ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix(&begin));
    let number = |rest: &str| rest.split([',', ':']).next().unwrap().parse().unwrap();
    said.map(number).collect()
}

/// A run that ends with findings, on a pull request of the repository itself.
fn refused(project: &Project, github: &GitHub) -> Ended {
    github
        .asks(project.ml_deploy("run"), "org/wine")
        .run()
        .expect(2)
        .code("input-unknown")
}
