//! Examples for `workloads`.

use serde_json::json;

use super::super::pods::templates;
use super::*;
use crate::deploy::kubernetes::manifest::parse;

const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  progressDeadlineSeconds: 100
  template:
    spec:
      containers:
      - name: model
        image: ghcr.io/org/wine:1
        ports: [{name: http, containerPort: 8080}]
        livenessProbe:
          periodSeconds: 10
          failureThreshold: 3
          httpGet: {port: http}
";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn deadlines_that_contradict_each_other_are_told() {
    let lines = |text: &str, ours: u64| {
        let objects = parse("k.yaml", text).unwrap();
        let found = deadlines(&templates(&objects, "ml")[0], seconds(ours));
        found
            .iter()
            .map(|finding| (finding.code, finding.at.as_ref().unwrap().line.unwrap()))
            .collect::<Vec<_>>()
    };
    let short = |line| (Code::DeadlineShort, line);
    assert_eq!(lines(TEXT, 100), []);
    assert_eq!(lines(TEXT, 60), [short(5)]);
    let slow = TEXT
        .replace("livenessProbe:", "startupProbe:")
        .replace("failureThreshold: 3", "failureThreshold: 30");
    assert_eq!(lines(&slow, 400), [short(5)]);
    assert_eq!(lines(&slow, 200), [short(5), short(12)]);
    // Its default of 600 s is nobody's wish.
    let silent = TEXT.replace("  progressDeadlineSeconds: 100\n", "");
    assert_eq!(lines(&silent, 60), []);
}

#[test]
fn a_probe_on_a_port_that_is_not_named() {
    let found = |text: &str| {
        let objects = parse("k.yaml", text).unwrap();
        probe_ports(&templates(&objects, "ml")[0])
    };
    assert!(found(TEXT).is_empty());
    assert!(found(&TEXT.replace("{port: http}", "{port: \"9090\"}")).is_empty());
    let findings = found(&TEXT.replace("{port: http}", "{port: https}"));
    assert_eq!(findings[0].code, Code::PortMismatch);
    assert_eq!(findings[0].at.as_ref().unwrap().to_string(), "k.yaml:15");
    assert_eq!(findings[0].advice(), "did you mean `http`?");
}

#[test]
fn paused_and_ended_are_told_whoever_did_it() {
    let tried = |text: &str, live: Value, after: Value| {
        let objects = parse("k.yaml", text).unwrap();
        let tried = Tried {
            object: &objects[0],
            live: Some(live),
            after: Some(after),
            new: false,
            refused: Vec::new(),
        };
        paused(&tried).or_else(|| ended(&tried))
    };
    let by_hand = json!({"metadata": {"namespace": "ml"}, "spec": {"paused": true}});
    let finding = tried(TEXT, Value::Null, by_hand).unwrap();
    assert_eq!(finding.code, Code::RolloutPaused);
    assert!(
        finding
            .advice()
            .contains("kubectl -n ml rollout resume deployment/wine")
    );
    let own = TEXT.replace("  template:", "  paused: true\n  template:");
    let finding = tried(&own, Value::Null, Value::Null).unwrap();
    assert_eq!(finding.at.unwrap().line, Some(6));
    assert!(tried(TEXT, Value::Null, json!({"spec": {}})).is_none());
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: once\n";
    let phase = |phase: &str| json!({"metadata": {"namespace": "ml"}, "status": {"phase": phase}});
    let finding = tried(pod, phase("Succeeded"), Value::Null).unwrap();
    assert_eq!(
        (finding.code, finding.at.unwrap().line),
        (Code::PodExists, Some(4))
    );
    assert!(tried(pod, phase("Running"), Value::Null).is_none());
}
