//! Check and comment on GitHub: the program against GitHub's own description of its interface, and against what can go wrong.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::{shown, sound, texts};
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

#[test]
fn a_failing_training_is_a_check_on_its_line_and_one_comment() {
    // As on GitHub Enterprise; somebody has copied the marker, and another step has its own comment.
    let github = GitHub::start(&json!({
        "prefix": "/api/v3",
        "comments": [
            {"body": format!("{MARKER}\nmine"), "type": "User", "user": 5},
            {"body": format!("> {MARKER}\nquoted")},
            {"body": "<!-- ml-deploy:deliver/other -->\nother"},
        ],
    }));
    let script = "import os\nassert not any('ghs_' in value for value in os.environ.values())\nraise ValueError('no data | @org')\n";
    let project = Project::new().file("train.py", script);
    let run = || {
        let run = project.ml_deploy("train").input("train", "python train.py");
        github.asks(run, "org/wine").run().expect(20)
    };
    let ended = run();
    assert!(
        !ended.stdout.contains("left out on GitHub"),
        "{}",
        ended.stdout
    );
    let masked = ended.stdout.replace(&format!("::add-mask::{TOKEN}"), "");
    assert!(!masked.contains(TOKEN), "{masked}");

    let checks = github.all("checks");
    assert_eq!(checks.len(), 1);
    let (check, annotations) = (&checks[0]["run"], &checks[0]["annotations"]);
    assert_eq!(check["head_sha"], HEAD);
    assert_eq!(check["name"], "ml-deploy / deliver");
    assert_eq!(
        (&check["status"], &check["conclusion"]),
        (&json!("completed"), &json!("failure"))
    );
    assert_eq!(
        check["details_url"],
        "https://github.example/org/wine/actions/runs/4711"
    );
    assert!(
        check["output"]["title"]
            .as_str()
            .unwrap()
            .starts_with("failed in train")
    );
    // One annotation on the line, and the log's command has made it already.
    assert_eq!(commands(&ended, "error", "train.py"), [3]);
    assert_eq!(annotations, &json!([]));
    let said = check["output"]["summary"].as_str().unwrap();
    assert!(said.contains("at <code>train.py&#58;3</code>"), "{said}");

    let comments = github.all("comments");
    assert_eq!(comments.len(), 4, "{comments:#?}");
    let body = comments[3]["body"].as_str().unwrap();
    assert!(
        body.starts_with(&format!("{MARKER}\n## ❌ Failed in train")),
        "{body}"
    );
    // Nothing of the script's words is markup or a mention, but where they stand in a block of code.
    assert!(
        body.contains("no data &#124; @&#8203;org at <code>train.py&#58;3</code>"),
        "{body}"
    );

    // Better now: the same comment says so, a new check does.
    std::fs::write(
        project.path().join("train.py"),
        "open('model', 'w').write('m')\n",
    )
    .unwrap();
    let run = project.ml_deploy("train").input("train", "python train.py");
    github.asks(run, "org/wine").run().expect(0);
    let after = github.all("comments");
    assert_eq!(after.len(), 4);
    assert_eq!(
        after[..3],
        comments[..3],
        "comments of others are left alone"
    );
    let body = after[3]["body"].as_str().unwrap();
    assert!(body.starts_with(&format!("{MARKER}\n## ✅")), "{body}");
    assert!(body.contains("fedcba9"), "{body}");
    assert_eq!(github.all("checks")[1]["run"]["conclusion"], "success");
}

#[test]
fn annotations_are_appended_by_fifty_and_never_twice() {
    // Each of these was done although GitHub answers that it failed.
    let github = GitHub::start(&json!({"faults": [
        {"on": CHECKS, "status": 502, "did": true},
        {"on": CHECK, "status": 500, "did": true},
        {"on": COMMENTS, "status": 502, "did": true},
    ]}));
    let ended = refused(&wrong(120), &github);
    let checks = github.all("checks");
    assert_eq!(checks.len(), 1);
    assert_eq!(checks[0]["run"]["status"], "completed");
    let annotations = checks[0]["annotations"].as_array().unwrap();
    let mut lines: Vec<u64> = annotations
        .iter()
        .map(|one| one["start_line"].as_u64().unwrap())
        .collect();
    // What the log's commands could not say any more, and nothing of what they said.
    let said = commands(&ended, "error", "ml-deploy.yml");
    assert_eq!(said.len(), 10, "{said:?}");
    lines.extend(said);
    lines.sort_unstable();
    assert_eq!(lines, (1..=120).collect::<Vec<u64>>());
    let sent: Vec<usize> = [github.sent(CHECKS), github.sent(CHECK)]
        .concat()
        .iter()
        .map(|body| body["output"]["annotations"].as_array().unwrap().len())
        .collect();
    assert_eq!(sent, [50, 50, 10]);
    assert_eq!(github.sent(CHECKS)[0]["status"], "in_progress");
    assert_eq!(github.remembered("check"), "", "nothing is left open");
    assert_eq!(github.all("comments").len(), 1);
}

