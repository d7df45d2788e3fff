//! What is written: checks, annotations, one comment, each as long as GitHub lets it be.

use serde_json::json;

use super::{CHECK, CHECKS, COMMENTS, GitHub, HEAD, MARKER, TOKEN, commands, refused, wrong};
use crate::browser::{shown, sound, texts};
use crate::support::Project;

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
