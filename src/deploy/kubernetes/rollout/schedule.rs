//! Why a pod has no node yet: no capacity, an autoscaler at work, a gate, a volume claim, or our own old pod that holds
//! the GPU which the new one waits for.

use serde_json::Value;

use super::conditions::condition;
use super::observation::{Observation, Seen};
use super::rules::Rule;
use crate::cluster::{is_ready, name_of, text, uid_of};

/// Texts with which autoscalers say that no node will come.
const NO_NODE: &[&str] = &["NotTriggerScaleUp", "NoScaleUp", "FailedScaleUp"];
/// Reasons with which autoscalers say that a node is on its way.
const NODE_COMES: &[&str] = &["TriggeredScaleUp", "Nominated", "ProvisionedNode"];

/// Observes the scheduling of one pod.
pub(super) fn observe(seen: &Seen<'_>, pod: &Value, out: &mut Vec<Observation>) {
    let Some(scheduled) =
        condition(pod, "PodScheduled").filter(|one| text(one, "/status") == "False")
    else {
        return;
    };
    let message = text(scheduled, "/message");
    let name = name_of(pod);
    if text(scheduled, "/reason") == "SchedulingGated" {
        let gate = text(pod, "/spec/schedulingGates/0/name");
        out.push(Observation::of(
            Rule::Gated,
            format!("pod `{name}` is held back by scheduling gate `{gate}`"),
        ));
        return;
    }
    if let Some(held) = deadlock(seen, message) {
        out.push(Observation::of(Rule::GpuDeadlock, held));
        return;
    }
    let events = seen.state.events(uid_of(pod), seen.applied);
    let autoscaler = events.iter().rev().find(|event| {
        NO_NODE.contains(&event.reason.as_str()) || NODE_COMES.contains(&event.reason.as_str())
    });
    let (rule, note) = match autoscaler {
        Some(event) if NODE_COMES.contains(&event.reason.as_str()) => (
            Rule::NodeAwaited,
            "; an autoscaler makes a node, which is waited for up to 10 min",
        ),
        Some(_) => (
            Rule::UnschedulableForGood,
            "; the autoscaler says that no node it can make would take it",
        ),
        None if message.contains("unbound immediate PersistentVolumeClaims")
            || message.contains("persistentvolumeclaim") =>
        {
            (Rule::ClaimAwaited, "")
        }
        None => (Rule::Unschedulable, ""),
    };
    let reason = text(scheduled, "/reason");
    out.push(Observation::of(
        rule,
        format!("no node can take pod `{name}`: {message} — {reason}{note}"),
    ));
}

/// The one-GPU rolling update: the new pod waits for a device that a ready pod of the old revision holds, and that pod is
/// kept until the new one is ready.
fn deadlock(seen: &Seen<'_>, message: &str) -> Option<String> {
    let device = message
        .split("Insufficient ")
        .skip(1)
        .filter_map(|rest| rest.split([',', '.', ' ']).next().map(|_| rest))
        .find_map(|rest| {
            // `nvidia.com/gpu`: the name itself has a full stop.
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            let name = rest[..end].trim_end_matches('.');
            name.contains('/').then(|| name.to_owned())
        })?;
    if seen.target.kind() != "Deployment"
        || text(seen.object, "/spec/strategy/type") == "Recreate"
        || max_unavailable(seen.object) > 0
    {
        return None;
    }
    let newest = seen.state.newest_pods(seen.target);
    let holder = seen.state.pods(seen.target).into_iter().find(|pod| {
        is_ready(pod) && !newest.iter().any(|new| uid_of(new) == uid_of(pod)) && holds(pod, &device)
    })?;
    Some(format!(
        "the new pod waits for `{device}`, which our own old pod `{}` holds until the new one is ready: the update cannot go on; set `strategy.rollingUpdate` to `maxSurge: 0` and `maxUnavailable: 1`, or `strategy.type: Recreate`",
        name_of(holder)
    ))
}

fn holds(pod: &Value, device: &str) -> bool {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    containers.into_iter().flatten().any(|container| {
        // A device is always a limit, and a request only with it.
        let limits = container.pointer("/resources/limits");
        limits.is_some_and(|limits| limits.get(device).is_some())
    })
}

/// How many pods fewer than wanted a Deployment allows during an update.
pub(super) fn max_unavailable(deployment: &Value) -> i64 {
    let wanted = super::deployment::replicas(deployment);
    let share = |value: &Value, up: bool| match value {
        Value::Number(number) => number.as_i64().unwrap_or_default(),
        Value::String(text) => {
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or_default();
            (percent * wanted + if up { 99 } else { 0 }) / 100
        }
        _ => 0,
    };
    let quarter = Value::from("25%");
    let field = |name: &str| {
        let at = format!("/spec/strategy/rollingUpdate/{name}");
        deployment.pointer(&at).unwrap_or(&quarter).clone()
    };
    let (unavailable, surge) = (
        share(&field("maxUnavailable"), false),
        share(&field("maxSurge"), true),
    );
    // Both zero would never move; the controller then takes one.
    if unavailable == 0 && surge == 0 {
        1
    } else {
        unavailable
    }
}
