//! How far a volume claim is. One whose class waits for its first consumer is done: the pod's own scheduling binds it.

use super::observation::{Observation, Progress, Seen};
use super::rules::Rule;
use crate::cluster::text;

/// Bound, or waiting for a pod on purpose.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    let phase = text(seen.object, "/status/phase");
    if phase == "Bound" {
        return Progress::done();
    }
    let events = seen.state.events(&seen.target.uid, seen.applied);
    let waits = events.iter().rev().find(|event| {
        matches!(
            event.reason.as_str(),
            "WaitForFirstConsumer" | "WaitForPodScheduled"
        )
    });
    match waits {
        Some(event)
            if events
                .last()
                .is_some_and(|last| last.reason == event.reason) =>
        {
            Progress::Done(vec![
                "it is bound when the first pod that uses it is scheduled".to_owned(),
            ])
        }
        _ => Progress::Going(format!("the claim is {}", phase.to_lowercase())),
    }
}

/// What keeps the claim from being bound.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    match text(seen.object, "/status/phase") {
        "Bound" => return,
        "Lost" => {
            let volume = text(seen.object, "/spec/volumeName");
            let what = format!("its volume `{volume}` is gone, and the data with it");
            out.push(Observation::of(Rule::ClaimLost, what));
            return;
        }
        _ => {}
    }
    let events = seen.state.events(&seen.target.uid, seen.applied);
    let failed = events.iter().rev().find(|event| {
        matches!(
            event.reason.as_str(),
            "ProvisioningFailed" | "FailedBinding" | "ClaimMisbound"
        )
    });
    if let Some(event) = failed {
        let absent = event.message.contains("storageclass") && event.message.contains("not found");
        let rule = match absent {
            true => Rule::StorageClassAbsent,
            false => Rule::ProvisioningFailed,
        };
        let what = format!(
            "the claim cannot be bound: {} — {}",
            event.message, event.reason
        );
        out.push(Observation::of(rule, what));
    }
}
