//! The verdict on a rollout: a pure function of what was seen. Only the newest revision's pods count, and nothing is
//! judged before the controller has seen what was applied.

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::{kind_of, name_of, newest_pods, text};
use crate::code::Code;

/// Restarts from which on a crash loop is a fact about the image and no hiccup.
const RESTARTS: u64 = 2;

/// Everything that a verdict depends on.
#[derive(Clone, Copy, Debug)]
pub(in crate::deploy::kubernetes) struct Snapshot<'a> {
    pub(in crate::deploy::kubernetes) workload: &'a Value,
    pub(in crate::deploy::kubernetes) replica_sets: &'a [Value],
    pub(in crate::deploy::kubernetes) pods: &'a [Value],
    /// Generation that was applied.
    pub(in crate::deploy::kubernetes) generation: i64,
    /// Conditions that are older say nothing about it.
    pub(in crate::deploy::kubernetes) applied: Timestamp,
}

/// What is known about a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not finished; what it waits for.
    Progressing(String),
    Succeeded,
    Failed {
        code: Code,
        cause: String,
    },
}

/// Judges one workload.
pub(super) fn judge(seen: &Snapshot<'_>) -> Verdict {
    let observed = number(seen.workload, "/status/observedGeneration");
    let kind = kind_of(seen.workload);
    // Pods and Jobs do not report a generation.
    if !matches!(kind, "Pod" | "Job") && observed < seen.generation {
        return Verdict::Progressing("the controller has not seen the change yet".to_owned());
    }
    let verdict = match kind {
        "Deployment" => deployment(seen),
        "StatefulSet" => stateful_set(seen.workload),
        "DaemonSet" => daemon_set(seen.workload),
        "Job" => job(seen.workload),
        _ => pod(seen.workload),
    };
    if !matches!(verdict, Verdict::Progressing(_)) {
        return verdict;
    }
    fault(seen).unwrap_or(verdict)
}

fn failed(cause: impl Into<String>) -> Verdict {
    Verdict::Failed {
        code: Code::RolloutFailed,
        cause: cause.into(),
    }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

fn replicas(workload: &Value) -> i64 {
    workload
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1)
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|one| text(one, "/type") == kind)
}

fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|one| text(one, "/status") == "True")
}

fn deployment(seen: &Snapshot<'_>) -> Verdict {
    let workload = seen.workload;
    let wanted = replicas(workload);
    let (updated, all, available) = (
        number(workload, "/status/updatedReplicas"),
        number(workload, "/status/replicas"),
        number(workload, "/status/availableReplicas"),
    );
    if updated >= wanted && all <= updated && available >= wanted {
        return Verdict::Succeeded;
    }
    if workload.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return failed("it is paused (`spec.paused: true`), so nothing rolls out");
    }
    if let Some(progressing) = condition(workload, "Progressing") {
        let fresh = text(progressing, "/lastUpdateTime")
            .parse::<Timestamp>()
            .is_ok_and(|at| at >= seen.applied);
        if text(progressing, "/reason") == "ProgressDeadlineExceeded" && fresh {
            return fault(seen).unwrap_or_else(|| {
                failed(format!(
                    "{} — ProgressDeadlineExceeded",
                    counts(available, wanted)
                ))
            });
        }
    }
    if updated < wanted {
        return Verdict::Progressing(format!("{updated} of {wanted} new pods made"));
    }
    if available < wanted {
        return Verdict::Progressing(counts(available, wanted));
    }
    Verdict::Progressing(format!("{} old pods are still there", all - updated))
}

fn counts(available: i64, wanted: i64) -> String {
    format!("{available} of {wanted} pods are available")
}

fn stateful_set(workload: &Value) -> Verdict {
    // With this strategy pods change when a person deletes them.
    if text(workload, "/spec/updateStrategy/type") == "OnDelete" {
        return Verdict::Succeeded;
    }
    let wanted = replicas(workload);
    let partition = number(workload, "/spec/updateStrategy/rollingUpdate/partition");
    let to_update = (wanted - partition).max(0);
    let whole =
        text(workload, "/status/currentRevision") == text(workload, "/status/updateRevision");
    let updated = if whole {
        wanted
    } else {
        number(workload, "/status/updatedReplicas")
    };
    let ready = number(workload, "/status/readyReplicas");
    if updated < to_update {
        return Verdict::Progressing(format!(
            "{updated} of {to_update} pods are of the new revision"
        ));
    }
    if ready < wanted {
        return Verdict::Progressing(format!("{ready} of {wanted} pods are ready"));
    }
    Verdict::Succeeded
}

fn daemon_set(workload: &Value) -> Verdict {
    if text(workload, "/spec/updateStrategy/type") == "OnDelete" {
        return Verdict::Succeeded;
    }
    let wanted = number(workload, "/status/desiredNumberScheduled");
    let updated = number(workload, "/status/updatedNumberScheduled");
    let available = number(workload, "/status/numberAvailable");
    if updated < wanted {
        return Verdict::Progressing(format!(
            "{updated} of {wanted} pods are of the new revision"
        ));
    }
    if available < wanted {
        return Verdict::Progressing(counts(available, wanted));
    }
    Verdict::Succeeded
}

