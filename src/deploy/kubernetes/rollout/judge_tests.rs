//! Positive and negative examples for every rule of `judge`.

use serde_json::json;

use super::*;

fn workload(generation: i64, observed: i64, updated: i64, all: i64, available: i64) -> Value {
    json!({"kind": "Deployment",
        "metadata": {"name": "wine", "uid": "d", "generation": generation, "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": observed, "updatedReplicas": updated, "replicas": all, "availableReplicas": available}})
}

fn sets() -> Vec<Value> {
    let set = |uid: &str, revision: &str| json!({"metadata": {"uid": uid, "ownerReferences": [{"uid": "d"}], "annotations": {"deployment.kubernetes.io/revision": revision}}});
    vec![set("old", "1"), set("new", "2")]
}

fn pod(owner: &str, reason: &str, message: &str, restarts: u64) -> Value {
    json!({"metadata": {"name": "p", "ownerReferences": [{"uid": owner}]}, "status": {"containerStatuses": [{
        "name": "model", "image": "r/wine:1", "restartCount": restarts,
        "state": {"waiting": {"reason": reason, "message": message}}, "lastState": {"terminated": {"exitCode": 1}}}]}})
}

fn verdict(workload: &Value, pods: &[Value]) -> Verdict {
    let sets = sets();
    judge(&Snapshot {
        workload,
        replica_sets: &sets,
        pods,
        generation: 2,
        applied: "2026-01-01T00:00:00Z".parse().unwrap(),
    })
}

fn cause(verdict: Verdict) -> String {
    match verdict {
        Verdict::Failed { cause, .. } => cause,
        other => format!("{other:?}"),
    }
}

#[test]
fn the_old_revisions_success_is_not_ours() {
    assert!(matches!(
        verdict(&workload(2, 1, 2, 2, 2), &[]),
        Verdict::Progressing(_)
    ));
    assert_eq!(verdict(&workload(2, 2, 2, 2, 2), &[]), Verdict::Succeeded);
}

#[test]
fn old_pods_must_be_gone() {
    assert_eq!(
        verdict(&workload(2, 2, 2, 3, 2), &[]),
        Verdict::Progressing("1 old pods are still there".to_owned())
    );
}

#[test]
fn a_crash_loop_counts_from_the_second_restart() {
    let waiting = workload(2, 2, 2, 3, 1);
    let crash = |restarts| {
        [
            pod("new", "CrashLoopBackOff", "back-off", restarts),
            pod("new", "", "", 0),
        ]
    };
    assert!(matches!(
        verdict(&waiting, &crash(1)),
        Verdict::Progressing(_)
    ));
    assert_eq!(
        cause(verdict(&waiting, &crash(2))),
        "container `model` exits 1 — CrashLoopBackOff (1 of 2 new pods)"
    );
}

#[test]
fn an_old_pods_crash_does_not_count() {
    let waiting = workload(2, 2, 2, 3, 1);
    assert!(matches!(
        verdict(&waiting, &[pod("old", "CrashLoopBackOff", "", 9)]),
        Verdict::Progressing(_)
    ));
}

#[test]
fn only_an_image_that_is_not_there_fails_at_once() {
    let waiting = workload(2, 2, 1, 3, 2);
    let pull = |message| verdict(&waiting, &[pod("new", "ErrImagePull", message, 0)]);
    assert!(
        cause(pull(
            "rpc error: code = NotFound desc = r/wine:1: not found"
        ))
        .contains("is not found")
    );
    assert!(matches!(
        pull("429 Too Many Requests"),
        Verdict::Progressing(_)
    ));
    assert!(matches!(
        pull("dial tcp: lookup r: no such host, not found"),
        Verdict::Progressing(_)
    ));
}

#[test]
fn configuration_that_is_missing_fails_but_a_slow_cache_does_not() {
    let waiting = workload(2, 2, 1, 3, 2);
    let error = |message| {
        verdict(
            &waiting,
            &[pod("new", "CreateContainerConfigError", message, 0)],
        )
    };
    assert!(cause(error("secret \"x\" not found")).contains("secret \"x\" not found"));
    assert!(matches!(
        error("failed to sync configmap cache"),
        Verdict::Progressing(_)
    ));
    assert!(
        cause(verdict(
            &waiting,
            &[pod("new", "InvalidImageName", "bad", 0)]
        ))
        .contains("InvalidImageName")
    );
}

#[test]
fn an_old_progress_deadline_is_ignored() {
    let mut waiting = workload(2, 2, 1, 3, 2);
    for (at, fails) in [
        ("2025-12-31T00:00:00Z", false),
        ("2026-01-01T00:00:01Z", true),
    ] {
        waiting["status"]["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": at}]);
        assert_eq!(
            matches!(verdict(&waiting, &[]), Verdict::Failed { .. }),
            fails,
            "{at}"
        );
    }
}

#[test]
fn jobs_end_by_their_conditions() {
    let job = |kind: &str| json!({"kind": "Job", "metadata": {"uid": "j"}, "status": {"conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]}});
    assert_eq!(verdict(&job("Complete"), &[]), Verdict::Succeeded);
    assert!(cause(verdict(&job("Failed"), &[])).contains("BackoffLimitExceeded"));
}

#[test]
fn stateful_and_daemon_sets() {
    let mut set = json!({"kind": "StatefulSet", "metadata": {"uid": "s"}, "spec": {"replicas": 2},
        "status": {"observedGeneration": 2, "updatedReplicas": 1, "readyReplicas": 2, "currentRevision": "a", "updateRevision": "b"}});
    assert!(matches!(verdict(&set, &[]), Verdict::Progressing(_)));
    set["status"]["updatedReplicas"] = 2.into();
    assert_eq!(verdict(&set, &[]), Verdict::Succeeded);
    let mut daemons = json!({"kind": "DaemonSet", "metadata": {"uid": "s"},
        "status": {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}});
    assert!(matches!(verdict(&daemons, &[]), Verdict::Progressing(_)));
    daemons["status"]["numberAvailable"] = 3.into();
    assert_eq!(verdict(&daemons, &[]), Verdict::Succeeded);
}
