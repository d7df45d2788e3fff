//! Examples for `nodes`.

use serde_json::json;

use super::super::pods::templates;
use super::super::tried::Tried;
use super::*;
use crate::deploy::kubernetes::manifest::parse;
use crate::diagnostic::Severity;

const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm}
spec:
  strategy: {}
  template:
    spec:
      nodeSelector: {disk: ssd}
      containers:
      - name: model
        image: new
        resources:
          limits:
            nvidia.com/gpu: 1
";

fn node(gpus: i64, provider: &str) -> Value {
    json!({
        "metadata": {"name": "n1", "labels": {"disk": "ssd"}},
        "spec": {"providerID": provider, "taints": [{"key": "gpu", "effect": "NoSchedule"}]},
        "status": {"allocatable": {"cpu": "4", "pods": "110", "nvidia.com/gpu": gpus.to_string()}},
    })
}

fn tolerant() -> String {
    TEXT.replace(
        "      containers:",
        "      tolerations: [{key: gpu, operator: Exists}]\n      containers:",
    )
}

/// Findings when one pod of an older image runs and holds a GPU.
fn found(text: &str, nodes: Vec<Value>, pods: Option<Vec<Value>>) -> Vec<Diagnostic> {
    let objects = parse("k.yaml", text).unwrap();
    let templates = templates(&objects, "ml");
    let mut live = objects[0].value.clone();
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "old".into();
    live["status"] = json!({"replicas": 1});
    let tried = Tried {
        object: &objects[0],
        live: Some(live),
        after: Some(objects[0].value.clone()),
        new: false,
        refused: Vec::new(),
    };
    let load = Load::of(
        templates[0],
        Some(&tried),
        &Defaults::default(),
        Strategy::Rolling,
    );
    let mut lists = vec![(("Node", String::new()), nodes)];
    lists.extend(pods.map(|pods| (("Pod", String::new()), pods)));
    check(&[load], &View::of(lists))
}

fn holder() -> Value {
    json!({"spec": {"nodeName": "n1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]}, "status": {"phase": "Running"}})
}

#[test]
fn one_gpu_cannot_be_rolled_over() {
    for pods in [None, Some(vec![holder()])] {
        let findings = found(&tolerant(), vec![node(1, "")], pods);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(
            (findings[0].code, findings[0].severity),
            (Code::GpuDeadlock, Severity::Error)
        );
        assert_eq!(findings[0].at.as_ref().unwrap().to_string(), "k.yaml:5");
    }
    // A spare one, or a strategy that gives the old one up first.
    assert!(found(&tolerant(), vec![node(2, "")], Some(vec![holder()])).is_empty());
    for strategy in [
        "{type: Recreate}",
        "{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}",
    ] {
        let text = tolerant().replace("strategy: {}", &format!("strategy: {strategy}"));
        assert!(
            found(&text, vec![node(1, "")], None).is_empty(),
            "{strategy}"
        );
    }
}

#[test]
fn a_spare_gpu_that_others_hold_is_not_free() {
    let findings = found(
        &tolerant(),
        vec![node(2, "")],
        Some(vec![holder(), holder()]),
    );
    assert_eq!(findings[0].code, Code::GpuDeadlock);
}

#[test]
fn where_a_cloud_makes_nodes_it_is_a_warning() {
    let findings = found(&tolerant(), vec![node(1, "aws:///zone/i-1")], None);
    assert_eq!(findings[0].severity, Severity::Warning);
    assert!(findings[0].at.is_some());
}

#[test]
fn a_pod_that_fits_no_node() {
    for (text, said, line) in [
        (
            tolerant().replace("gpu: 1", "gpu: 8"),
            "the largest node has 1",
            15,
        ),
        (
            tolerant().replace("nvidia.com/gpu: 1", "cpu: 6"),
            "the largest node has 4",
            15,
        ),
        (
            tolerant().replace("nvidia.com/gpu: 1", "amd.com/gpu: 1"),
            "no node has amd.com/gpu",
            15,
        ),
        (
            tolerant().replace("disk: ssd", "disk: tape"),
            "no node has the label `disk: tape`",
            8,
        ),
        (TEXT.to_owned(), "none of the 1 nodes takes its pods", 8),
        (
            TEXT.replace("nodeSelector: {disk: ssd}", "nodeName: n2"),
            "pinned to node `n2`, which the cluster does not have",
            8,
        ),
    ] {
        let findings = found(&text, vec![node(1, "")], Some(Vec::new()));
        assert!(findings[0].message.contains(said), "{findings:?}");
        assert_eq!(findings[0].at.as_ref().unwrap().line, Some(line), "{said}");
        assert_eq!(findings[0].code, Code::CapacityExceeded);
    }
}

#[test]
fn more_pods_than_all_nodes_have_room_for() {
    let many = |count: u32| {
        let text = tolerant().replace("nvidia.com/gpu: 1", "cpu: 2");
        text.replace(
            "  strategy: {}",
            &format!("  replicas: {count}\n  strategy: {{type: Recreate}}"),
        )
    };
    for (nodes, count, said) in [
        (
            1,
            3,
            "3 pods are wanted, and node `n1`, the only one that takes them, has room for 2",
        ),
        (
            2,
            5,
            "5 pods are wanted, and all nodes together have room for 4",
        ),
    ] {
        let findings = found(&many(count), vec![node(0, ""); nodes], None);
        assert!(findings[0].message.ends_with(said), "{findings:?}");
    }
    assert!(found(&many(2), vec![node(0, "")], None).is_empty());
    // A node may be full by number alone.
    let mut full = node(0, "");
    full["status"]["allocatable"]["pods"] = "0".into();
    let message = &found(&many(1), vec![full], None)[0].message;
    assert!(
        message.contains("1 pod is wanted") && message.ends_with("has room for 0"),
        "{message}"
    );
}

#[test]
fn a_node_that_does_not_say_what_it_has_may_have_anything() {
    let silent = json!({"metadata": {"name": "v", "labels": {"disk": "ssd"}}});
    let text = tolerant().replace("gpu: 1", "gpu: 8");
    assert!(found(&text, vec![node(1, ""), silent], None).is_empty());
}

#[test]
fn without_a_look_at_the_nodes_nothing_is_said() {
    assert!(found(TEXT, Vec::new(), None).is_empty());
}
