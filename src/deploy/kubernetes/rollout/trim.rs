//! What is kept of an object: only what verdicts are made of. A thousand pods must fit in memory, and no value of a
//! variable, no Secret and no annotation of others may reach a bundle.

use serde_json::{Map, Value, json};

/// Labels and annotations that say which revision an object is of, and which digest this run pushed.
const MARKS: &[&str] = &[
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "ml-deploy/digest",
];

/// Messages are cut after so many bytes: a Job's or a runtime's message can carry a whole log.
const LONGEST: usize = 2_000;

/// The object with only what a verdict needs. `kind` is set, because objects from lists carry none.
pub(super) fn trim(kind: &str, object: &Value) -> Value {
    let mut kept = Map::new();
    kept.insert("kind".to_owned(), kind.into());
    if let Some(version) = object.get("apiVersion") {
        kept.insert("apiVersion".to_owned(), version.clone());
    }
    kept.insert("metadata".to_owned(), metadata(object));
    for (name, value) in parts(kind, object) {
        if !matches!(&value, Value::Null) {
            kept.insert(name.to_owned(), value);
        }
    }
    let mut kept = Value::Object(kept);
    shorten(&mut kept);
    kept
}

fn parts(kind: &str, object: &Value) -> Vec<(&'static str, Value)> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let status = object.get("status").unwrap_or(&Value::Null);
    match kind {
        "Pod" => vec![("spec", pod_spec(spec)), ("status", pod_status(status))],
        "Node" => vec![("status", json!({"conditions": pod_conditions(status)}))],
        "EndpointSlice" => vec![("endpoints", endpoints(object))],
        "CustomResourceDefinition" => vec![("status", pick(status, &["conditions"]))],
        "Service" => {
            let fields = ["type", "selector", "clusterIP"];
            vec![("spec", pick(spec, &fields)), ("status", status.clone())]
        }
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            vec![("spec", workload_spec(spec)), ("status", status.clone())]
        }
        "PersistentVolumeClaim" => {
            let fields = ["storageClassName", "volumeName"];
            vec![("spec", pick(spec, &fields)), ("status", status.clone())]
        }
        "HorizontalPodAutoscaler" => {
            let fields = ["scaleTargetRef"];
            vec![
                ("spec", pick(spec, &fields)),
                (
                    "status",
                    pick(status, &["conditions", "observedGeneration"]),
                ),
            ]
        }
        // Of a kind that we do not know, the status alone says something, and nothing of it is secret by intent. That it
        // has any is kept, too: an empty one is what was in the manifest.
        _ if status.as_object().is_none_or(Map::is_empty) => Vec::new(),
        _ => {
            let fields = ["observedGeneration", "conditions", "phase", "modelStatus"];
            vec![("status", pick(status, &fields))]
        }
    }
}

/// Some fields of an object, as they are.
fn pick(object: &Value, fields: &[&str]) -> Value {
    let Some(object) = object.as_object() else {
        return Value::Null;
    };
    let there = || fields.iter().filter(|field| object.contains_key(**field));
    // As large as needed: there are thousands of these.
    let mut kept = Map::with_capacity(there().count());
    for field in there() {
        let value = object.get(*field).cloned();
        kept.insert((*field).to_owned(), value.unwrap_or_default());
    }
    Value::Object(kept)
}

fn metadata(object: &Value) -> Value {
    let found = object.get("metadata").unwrap_or(&Value::Null);
    let mut kept = pick(
        found,
        &[
            "name",
            "namespace",
            "uid",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "finalizers",
        ],
    );
    for map in ["labels", "annotations"] {
        let marks = pick(found.get(map).unwrap_or(&Value::Null), MARKS);
        if marks.as_object().is_some_and(|marks| !marks.is_empty()) {
            kept[map] = marks;
        }
    }
    if let Some(owners) = found.get("ownerReferences").and_then(Value::as_array) {
        kept["ownerReferences"] = owners
            .iter()
            .map(|owner| pick(owner, &["kind", "name", "uid"]))
            .collect();
    }
    kept
}

fn workload_spec(spec: &Value) -> Value {
    let mut kept = pick(
        spec,
        &[
            "replicas",
            "paused",
            "strategy",
            "updateStrategy",
            "podManagementPolicy",
            "minReadySeconds",
            "progressDeadlineSeconds",
            "backoffLimit",
            "completions",
            "parallelism",
            "suspend",
        ],
    );
    if kept.is_object()
        && let Some(template) = spec.get("template")
    {
        let labels = template.pointer("/metadata/labels").cloned();
        let marks = template
            .pointer("/metadata/annotations")
            .map(|all| pick(all, MARKS));
        kept["template"] = serde_json::json!({
            "metadata": {"labels": labels, "annotations": marks},
            "spec": pod_spec(template.get("spec").unwrap_or(&Value::Null)),
        });
    }
    kept
}

