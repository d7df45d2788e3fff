//! Which pods belong to the newest revision of a workload. Pure functions over objects as the API server gives them.

use serde_json::Value;

/// A text at a JSON pointer; empty when it is not there.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// `metadata.name`.
pub(crate) fn name_of(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// `metadata.uid`.
pub(crate) fn uid_of(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// `kind`.
pub(crate) fn kind_of(object: &Value) -> &str {
    text(object, "/kind")
}

/// An annotation or a label, whose key may contain `/`.
fn entry<'a>(object: &'a Value, map: &str, key: &str) -> &'a str {
    object
        .pointer(map)
        .and_then(|map| map.get(key))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether the object is owned by the one with this uid.
pub(super) fn owned_by(object: &Value, uid: &str) -> bool {
    object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .is_some_and(|owners| owners.iter().any(|owner| text(owner, "/uid") == uid))
}

/// Whether the pod's condition `Ready` is true and the pod is not going away.
pub(crate) fn is_ready(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none()
        && pod
            .pointer("/status/conditions")
            .and_then(Value::as_array)
            .is_some_and(|all| {
                all.iter()
                    .any(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True")
            })
}

/// The pods of the newest revision of `workload`, those that are going away left out. Faults of older revisions say
/// nothing about what was just applied.
pub(crate) fn newest_pods<'a>(
    workload: &Value,
    replica_sets: impl IntoIterator<Item = &'a Value>,
    pods: impl IntoIterator<Item = &'a Value>,
) -> Vec<&'a Value> {
    const REVISION: &str = "deployment.kubernetes.io/revision";
    const GENERATION: &str = "deprecated.daemonset.template.generation";
    let uid = uid_of(workload);
    let belongs: Box<dyn Fn(&Value) -> bool> = match kind_of(workload) {
        "Pod" => Box::new(|pod| uid_of(pod) == uid),
        "Deployment" => {
            let revision = entry(workload, "/metadata/annotations", REVISION);
            let newest = replica_sets
                .into_iter()
                .find(|set| {
                    owned_by(set, uid) && entry(set, "/metadata/annotations", REVISION) == revision
                })
                .map(uid_of);
            Box::new(move |pod| newest.is_some_and(|newest| owned_by(pod, newest)))
        }
        "StatefulSet" => {
            let revision = text(workload, "/status/updateRevision");
            Box::new(move |pod| {
                owned_by(pod, uid)
                    && entry(pod, "/metadata/labels", "controller-revision-hash") == revision
            })
        }
        "DaemonSet" => {
            let generation = entry(workload, "/metadata/annotations", GENERATION);
            Box::new(move |pod| {
                owned_by(pod, uid)
                    && entry(pod, "/metadata/labels", "pod-template-generation") == generation
            })
        }
        _ => Box::new(move |pod| owned_by(pod, uid)),
    };
    pods.into_iter()
        .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none() && belongs(pod))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_of_an_older_revision_do_not_count() {
        let workload = json!({"kind": "Deployment", "metadata": {"uid": "d", "annotations": {"deployment.kubernetes.io/revision": "2"}}});
        let set = |uid: &str, revision: &str| json!({"metadata": {"uid": uid, "ownerReferences": [{"uid": "d"}], "annotations": {"deployment.kubernetes.io/revision": revision}}});
        let pod = |name: &str, owner: &str| json!({"metadata": {"name": name, "ownerReferences": [{"uid": owner}]}});
        let sets = [set("old", "1"), set("new", "2")];
        let pods = [pod("a", "old"), pod("b", "new"), pod("c", "other")];
        let newest = newest_pods(&workload, &sets, &pods);
        assert_eq!(
            newest.iter().map(|pod| name_of(pod)).collect::<Vec<_>>(),
            ["b"]
        );
    }
}
