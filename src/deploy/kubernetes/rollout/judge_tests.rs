//! What holds for all rules: newest revision only, observed generation first, recovery, quorum, tolerance, and settling.

use serde_json::{Value, json};

use super::observation::Verdict;
use super::record::time;
use super::replay::{Replay, failed, made, make_ready, named, recorded};
use super::rules::Rule;

fn deployment(observed: i64, updated: i64, all: i64, available: i64) -> Replay {
    let revision = json!({"deployment.kubernetes.io/revision": "2"});
    made(
        "apps/v1",
        json!({"kind": "Deployment", "metadata": {"annotations": revision}, "spec": {"replicas": 2},
        "status": {"observedGeneration": observed, "updatedReplicas": updated, "replicas": all, "availableReplicas": available}}),
    )
}

pub(super) fn what(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Progressing { what, .. } => what,
        _ => "",
    }
}

pub(super) fn succeeds(replay: &Replay) -> bool {
    matches!(replay.verdict(), Verdict::Succeeded { .. })
}

pub(super) fn warned(replay: &Replay) -> String {
    match replay.verdict() {
        Verdict::Succeeded { warnings } => warnings.join("; "),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_old_revisions_success_is_not_ours() {
    assert!(!succeeds(&deployment(1, 2, 2, 2)));
    assert!(succeeds(&deployment(2, 2, 2, 2)));
    assert_eq!(
        what(&deployment(2, 2, 3, 2).verdict()),
        "1 old pods are still there"
    );
    assert_eq!(
        what(&deployment(2, 1, 3, 2).verdict()),
        "1 of 2 new pods made"
    );
    assert_eq!(
        what(&deployment(2, 2, 2, 1).verdict()),
        "1 of 2 pods are available"
    );
}

#[test]
fn no_replicas_is_a_success_that_says_so() {
    let none =
        deployment(2, 0, 0, 0).with("Deployment", |object| object["spec"]["replicas"] = json!(0));
    assert!(warned(&none).contains("0 replicas"));
}

#[test]
fn an_old_pods_crash_does_not_count() {
    let old = recorded("crash").with("ReplicaSet", |set| {
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("0");
    });
    assert_eq!(named(&old.verdict()), None);
    assert_eq!(
        named(&recorded("crash").verdict()),
        Some(Rule::CrashedAlike)
    );
}

#[test]
fn a_count_of_the_workload_that_lags_behind_its_pods_is_no_success() {
    let done = |replay: Replay| {
        replay.with("Deployment", |object| {
            object["status"]["availableReplicas"] = object["spec"]["replicas"].clone();
        })
    };
    assert!(!succeeds(&done(recorded("not-ready"))));
    assert!(succeeds(&done(recorded("not-ready").ready())));
}

/// Two looks at one rollout: the second scene takes the memory of the first.
fn then(first: &Replay, seconds: i64, second: &Replay) -> Replay {
    let mut scene = first.scene();
    scene.verdicts(time(&first.0, "/now").unwrap());
    let now = time(&first.0, "/now").unwrap() + jiff::SignedDuration::from_secs(seconds);
    second
        .clone()
        .set("sightings", scene.sightings.write())
        .set("now", json!(now.to_string()))
}

#[test]
fn a_break_starts_what_must_last_anew() {
    let denied = recorded("image-absent").waiting("ErrImagePull", "401 Unauthorized");
    let pulled = recorded("image-absent").ready();
    let again = then(&denied, 44, &denied);
    assert!(failed(&again.verdict()).is_none());
    assert!(failed(&then(&again, 1, &denied).verdict()).is_some());
    let healed = then(&again, 0, &pulled);
    assert!(failed(&then(&healed, 10, &denied).verdict()).is_none());
}

#[test]
fn a_pod_that_became_ready_starts_its_count_anew() {
    let third = recorded("crash").fresh().log("{n}").restarts(3);
    assert!(failed(&third.verdict()).is_some());
    let ready = third.clone().containers(|container| {
        container["state"] = json!({"running": {"startedAt": "2020-01-01T00:00:00Z"}});
        container["lastState"] = json!({"terminated": {"exitCode": 3, "containerID": "before"}});
        container["ready"] = json!(true);
    });
    let crashed = |restarts| recorded("crash").fresh().log("{n}").restarts(restarts);
    assert!(failed(&then(&ready, 1, &crashed(5)).verdict()).is_none());
    assert!(failed(&then(&ready, 1, &crashed(6)).verdict()).is_some());
}

#[test]
fn attempts_that_the_cluster_does_not_count_are_counted_by_us() {
    let attempt = recorded("image-absent").waiting("ErrImagePull", "r/none:1: not found");
    let backs_off = recorded("image-absent").waiting(
        "ImagePullBackOff",
        "Back-off pulling image: ErrImagePull: r/none:1: not found",
    );
    assert!(failed(&attempt.verdict()).is_none());
    let between = then(&attempt, 1, &backs_off);
    assert!(failed(&between.verdict()).is_none());
    assert!(failed(&then(&between, 10, &attempt).verdict()).is_some());
}

#[test]
fn a_back_off_without_a_reason_is_explained_by_the_event() {
    let silent =
        recorded("image-absent").waiting("ImagePullBackOff", "Back-off pulling image \"r/none:1\"");
    assert_eq!(named(&silent.verdict()), Some(Rule::PullUnknown));
    let told = silent.event(
        "Pod",
        "Failed",
        "Failed to pull image \"r/none:1\": 401 Unauthorized",
        1,
    );
    assert_eq!(named(&told.verdict()), Some(Rule::PullDenied));
}

#[test]
fn what_the_place_causes_must_be_on_all_pods() {
    let mut strange = recorded("image-absent").waiting("ErrImagePull", "strange");
    assert!(failed(&strange.after(&[0, 200])[1]).is_some());
    make_ready(strange.object("Pod"));
    assert!(failed(&strange.after(&[0, 200])[1]).is_none());
    // What the template causes needs one.
    let mut named = recorded("image-absent").waiting("InvalidImageName", "bad");
    make_ready(named.object("Pod"));
    let verdict = named.verdict();
    assert!(
        failed(&verdict).unwrap().share.contains("(1 of 2 new pods"),
        "{verdict:?}"
    );
}

#[test]
fn tolerance_replaces_every_grace() {
    let tolerate = |name: &str, code: &str, seconds: u64| {
        recorded(name)
            .fresh()
            .set("tolerate", json!([{"code": code, "seconds": seconds}]))
    };
    let fails = |replay: &Replay, seconds: i64| failed(&replay.after(&[0, seconds])[1]).is_some();
    let immediate = tolerate("image-name", "image-name-invalid", 60);
    assert!(!fails(&immediate, 59) && fails(&immediate, 60));
    let never = tolerate("not-ready", "not-ready", 60);
    assert!(!fails(&never, 59) && fails(&never, 60));
    let other = tolerate("image-name", "crash-loop", 60);
    assert!(fails(&other, 0));
}

#[test]
fn what_is_older_than_the_apply_gets_time_to_change() {
    let old = recorded("secret-key").fresh().pods(|pod| {
        pod["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
    });
    let verdicts = old.after(&[0, 29, 30]);
    let fails: Vec<bool> = verdicts
        .iter()
        .map(|verdict| failed(verdict).is_some())
        .collect();
    assert_eq!(fails, [false, false, true]);
    // A back-off from before says nothing about an image that was pushed since.
    let pull =
        recorded("image-absent").waiting("ImagePullBackOff", "ErrImagePull: r/none:1: not found");
    let stale =
        pull.pods(|pod| pod["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z"));
    assert_eq!(named(&stale.verdict()), None);
}

#[test]
fn a_container_without_a_probe_must_stay_a_moment() {
    let started = |container: &mut Value| {
        container["state"] = json!({"running": {"startedAt": "2100-01-01T00:00:00Z"}});
        container["ready"] = json!(true);
    };
    let up = recorded("crash")
        .ready()
        .containers(started)
        .with("Deployment", |object| {
            object["status"]["availableReplicas"] = json!(2);
        });
    let verdicts = up.after(&[0, 4, 5]);
    assert!(
        what(&verdicts[1]).contains("no readiness probe"),
        "{verdicts:?}"
    );
    assert!(
        matches!(verdicts[2], Verdict::Succeeded { .. }),
        "{verdicts:?}"
    );
    let probed = up.pods(|pod| {
        pod["spec"]["containers"][0]["readinessProbe"] = json!({"tcpSocket": {"port": 1}});
    });
    assert!(succeeds(&probed));
}

#[test]
fn the_next_check_is_the_first_grace_that_runs_out() {
    let denied = recorded("image-absent").waiting("ErrImagePull", "401 Unauthorized");
    let Verdict::Progressing { next_check, .. } = denied.verdict() else {
        panic!("a verdict before the grace");
    };
    let now = time(&denied.0, "/now").unwrap();
    assert_eq!(next_check.unwrap().duration_since(now).as_secs(), 45);
    assert!(matches!(
        deployment(2, 1, 3, 2).verdict(),
        Verdict::Progressing {
            next_check: None,
            ..
        }
    ));
}

#[test]
fn a_progress_deadline_names_what_else_is_seen() {
    let verdict = recorded("progress-deadline").verdict();
    let finding = failed(&verdict).unwrap();
    assert_eq!(finding.rule, Rule::ProgressDeadline);
    assert!(
        finding.cause.contains("readiness probe does not pass"),
        "{finding:?}"
    );
    assert!(finding.culprit.is_some());
    let alone = deployment(2, 2, 2, 1).condition(
        "Deployment",
        &json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": "2026-01-01T00:00:01Z"}),
    );
    let verdict = alone.verdict();
    assert!(failed(&verdict).unwrap().culprit.is_none(), "{verdict:?}");
}
