//! Evidence for a verdict: the most telling pod's containers, its last log lines and its warnings.

mod causes;
mod traceback;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::{ListParams, LogParams};
use serde_json::Value;

use super::rollout::{Snapshot, containers, restarts};
use crate::cluster::{Cluster, name_of, newest_pods, text, uid_of};

/// Log lines that are shown.
const LINES: i64 = 20;

/// Lines that prove what is wrong, of the pod that tells most. What cannot be read is left out.
pub(super) async fn evidence(
    cluster: &Cluster,
    namespace: &str,
    seen: &Snapshot<'_>,
) -> Vec<String> {
    let pods = newest_pods(seen.workload, seen.replica_sets, seen.pods);
    let telling = |pod: &&Value| {
        let all = containers(pod);
        all.map(|container| {
            restarts(container) * 2
                + u64::from(container.pointer("/state/waiting/message").is_some())
        })
        .sum::<u64>()
    };
    let Some(pod) = pods.into_iter().max_by_key(telling) else {
        return events(cluster, namespace, uid_of(seen.workload)).await;
    };
    let mut lines = vec![format!(
        "pod {} on node {}",
        name_of(pod),
        text(pod, "/spec/nodeName")
    )];
    for container in containers(pod) {
        let name = text(container, "/name");
        for state in [
            "/state/waiting",
            "/state/terminated",
            "/lastState/terminated",
        ] {
            if let Some(found) = container.pointer(state) {
                let code = found
                    .get("exitCode")
                    .map(|code| format!(", exit code {code}"))
                    .unwrap_or_default();
                let said = format!(
                    "container {name}: {}{code} {}",
                    text(found, "/reason"),
                    text(found, "/message")
                );
                lines.push(said.trim_end().to_owned());
            }
        }
        let ready = container
            .get("ready")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let done = container.pointer("/state/terminated/exitCode") == Some(&Value::from(0));
        if !ready && !done {
            lines.extend(
                log(
                    cluster,
                    namespace,
                    name_of(pod),
                    name,
                    restarts(container) > 0,
                )
                .await,
            );
        }
    }
    lines.extend(events(cluster, namespace, uid_of(pod)).await);
    lines
}

/// The last lines of a container; of the run before when it was restarted.
async fn log(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    container: &str,
    restarted: bool,
) -> Vec<String> {
    let api = Api::<Pod>::namespaced(cluster.client.clone(), namespace);
    let mut params = LogParams {
        container: Some(container.to_owned()),
        tail_lines: Some(LINES),
        previous: restarted,
        ..LogParams::default()
    };
    let mut read = api.logs(pod, &params).await;
    if restarted && read.is_err() {
        params.previous = false;
        read = api.logs(pod, &params).await;
    }
    let read = read.unwrap_or_default();
    read.lines()
        .map(|line| format!("log {container}: {line}"))
        .collect()
}

async fn events(cluster: &Cluster, namespace: &str, uid: &str) -> Vec<String> {
    let api = Api::<Event>::namespaced(cluster.client.clone(), namespace);
    let params = ListParams::default().fields(&format!("involvedObject.uid={uid},type=Warning"));
    let Ok(found) = api.list(&params).await else {
        return Vec::new();
    };
    let line = |event: Event| {
        let (reason, message) = (
            event.reason.unwrap_or_default(),
            event.message.unwrap_or_default(),
        );
        format!("event {reason}: {message}")
    };
    found.items.into_iter().map(line).collect()
}
