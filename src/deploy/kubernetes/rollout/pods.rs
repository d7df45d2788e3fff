//! What is seen on a pod as a whole: its phase, its volumes, its sandbox, and its containers.

use serde_json::Value;

use super::container::{Container, ending};
use super::observation::{Observation, Progress, Seen};
use super::rules::Rule;
use super::waiting::missing_configuration;
use super::{ended, probes, schedule, waiting};
use crate::cluster::{is_ready, name_of, text, uid_of};

/// Reasons for which a node or the scheduler gives a pod up, and its controller makes another one.
const REFUSED: &[&str] = &[
    "Evicted",
    "Preempting",
    "UnexpectedAdmissionError",
    "NodeShutdown",
    "Terminated",
    "NodeLost",
    "NodeAffinity",
    "Shutdown",
    "DeletionByTaintManager",
    "PreemptionByScheduler",
    "DeletionByPodGC",
    "TerminationByKubelet",
];

/// Observes the newest revision's pods.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    for pod in seen.state.newest_pods(seen.target) {
        let mut found = Vec::new();
        one(seen, pod, &mut found);
        let old = seen.is_old(pod);
        out.extend(found.into_iter().map(|observation| Observation {
            pod: uid_of(pod).to_owned(),
            old,
            ..observation
        }));
    }
}

fn one(seen: &Seen<'_>, pod: &Value, out: &mut Vec<Observation>) {
    if text(pod, "/status/phase") == "Failed" {
        out.extend(failed(seen, pod));
        if seen.target.kind() != "Job" {
            return;
        }
    }
    containers(seen, pod, out);
    if is_ready(pod) {
        return;
    }
    schedule::observe(seen, pod, out);
    preparing(seen, pod, out);
}

fn containers(seen: &Seen<'_>, pod: &Value, out: &mut Vec<Observation>) {
    for container in Container::all(pod) {
        let mut found = Vec::new();
        waiting::observe(seen, container, &mut found);
        if found.is_empty() {
            ended::observe(seen, container, &mut found);
        }
        probes::observe(seen, container, &mut found);
        out.append(&mut found);
    }
}

/// A pod that ended for good. Controllers replace theirs; a bare one is all there is.
fn failed(seen: &Seen<'_>, pod: &Value) -> Option<Observation> {
    let reason = match text(pod, "/status/reason") {
        "" => disruption(pod).unwrap_or_default(),
        reason => reason,
    };
    let message = text(pod, "/status/message");
    let said = match message {
        "" => String::new(),
        message => format!(": {message}"),
    };
    let taken = REFUSED.contains(&reason) || reason.starts_with("OutOf");
    let name = name_of(pod);
    if seen.target.kind() == "Pod" {
        let end = Container::all(pod).find_map(|container| {
            let end = container.ended()?;
            let good = end.get("exitCode") == Some(&Value::from(0));
            (!good).then(|| {
                (
                    container.name(),
                    format!("; {} {}", container.label(), ending(end)),
                )
            })
        });
        let (container, ending) = end.unwrap_or_default();
        let reason = if reason.is_empty() { "Failed" } else { reason };
        return Some(Observation {
            container: container.to_owned(),
            ..Observation::of(
                Rule::PodFailed,
                format!("the pod failed{said}{ending} — {reason}"),
            )
        });
    }
    taken.then(|| Observation {
        occurrence: Some(uid_of(pod).to_owned()),
        ..Observation::of(
            Rule::Evicted,
            format!("pod `{name}` was given up{said} — {reason}"),
        )
    })
}

/// The reason of the condition that says a pod was taken away.
fn disruption(pod: &Value) -> Option<&str> {
    let conditions = pod.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|one| text(one, "/type") == "DisruptionTarget" && text(one, "/status") == "True")?;
    Some(text(found, "/reason"))
}

/// What keeps a pod from starting its containers: volumes and the sandbox.
fn preparing(seen: &Seen<'_>, pod: &Value, out: &mut Vec<Observation>) {
    let is_preparing = text(pod, "/status/phase") == "Pending"
        && !text(pod, "/spec/nodeName").is_empty()
        && Container::all(pod).all(|container| {
            matches!(
                text(container.status, "/state/waiting/reason"),
                "ContainerCreating" | "PodInitializing" | ""
            ) && !container.running()
                && container.ended().is_none()
        });
    if !is_preparing {
        return;
    }
    let mut events = seen.state.events(uid_of(pod), seen.applied);
    events.retain(|event| event.warning);
    for event in events.iter().rev() {
        let message = event.message.as_str();
        match event.reason.as_str() {
            "FailedMount" if message.contains("failed to sync") => {}
            "FailedMount" | "FailedAttachVolume" => {
                let absent = message.contains("not found") || message.contains("non-existent");
                let object = ["configmap ", "secret ", "references non-existent"]
                    .iter()
                    .any(|word| message.contains(word));
                let rule = match absent && object {
                    true => missing_configuration(seen, message),
                    false => Rule::MountFailed,
                };
                out.push(Observation::of(
                    rule,
                    format!("a volume cannot be mounted: {message} — {}", event.reason),
                ));
                return;
            }
            "FailedCreatePodSandBox" | "FailedCreatePodContainer" | "FailedPodSandBoxStatus" => {
                out.push(Observation::of(
                    Rule::SandboxFailed,
                    format!(
                        "the node cannot set up the pod: {message} — {}",
                        event.reason
                    ),
                ));
                return;
            }
            _ => {}
        }
    }
}

/// How far a bare pod is: one that is to end has succeeded when it ended well, another one when it is ready.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    let pod = seen.object;
    let ends = matches!(text(pod, "/spec/restartPolicy"), "Never" | "OnFailure");
    match text(pod, "/status/phase") {
        "Succeeded" => Progress::done(),
        _ if !ends && is_ready(pod) => Progress::done(),
        "" => Progress::Going("the pod is not scheduled yet".to_owned()),
        phase => Progress::Going(format!("the pod is {}", phase.to_lowercase())),
    }
}