fn pod_spec(spec: &Value) -> Value {
    let mut kept = pick(spec, &["nodeName", "restartPolicy", "schedulingGates"]);
    for list in ["initContainers", "containers"] {
        if let Some(containers) = spec.get(list).and_then(Value::as_array) {
            kept[list] = containers.iter().map(container_spec).collect();
        }
    }
    kept
}

fn container_spec(container: &Value) -> Value {
    let mut kept = pick(container, &["name", "image", "restartPolicy"]);
    if let Some(limits) = container.pointer("/resources/limits") {
        kept["resources"] = serde_json::json!({"limits": limits});
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get(probe) {
            kept[probe] = self::probe(found);
        }
    }
    kept
}

/// A probe's headers and commands may carry tokens.
fn probe(found: &Value) -> Value {
    let fields = [
        "initialDelaySeconds",
        "periodSeconds",
        "timeoutSeconds",
        "failureThreshold",
        "successThreshold",
        "tcpSocket",
        "grpc",
    ];
    let mut kept = pick(found, &fields);
    if let Some(get) = found.get("httpGet") {
        kept["httpGet"] = pick(get, &["path", "port", "scheme"]);
    }
    if found.get("exec").is_some() {
        kept["exec"] = serde_json::json!({});
    }
    kept
}

fn pod_status(status: &Value) -> Value {
    let mut kept = pick(status, &["phase", "reason", "message"]);
    kept["conditions"] = pod_conditions(status);
    for list in ["initContainerStatuses", "containerStatuses"] {
        if let Some(containers) = status.get(list).and_then(Value::as_array) {
            kept[list] = containers.iter().map(container_status).collect();
        }
    }
    kept
}

fn pod_conditions(status: &Value) -> Value {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let conditions = conditions.into_iter().flatten();
    conditions.filter_map(pod_condition).collect()
}

/// The conditions that verdicts read; the others repeat them.
fn pod_condition(condition: &Value) -> Option<Value> {
    let field = |name: &str| condition.get(name).and_then(Value::as_str);
    let holds = field("status") == Some("True");
    match (field("type")?, holds) {
        ("Ready", _) => Some(pick(condition, &["type", "status"])),
        ("PodScheduled", false) | ("DisruptionTarget", true) => {
            Some(pick(condition, &["type", "status", "reason", "message"]))
        }
        _ => None,
    }
}

fn container_status(status: &Value) -> Value {
    let mut kept = pick(status, &["name", "ready", "started", "restartCount"]);
    for state in ["state", "lastState"] {
        for (name, found) in status
            .get(state)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let fields = [
                "reason",
                "message",
                "exitCode",
                "containerID",
                "startedAt",
                "finishedAt",
            ];
            kept[state] = serde_json::json!({name: pick(found, &fields)});
        }
    }
    kept
}

fn endpoints(object: &Value) -> Value {
    let all = object.get("endpoints").and_then(Value::as_array);
    let ready = |endpoint: &Value| {
        // No condition means ready, as the API has it.
        let ready = endpoint
            .pointer("/conditions/ready")
            .and_then(Value::as_bool);
        serde_json::json!({"conditions": {"ready": ready.unwrap_or(true)}})
    };
    all.into_iter().flatten().map(ready).collect()
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST => {
            let end = text.floor_char_boundary(LONGEST - '…'.len_utf8());
            text.truncate(end);
            text.push('…');
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_and_probes_headers_are_not_kept() {
        let pod = json!({"metadata": {"name": "p", "uid": "u", "managedFields": [1],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "ml-deploy/digest": "sha256:1"}},
            "spec": {"volumes": [{"name": "v"}], "containers": [{"name": "c", "image": "i", "env": [{"name": "T", "value": "hunter2"}],
                "args": ["--token=hunter2"], "livenessProbe": {"httpGet": {"path": "/h", "httpHeaders": [{"name": "A", "value": "hunter2"}]}}}]},
            "status": {"phase": "Running", "podIPs": []}});
        let kept = trim("Pod", &pod);
        assert!(!kept.to_string().contains("hunter2"), "{kept}");
        assert!(!kept.to_string().contains("managedFields"), "{kept}");
        assert_eq!(
            kept["spec"]["containers"][0]["livenessProbe"]["httpGet"]["path"],
            "/h"
        );
        assert_eq!(
            kept["metadata"]["annotations"]["ml-deploy/digest"],
            "sha256:1"
        );
        assert_eq!(kept["kind"], "Pod");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let pod = json!({"status": {"message": "ä".repeat(3_000)}});
        let kept = trim("Pod", &pod);
        let message = kept["status"]["message"].as_str().unwrap();
        assert!(message.len() <= LONGEST && message.ends_with("ä…"));
        assert_eq!(
            trim("Pod", &json!({"status": {"message": "short"}}))["status"]["message"],
            "short"
        );
    }
}
