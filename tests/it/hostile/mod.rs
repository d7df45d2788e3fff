//! A thousand hostile lines, and hostile names wherever somebody may choose one: nothing of it is interpreted by a runner, a terminal, a
//! Markdown renderer, a reader of XML or of JSON. The readers are independent of the program.

mod clouds;
mod cluster;
mod readers;
pub(crate) mod texts;
mod training;

use serde_json::json;

use self::readers::{assert_log_is_ours, assert_markdown_is_ours, assert_plain};
use self::texts::{NAME, lines};
use crate::formats::files;
use crate::github::GitHub;
use crate::support::{Ended, Project, Run};

/// Prints the lines as bytes, some of them broken as text, and fails with the worst of them.
const TRAIN: &str = r#"
import json, pathlib, sys
lines = json.loads(pathlib.Path("lines.json").read_text())
for number, line in enumerate(lines):
    out = (sys.stdout, sys.stderr)[number % 2].buffer
    out.write((b"\xff\xc3" if number % 7 == 0 else b"") + line.encode() + b"\n")
    out.flush()
name = json.loads(pathlib.Path("name.json").read_text())
pathlib.Path("model").mkdir()
pathlib.Path("model", name.replace("/", "")).write_text("m")
pathlib.Path("metrics.json").write_text(json.dumps({name: 0.5, "accuracy": 0.9, **{line: 1.0 for line in lines[::40]}}))
if "fail" in sys.argv:
    raise ValueError(name + "\n".join(lines[::9]))
"#;

fn project() -> Project {
    Project::new()
        .file("train.py", TRAIN)
        .file("lines.json", &json!(lines()).to_string())
        .file("name.json", &json!(NAME).to_string())
}

/// A job on GitHub for a pull request whose branch and title are hostile too.
fn asked<'a>(github: &GitHub, project: &Project, run: Run<'a>) -> Run<'a> {
    let event = json!({
        "number": 7,
        "pull_request": {"number": 7, "title": NAME, "body": lines()[..60].join("\n"),
            "head": {"sha": "fedcba9876543210fedcba9876543210fedcba98", "ref": NAME, "label": NAME, "repo": {"full_name": "org/wine"}}},
    });
    let path = project.path().join("event.json");
    std::fs::write(&path, event.to_string()).unwrap();
    github
        .asks(run, "org/wine")
        .env("GITHUB_EVENT_PATH", &path.to_string_lossy())
        .env("GITHUB_HEAD_REF", NAME.trim_end())
        .env("GITHUB_REF_NAME", NAME)
        .env("GITHUB_WORKFLOW", NAME)
        .input("metrics-file", "metrics.json")
        .input("gates", &format!("\"{NAME}\" >= 0.95\naccuracy >= 0.8"))
}

/// Shows at least so many hostile words in the log, and is interpreted nowhere: log, summary, check, comment if there is one, files.
fn assert_only_shown(ended: &Ended, project: &Project, github: &GitHub, shown: usize) {
    assert_log_is_ours(ended, shown);
    assert_markdown_is_ours("the summary", &ended.summary);
    let check = github.all("checks").pop().unwrap();
    let said = check["run"]["output"]["summary"].as_str().unwrap();
    assert_markdown_is_ours("the check", said);
    for annotation in check["annotations"].as_array().unwrap() {
        assert_plain("an annotation", annotation["message"].as_str().unwrap());
    }
    if let Some(comment) = github.all("comments").pop() {
        assert_markdown_is_ours("the comment", comment["body"].as_str().unwrap());
    }
    // Each is read by somebody else's reader.
    files(&project.path().join(".ml-deploy"));
}
