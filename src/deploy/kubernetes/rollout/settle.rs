//! Containers without a readiness probe count as ready the moment they start. They are looked at a little longer, because
//! a service that dies while it loads its model would else pass for one that serves.

use serde_json::Value;

use jiff::Timestamp;

use super::conditions::number;
use super::container::Container;
use super::daemon_set;
use super::observation::{Observation, Progress, Seen};
use super::rules::{Rule, SETTLED};
use crate::cluster::{is_ready, text, uid_of};

/// Observes what runs since the apply and cannot say itself whether it is ready.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let patient = u64::try_from(number(seen.object, "/spec/minReadySeconds"));
    if patient.is_ok_and(|seconds| seconds >= SETTLED)
        || !matches!(
            seen.target.kind(),
            "Deployment" | "StatefulSet" | "DaemonSet"
        )
    {
        return;
    }
    for pod in seen.state.newest_pods(seen.target) {
        for container in Container::all(pod).filter(|container| is_silent(seen, container)) {
            out.push(Observation {
                pod: uid_of(pod).to_owned(),
                container: container.name().to_owned(),
                occurrence: Some(started(&container).to_owned()),
                ..Observation::of(
                    Rule::Settling,
                    format!("all pods run; they have no readiness probe, so it is seen for {SETTLED} s whether they stay"),
                )
            });
        }
    }
}

/// A workload's own count lags behind its pods: one that says it is done while a pod of ours is not ready is not.
pub(super) fn confirm(seen: &Seen<'_>, progress: Progress) -> Progress {
    let Progress::Done(warnings) = progress else {
        return progress;
    };
    let ended = |pod: &&Value| matches!(text(pod, "/status/phase"), "Failed" | "Succeeded");
    let newest = seen.state.newest_pods(seen.target);
    let lost = daemon_set::lost_nodes(seen);
    let unready = newest
        .iter()
        .filter(|pod| !ended(pod) && !is_ready(pod))
        .filter(|pod| !lost.contains(text(pod, "/spec/nodeName")))
        .count();
    match unready {
        0 => Progress::Done(warnings),
        count => Progress::Going(format!(
            "{count} of {} pods are not ready any more",
            newest.len()
        )),
    }
}

fn started<'a>(container: &Container<'a>) -> &'a str {
    text(container.status, "/state/running/startedAt")
}

fn is_silent(seen: &Seen<'_>, container: &Container<'_>) -> bool {
    let probe = container.spec.get("readinessProbe").unwrap_or(&Value::Null);
    let fresh = started(container)
        .parse::<Timestamp>()
        .is_ok_and(|at| at >= seen.applied);
    !container.init && probe.is_null() && fresh
}
