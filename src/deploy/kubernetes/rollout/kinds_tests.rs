//! What holds for single kinds: how far each is by its own count, and what of its status says nothing.

use serde_json::{Value, json};

use super::judge_tests::{succeeds, warned, what};
use super::observation::Verdict;
use super::replay::{Replay, failed, made, named, recorded};
use super::rules::Rule;

#[test]
fn a_failed_job_is_certain_before_its_pods_are_gone() {
    let job = |kind: &str| {
        made(
            "batch/v1",
            json!({"kind": "Job", "metadata": {}, "status": {"conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}]}}),
        )
    };
    for kind in ["Failed", "FailureTarget"] {
        assert_eq!(named(&job(kind).verdict()), Some(Rule::JobFailed));
    }
    for kind in ["Complete", "SuccessCriteriaMet"] {
        assert!(succeeds(&job(kind)));
    }
    assert!(what(&job("Suspended").verdict()).contains("pods run"));
}

#[test]
fn stateful_and_daemon_sets_count_their_own_way() {
    let set = |updated: i64, strategy: Value| {
        made(
            "apps/v1",
            json!({"kind": "StatefulSet", "metadata": {}, "spec": {"replicas": 2, "updateStrategy": strategy},
        "status": {"observedGeneration": 2, "updatedReplicas": updated, "readyReplicas": 2, "currentRevision": "a", "updateRevision": "b"}}),
        )
    };
    assert!(!succeeds(&set(1, json!({}))));
    assert!(succeeds(&set(2, json!({}))));
    assert!(
        warned(&set(1, json!({"rollingUpdate": {"partition": 1}})))
            .contains("partition 1 keeps 1 of 2")
    );
    assert!(warned(&set(0, json!({"type": "OnDelete"}))).contains("OnDelete"));
    let stuck = recorded("stateful-stuck").verdict();
    assert!(
        failed(&stuck)
            .unwrap()
            .share
            .contains("`wine-0` holds up the other 2"),
        "{stuck:?}"
    );
    let daemons = |available: i64| {
        made(
            "apps/v1",
            json!({"kind": "DaemonSet", "metadata": {},
        "status": {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": available}}),
        )
    };
    assert!(!succeeds(&daemons(2)));
    assert!(succeeds(&daemons(3)));
}

#[test]
fn a_node_that_does_not_answer_holds_no_daemon_set_up() {
    let generation = "deprecated.daemonset.template.generation";
    // Pods by node: of which template, and whether ready; and whether the node answers.
    let set = |pods: &[(&str, &str, bool, bool)]| {
        let available = pods.iter().filter(|(_, _, ready, _)| *ready).count();
        let mut replay = made(
            "apps/v1",
            json!({"kind": "DaemonSet", "metadata": {"annotations": {generation: "2"}},
        "status": {"observedGeneration": 2, "desiredNumberScheduled": pods.len(), "updatedNumberScheduled": 2, "numberAvailable": available}}),
        );
        let ready =
            |is: bool| json!([{"type": "Ready", "status": if is { "True" } else { "False" }}]);
        let all = replay.0["objects"].as_array_mut().unwrap();
        for (node, template, is_ready, answers) in pods {
            all.push(json!({"kind": "Pod", "metadata": {"name": format!("on-{node}"), "uid": format!("pod-{node}"),
                "labels": {"pod-template-generation": template}, "ownerReferences": [{"uid": "u"}]},
                "spec": {"nodeName": node}, "status": {"conditions": ready(*is_ready)}}));
            all.push(json!({"kind": "Node", "metadata": {"name": node, "uid": node}, "status": {"conditions": ready(*answers)}}));
        }
        replay
    };
    let good = ("a", "2", true, true);
    let late = set(&[good, ("b", "1", false, false)]);
    assert!(warned(&late).contains("node `b` does not answer"));
    // The new pod on the lost node counts for no other one.
    let other = set(&[good, ("b", "2", false, false), ("c", "1", true, true)]);
    assert!(what(&other.verdict()).contains("1 of 2 pods"), "{other:?}");
    assert!(!succeeds(&set(&[good, ("b", "2", false, true)])));
    assert!(!succeeds(&set(&[("b", "2", false, false)])));
}

#[test]
fn a_claim_that_waits_for_its_pod_holds_nothing_up() {
    let claim = || recorded("claim-none").set("events", json!([]));
    assert!(!succeeds(&claim()));
    let waits = claim().event(
        "PersistentVolumeClaim",
        "WaitForFirstConsumer",
        "waiting for first consumer",
        1,
    );
    assert!(warned(&waits).contains("first pod"));
}

#[test]
fn a_service_waits_for_pods_of_this_deployment_only() {
    let service = || {
        recorded("balancer").with("Service", |service| {
            service["spec"]["type"] = json!("ClusterIP");
        })
    };
    let without = |mut replay: Replay| {
        let all = replay.0["objects"].as_array_mut().unwrap();
        all.retain(|object| object["kind"] != "EndpointSlice");
        replay
    };
    let waits = |replay: &Replay| what(&replay.verdict()).contains("no pod behind it is ready");
    assert!(waits(&without(service())));
    assert!(!waits(&service()));
    assert!(!waits(&without(
        service().with("Service", |service| service["spec"]["selector"] =
            json!({"app": "other"}))
    )));
    assert!(!waits(&without(service()).set(
        "denied",
        json!([format!(
            "EndpointSlice/{}",
            service().0["targets"][0]["namespace"].as_str().unwrap()
        )])
    )));
}

#[test]
fn a_new_resource_without_a_status_has_a_moment_for_its_controller() {
    let thing = |made_at: &str, status: Value| {
        made(
            "example.org/v1",
            json!({"kind": "Thing", "metadata": {"creationTimestamp": made_at}, "status": status}),
        )
    };
    let (new, old) = ("2026-01-01T00:00:01Z", "2020-01-01T00:00:00Z");
    for nothing in [json!({}), Value::Null] {
        let verdicts = thing(new, nothing.clone()).after(&[0, 4, 5]);
        assert!(what(&verdicts[1]).contains("no status yet"), "{verdicts:?}");
        let Verdict::Succeeded { warnings } = &verdicts[2] else {
            panic!("{verdicts:?}");
        };
        assert!(warnings[0].contains("no status"), "{warnings:?}");
        // Its kind has none, as was seen before.
        assert_eq!(warned(&thing(old, nothing)), "");
    }
    // A status of any kind, and of a kind that says more.
    assert_eq!(warned(&thing(new, json!({"endpoint": "x"}))), "");
    let waits = json!({"conditions": [{"type": "Ready", "status": "Unknown", "reason": "x"}]});
    assert!(!succeeds(&thing(new, waits)));
}

#[test]
fn a_condition_about_an_earlier_generation_says_nothing() {
    let thing = |kind: &str, status: &str, generation: i64| {
        let condition = json!({"type": kind, "status": status, "reason": "x", "observedGeneration": generation});
        made(
            "example.org/v1",
            json!({"kind": "Thing", "metadata": {}, "status": {"conditions": [condition]}}),
        )
    };
    assert!(succeeds(&thing("Ready", "True", 2)));
    assert!(what(&thing("Ready", "True", 1).verdict()).contains("before"));
    assert_eq!(named(&thing("Ready", "False", 1).verdict()), None);
    assert!(failed(&thing("Stalled", "True", 2).verdict()).is_some());
    assert!(succeeds(&thing("Stalled", "True", 1)));
}
