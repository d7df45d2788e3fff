//! The pod and container that tell most of a workload that does not come up.

use serde_json::Value;

use super::Culprit;
use crate::cluster::{newest_pods, text};
use crate::code::Code;
use crate::deploy::kubernetes::rollout::{Snapshot, containers, restarts};

/// The newest pod that restarted most, or whose runtime has something to say, and its container that is not well.
pub(in crate::deploy::kubernetes) fn telling<'a>(
    seen: &Snapshot<'a>,
    code: Code,
    cause: &'a str,
) -> Culprit<'a> {
    let weight = |container: &Value| {
        restarts(container) * 2 + u64::from(container.pointer("/state/waiting/message").is_some())
    };
    let pod = newest_pods(seen.workload, seen.replica_sets, seen.pods)
        .into_iter()
        .max_by_key(|pod| containers(pod).map(weight).sum::<u64>());
    let container = pod.and_then(|pod| {
        containers(pod)
            .filter(|one| !is_well(one))
            .max_by_key(|one| weight(one))
    });
    Culprit {
        pod,
        container: container.map(|container| text(container, "/name")),
        previous: container.is_some_and(|container| {
            restarts(container) > 0 && container.pointer("/state/terminated").is_none()
        }),
        code,
        cause,
    }
}

/// Ready, or an init container that is done.
fn is_well(container: &Value) -> bool {
    container.get("ready").and_then(Value::as_bool) == Some(true)
        || container.pointer("/state/terminated/exitCode") == Some(&Value::from(0))
}
