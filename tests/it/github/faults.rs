//! What can go wrong at GitHub: limits, faults, a token that may not write, nobody there.

use std::time::Duration;

use serde_json::json;

use super::{CHECKS, COMMENTS, GitHub, refused, wrong};
use crate::support::Ended;

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