#[test]
fn what_was_not_done_is_tried_again_and_limits_are_waited_for() {
    let github = GitHub::start(&json!({"faults": [
        {"on": CHECKS, "status": 429, "headers": {"Retry-After": "1"}},
        {"on": CHECKS, "status": 503},
        {"on": CHECKS, "status": 307, "headers": {"Location": "/repos/org/wine/check-runs"}},
        {"on": CHECKS, "status": 422, "message": "annotations: invalid"},
        {"on": COMMENTS, "status": 403, "headers": {"Retry-After": "1"}, "message": "secondary rate limit"},
        {"on": COMMENTS, "status": 500},
    ]}));
    let ended = refused(&wrong(12), &github);
    assert!(!ended.stdout.contains("::notice"), "{}", ended.stdout);
    // The last answer but one was that the annotations are not to be had.
    let checks = github.all("checks");
    assert_eq!(
        (checks.len(), checks[0]["annotations"].clone()),
        (1, json!([]))
    );
    assert_eq!(github.sent(CHECKS).len(), 5);
    assert_eq!(github.all("comments").len(), 1);
}

#[test]
fn what_the_token_may_not_write_is_one_notice() {
    let github = GitHub::start(&json!({"deny": ["check-runs", "comments"]}));
    let project = wrong(2);
    let ended = refused(&project, &github);
    let notices: Vec<&str> = notices(&ended);
    assert_eq!(notices.len(), 1, "{}", ended.stdout);
    for part in [
        "check run, comment",
        "`checks%3A write`",
        "`pull-requests%3A write`",
    ] {
        assert!(
            notices[0].contains(&part.replace("%3A", ":")),
            "{part}: {notices:?}"
        );
    }
    assert!(ended.summary.contains("unknown key"), "{}", ended.summary);

    // A fork can do nothing about it; everything else is as it always is.
    let run = github.asks(project.ml_deploy("run"), "somebody/wine");
    let ended = run.run().expect(2).code("input-unknown");
    let notices = self::notices(&ended);
    assert_eq!(notices.len(), 1, "{}", ended.stdout);
    assert!(notices[0].contains("from a fork") && !notices[0].contains("permissions"));
    assert!(
        ended.stdout.contains("::error file=ml-deploy.yml,line=2"),
        "{}",
        ended.stdout
    );

    // Who does not want them is not told.
    let run = github.asks(project.ml_deploy("run"), "org/wine");
    let ended = run.input("github-reports", "none").run().expect(2);
    assert!(self::notices(&ended).is_empty(), "{}", ended.stdout);
    assert_eq!(github.all("checks").len() + github.all("comments").len(), 0);
}

fn notices(ended: &Ended) -> Vec<&str> {
    let lines = ended.stdout.lines();
    lines.filter(|line| line.starts_with("::notice")).collect()
}

#[test]
fn a_reporter_that_fails_is_a_warning() {
    let hour = {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        (now.unwrap().as_secs() + 3600).to_string()
    };
    let limit = json!({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": hour});
    let github =
        GitHub::start(&json!({"faults": [{"on": CHECKS, "status": 403, "headers": limit}]}));
    let project = wrong(1);
    let ended = refused(&project, &github);
    assert!(
        ended
            .stdout
            .contains("::warning::the check run on GitHub could not be written: rate limit"),
        "{}",
        ended.stdout
    );
    assert!(ended.took < Duration::from_secs(30), "{:?}", ended.took);

    // Nobody there.
    let run = github.asks(project.ml_deploy("run"), "org/wine");
    let run = run.env("GITHUB_API_URL", "http://127.0.0.1:9");
    run.run()
        .expect(2)
        .code("input-unknown")
        .says("::warning::the check run on GitHub could not be written");
}

#[test]
fn a_long_comment_keeps_what_matters_within_the_limit() {
    let github = GitHub::start(&json!({}));
    let script = "for _ in range(100):\n    print('é' * 1900)\nraise ValueError('no data')\n";
    let project = Project::new().file("train.py", script);
    let run = project.ml_deploy("train").input("train", "python train.py");
    github.asks(run, "org/wine").run().expect(20);
    let comments = github.all("comments");
    let body = comments[0]["body"].as_str().unwrap();
    assert!((20_000..=60_000).contains(&body.len()), "{}", body.len());
    assert!(body.contains("Left out or cut because GitHub limits the length: "));
    assert!(
        body.contains("## ❌ Failed") && body.contains("**Next:**"),
        "{body}"
    );
    // What was cut is still whole: nothing is left open that would swallow the rest. The first line is the marker.
    let (marker, text) = body.split_once('\n').unwrap();
    assert_eq!(marker, MARKER);
    let seen = shown(text);
    sound(&seen);
    let last = seen["text"].as_str().unwrap().trim_end();
    assert!(
        last.ends_with("everything as data: .ml-deploy/report.json"),
        "{last}"
    );
    assert!(
        texts(&seen["elements"]).contains(&"sub"),
        "{}",
        seen["elements"]
    );
    let check = &github.all("checks")[0];
    assert!(check["run"]["output"]["summary"].as_str().unwrap().len() <= 65_000);
    assert_eq!(check["annotations"], json!([]));
}

#[test]
fn a_log_without_commands_leaves_all_annotations_to_the_check() {
    for format in ["plain", "json"] {
        let github = GitHub::start(&json!({}));
        let run = wrong(2);
        let run = run.ml_deploy("run").input("format", format);
        let ended = github.asks(run, "org/wine").run().expect(2);
        assert!(!ended.stdout.contains("::error"), "{}", ended.stdout);
        let found = github.all("checks")[0]["annotations"].clone();
        let lines: Vec<_> = found.as_array().unwrap().iter().collect();
        assert_eq!(lines.len(), 2, "{found:#}");
        assert_eq!(lines[0]["annotation_level"], "failure");
        assert_eq!(lines[0]["start_line"], 1);
    }
}