fn job(workload: &Value) -> Verdict {
    if holds(workload, "Complete") {
        return Verdict::Succeeded;
    }
    if let Some(condition) =
        condition(workload, "Failed").filter(|one| text(one, "/status") == "True")
    {
        return failed(format!(
            "{} — {}",
            text(condition, "/message"),
            text(condition, "/reason")
        ));
    }
    Verdict::Progressing(format!("{} pods run", number(workload, "/status/active")))
}

fn pod(workload: &Value) -> Verdict {
    match text(workload, "/status/phase") {
        "Succeeded" => Verdict::Succeeded,
        "Failed" => failed(format!(
            "the pod failed: {}",
            text(workload, "/status/reason")
        )),
        _ if holds(workload, "Ready") => Verdict::Succeeded,
        phase => Verdict::Progressing(format!("the pod is {}", phase.to_lowercase())),
    }
}

/// A fact about the newest pods that no waiting will change.
fn fault(seen: &Snapshot<'_>) -> Option<Verdict> {
    let pods = newest_pods(seen.workload, seen.replica_sets, seen.pods);
    let job = kind_of(seen.workload) == "Job";
    let faults: Vec<String> = pods.iter().filter_map(|pod| certain(pod, job)).collect();
    let first = faults.first()?;
    let new = if pods.len() == 1 {
        "new pod"
    } else {
        "new pods"
    };
    Some(failed(format!(
        "{first} ({} of {} {new})",
        faults.len(),
        pods.len()
    )))
}

/// All container statuses of a pod, those of init containers first.
pub(in crate::deploy::kubernetes) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|list| pod.pointer(list).and_then(Value::as_array))
        .flatten()
}

/// What surely is wrong with a pod. A Job's crashes are counted by its controller.
fn certain(pod: &Value, job: bool) -> Option<String> {
    containers(pod).find_map(|container| {
        let name = text(container, "/name");
        let reason = text(container, "/state/waiting/reason");
        let message = text(container, "/state/waiting/message");
        match reason {
            "InvalidImageName" => Some(format!(
                "container `{name}` cannot be made: {message} — {reason}"
            )),
            "ErrImagePull" | "ImagePullBackOff" if absent(message) => {
                let image = text(container, "/image");
                Some(format!(
                    "container `{name}`: image `{image}` is not found — {reason}"
                ))
            }
            // Right after it was made, a ConfigMap may not have reached the node's cache.
            "CreateContainerConfigError" if !message.contains("failed to sync") => Some(format!(
                "container `{name}` cannot be made: {message} — {reason}"
            )),
            "CrashLoopBackOff" if !job && restarts(container) >= RESTARTS => {
                Some(format!("container `{name}` {} — {reason}", exit(container)))
            }
            _ => None,
        }
    })
}

/// Whether a pull failed because the registry does not have the image; other faults of a pull may heal.
fn absent(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "not found",
        "manifest unknown",
        "name unknown",
        "does not exist",
    ]
    .iter()
    .any(|sign| message.contains(sign))
        && !["unauthorized", "denied", "no such host", "dial tcp"]
            .iter()
            .any(|sign| message.contains(sign))
}

/// Restarts of a container.
pub(in crate::deploy::kubernetes) fn restarts(container: &Value) -> u64 {
    container
        .get("restartCount")
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// How a container ended last.
fn exit(container: &Value) -> String {
    let last = container
        .pointer("/state/terminated")
        .or_else(|| container.pointer("/lastState/terminated"))
        .unwrap_or(&Value::Null);
    match text(last, "/reason") {
        "OOMKilled" => "is killed for memory (OOMKilled)".to_owned(),
        _ => format!("exits {}", number(last, "/exitCode")),
    }
}

/// The best guess when time is up: what each new pod waits for.
pub(super) fn hypothesis(seen: &Snapshot<'_>) -> Option<String> {
    let pods = newest_pods(seen.workload, seen.replica_sets, seen.pods);
    if pods.is_empty() {
        let refused = condition(seen.workload, "ReplicaFailure")?;
        return Some(text(refused, "/message").to_owned());
    }
    pods.iter().find_map(|pod| {
        if let Some(unscheduled) =
            condition(pod, "PodScheduled").filter(|one| text(one, "/status") == "False")
        {
            return Some(format!(
                "pod `{}` is not scheduled: {}",
                name_of(pod),
                text(unscheduled, "/message")
            ));
        }
        containers(pod).find_map(|container| {
            let name = text(container, "/name");
            let reason = text(container, "/state/waiting/reason");
            if !reason.is_empty() {
                let message = text(container, "/state/waiting/message");
                return Some(
                    format!("container `{name}` waits: {reason} {message}")
                        .trim_end()
                        .to_owned(),
                );
            }
            let ready = container
                .get("ready")
                .and_then(Value::as_bool)
                .unwrap_or_default();
            (!ready).then(|| {
                format!(
                    "container `{name}` runs, but is not ready; its readiness probe does not pass"
                )
            })
        })
    })
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
