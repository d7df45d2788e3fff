//! Examples for `capacity`.

use serde_json::json;

use super::super::pods::templates;
use super::*;
use crate::deploy::kubernetes::manifest::parse;
use crate::diagnostic::Severity;

const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  replicas: 2
  strategy: {}
  template:
    spec:
      containers:
      - name: model
        resources:
          requests:
            cpu: 500m
            memory: 1Gi
";

/// The live object with so many pods of so much cpu.
fn live(pods: i64, cpu: &str) -> Value {
    json!({"status": {"replicas": pods}, "spec": {"replicas": pods, "template": {"spec": {"containers": [
        {"name": "model", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    ]}}}})
}

/// Findings with a quota `hard` of which `used` is taken, and a LimitRange.
fn found(
    text: &str,
    live: Option<Value>,
    hard: Value,
    used: Value,
    range: Value,
) -> Vec<Diagnostic> {
    by(Strategy::Rolling, text, live, hard, used, range)
}

/// The same for any strategy.
fn by(
    strategy: Strategy,
    text: &str,
    live: Option<Value>,
    hard: Value,
    used: Value,
    range: Value,
) -> Vec<Diagnostic> {
    let objects = parse("k.yaml", text).unwrap();
    let templates = templates(&objects, "ml");
    let tried = Tried {
        object: &objects[0],
        new: live.is_none(),
        live,
        after: Some(objects[0].value.clone()),
        refused: Vec::new(),
    };
    let quota =
        json!({"metadata": {"name": "q"}, "spec": {}, "status": {"hard": hard, "used": used}});
    let ranges = vec![json!({"spec": {"limits": [range]}})];
    let load = Load::of(templates[0], Some(&tried), &Defaults::of(&ranges), strategy);
    let place = |kind| (kind, "ml".to_owned());
    let view = View::of([
        (place("ResourceQuota"), vec![quota]),
        (place("LimitRange"), ranges),
    ]);
    check(&[load], "ml", &view)
}

fn quota(live: Option<Value>, hard: &str, used: &str) -> Vec<Diagnostic> {
    found(
        TEXT,
        live,
        json!({"requests.cpu": hard}),
        json!({"requests.cpu": used}),
        json!({}),
    )
}

fn line(finding: &Diagnostic) -> u32 {
    finding.at.as_ref().unwrap().line.unwrap()
}

#[test]
fn what_the_quota_cannot_take_in_the_end_is_an_error() {
    let findings = quota(None, "1", "100m");
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].severity, line(&findings[0])),
        (Severity::Error, 13)
    );
    assert!(
        findings[0]
            .message
            .contains("requests.cpu: 1100m of 1 (100m used now)"),
        "{}",
        findings[0].message
    );
    assert!(quota(None, "1100m", "100m").is_empty());
}

#[test]
fn what_old_pods_give_back_counts() {
    // Two pods of 500m run and use all but one pod's room.
    assert!(quota(Some(live(2, "400m")), "1500m", "800m").is_empty());
    // They use all of it: none of them goes before a new one is there.
    let findings = quota(Some(live(2, "400m")), "1", "800m");
    assert_eq!(
        (findings[0].severity, line(&findings[0])),
        (Severity::Error, 6)
    );
    assert!(
        findings[0].message.contains("needs room for 1 more"),
        "{}",
        findings[0].message
    );
    // With one pod fewer meanwhile there is a way.
    let strategy = "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}";
    let text = TEXT.replace("strategy: {}", strategy);
    let amount = |cpu: &str| json!({"requests.cpu": cpu});
    let findings = found(
        &text,
        Some(live(2, "400m")),
        amount("1"),
        amount("800m"),
        json!({}),
    );
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn an_unchanged_workload_asks_for_nothing() {
    assert!(quota(Some(live(2, "500m")), "1", "1").is_empty());
}

#[test]
fn a_surge_that_only_slows_down_is_a_warning() {
    let text = TEXT.replace("replicas: 2", "replicas: 8");
    let amount = |cpu: &str| json!({"requests.cpu": cpu});
    // 8 pods may surge by 2 and lack 2.
    let findings = found(
        &text,
        Some(live(8, "490m")),
        amount("4"),
        amount("3920m"),
        json!({}),
    );
    assert_eq!(
        (findings.len(), findings[0].severity),
        (1, Severity::Warning),
        "{findings:?}"
    );
}

#[test]
fn pods_that_do_not_say_what_they_want_are_refused() {
    let hard = json!({"limits.memory": "4Gi"});
    let used = json!({"limits.memory": "0"});
    let findings = found(TEXT, None, hard.clone(), used.clone(), json!({}));
    assert!(
        findings[0].message.contains("has no limits.memory"),
        "{findings:?}"
    );
    let range = json!({"type": "Container", "default": {"memory": "1Gi"}});
    assert!(found(TEXT, None, hard, used, range).is_empty());
}

#[test]
fn a_limit_range_is_held() {
    let range = |most: &str| json!({"type": "Container", "max": {"memory": most}});
    let none = || json!({});
    let findings = found(TEXT, None, none(), none(), range("512Mi"));
    assert_eq!(line(&findings[0]), 14);
    assert!(
        findings[0]
            .message
            .ends_with("requests.memory 1Gi, and namespace `ml` allows at most 512Mi"),
        "{}",
        findings[0].message
    );
    assert!(found(TEXT, None, none(), none(), range("1Gi")).is_empty());
}

#[test]
fn shares_are_rounded_as_the_controller_does() {
    let spec = |strategy: Value| json!({"spec": {"strategy": strategy}});
    let share = |surge: &str, lack: &str| {
        spec(json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": lack}}))
    };
    assert_eq!(rolling(&spec(json!({})), 1), (1, 0));
    assert_eq!(rolling(&spec(json!({})), 4), (1, 1));
    assert_eq!(rolling(&share("10%", "30%"), 5), (1, 1));
    assert_eq!(rolling(&share("0%", "10%"), 5), (0, 1));
    assert_eq!(rolling(&spec(json!({"type": "Recreate"})), 3), (0, 3));
}

#[test]
fn a_second_workload_needs_room_beside_the_first() {
    let amount = |cpu: &str| json!({"requests.cpu": cpu});
    let with = |strategy, hard: &str| {
        let live = Some(live(2, "400m"));
        by(
            strategy,
            TEXT,
            live,
            amount(hard),
            amount("800m"),
            json!({}),
        )
    };
    for (strategy, enough, short) in [
        (Strategy::BlueGreen, "1800m", "1700m"),
        (Strategy::Canary { percent: 10 }, "1300m", "1200m"),
    ] {
        assert!(
            with(strategy, enough)
                .iter()
                .all(|finding| finding.severity == Severity::Warning)
        );
        let findings = with(strategy, short);
        assert!(
            findings
                .iter()
                .any(|finding| finding.severity == Severity::Error),
            "{findings:?}"
        );
    }
}
