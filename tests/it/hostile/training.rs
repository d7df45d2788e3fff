//! A training that prints a thousand hostile lines and has hostile metrics, on GitHub and on GitLab.

use serde_json::{Value, json};

use super::readers::{MARKER, assert_log_is_ours, assert_markdown_is_ours, assert_plain};
use super::texts::{NAME, SIGN, lines};
use super::{asked, project};
use crate::formats::{files, valid};
use crate::github::GitHub;
use crate::support::{Project, checkout};

#[test]
fn a_thousand_hostile_lines_and_names_are_shown_and_none_is_obeyed() {
    let lines = lines();
    assert!(lines.len() >= 1000, "{}", lines.len());
    let github = GitHub::start(&json!({}));
    let project = project();

    // A model that its gate refuses, with metrics of any name; then a training that fails with all of it.
    for (words, code, exit) in [("", "gate-failed", 30), (" fail", "train-failed", 20)] {
        std::fs::remove_dir_all(project.path().join("model")).ok();
        let run = project
            .ml_deploy("run")
            .input("train", &format!("python train.py{words}"));
        let ended = asked(&github, &project, run).run().expect(exit).code(code);
        assert_log_is_ours(&ended, lines.len());
        assert_markdown_is_ours("the summary", &ended.summary);
        let comment = github.all("comments").pop().unwrap();
        let body = comment["body"].as_str().unwrap();
        assert_eq!(body.lines().next(), Some(MARKER));
        assert_markdown_is_ours("the comment", body);
        let check = github.all("checks").pop().unwrap();
        assert_markdown_is_ours(
            "the check",
            check["run"]["output"]["summary"].as_str().unwrap(),
        );
        assert!(
            !check["run"]["output"]["title"]
                .as_str()
                .unwrap()
                .contains(SIGN)
        );
        for annotation in check["annotations"].as_array().unwrap() {
            assert_plain("an annotation", annotation["message"].as_str().unwrap());
        }
        // XML, SARIF, code quality, dotenv, properties and outputs, read by others' readers.
        let all = files(&project.path().join(".ml-deploy"));
        assert_eq!(all["env"]["ML_DEPLOY_STATUS"], "failure");
        let names = all["env"].as_object().unwrap().keys();
        assert!(
            names.clone().all(|name| name.starts_with("ML_DEPLOY_")),
            "{}",
            all["env"]
        );
        for case in all["junit"].as_array().unwrap() {
            assert_plain("a test case", case["name"].as_str().unwrap());
        }
    }
    assert_eq!(
        github.all("comments").len(),
        1,
        "the same comment, whatever it quotes"
    );
}

#[test]
fn hostile_lines_fold_nothing_on_gitlab_and_are_no_events_of_ours() {
    let project = project();
    let run = |format: &str| {
        std::fs::remove_dir_all(project.path().join("model")).ok();
        let run = project
            .ml_deploy("train")
            .input("train", "python train.py fail")
            .terminal();
        run.env("GITLAB_CI", "true")
            .env("CI_COMMIT_REF_NAME", NAME)
            .env("CI_MERGE_REQUEST_TITLE", NAME)
            .input("format", format)
            .run()
            .expect(20)
    };
    let log = run("auto").stdout;
    // A section is opened by what stands at a line's beginning and ends with a carriage return.
    let (mut open, mut sections) = (Vec::new(), 0);
    for part in log.split('\r').filter_map(|part| part.rsplit('\n').next()) {
        let Some(marker) = part.strip_prefix("\u{1b}[0Ksection_") else {
            continue;
        };
        let words: Vec<&str> = marker.split([':', '[']).collect();
        assert!(words[2].starts_with("ml_deploy_"), "{part}");
        match words[0] {
            "start" => open.push(words[2].to_owned()),
            _ => assert_eq!(open.pop().as_deref(), Some(words[2])),
        }
        sections += 1;
    }
    assert!(sections > 1 && open.is_empty(), "{sections} {open:?}");
    let others = log
        .replace("\u{1b}[0Ksection_", "")
        .replace("\r\u{1b}[0K", "");
    let colour = |rest: &str| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .starts_with('m')
    };
    for escape in others.split('\u{1b}').skip(1) {
        assert!(escape.strip_prefix('[').is_some_and(colour), "{escape}");
    }
    assert!(!others.contains('\r'));

    let project = Project::new().file("events.jsonl", &run("json").stdout);
    let file = project.path().join("events.jsonl");
    valid(&checkout().join("docs/events.schema.json"), &file);
    let text = std::fs::read_to_string(file).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((count("begun"), count("ended")), (1, 1));
    assert!(count("output") >= lines().len(), "{}", count("output"));
    assert_plain("the events", &text);
}
