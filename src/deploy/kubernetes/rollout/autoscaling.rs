//! How far a HorizontalPodAutoscaler is. Metrics of new pods come late, so their absence never holds a rollout up.

use super::conditions::condition;
use super::observation::{Observation, Progress, Seen};
use super::rules::Rule;
use crate::cluster::text;

/// There; without metrics it says so.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    if fault(seen).is_some() {
        return Progress::Going("the autoscaler cannot scale".to_owned());
    }
    let active = condition(seen.object, "ScalingActive");
    let late = active
        .filter(|one| text(one, "/status") == "False" && text(one, "/reason") != "ScalingDisabled");
    Progress::Done(late.map_or_else(Vec::new, |one| {
        vec![format!("it has no metrics yet: {}", text(one, "/message"))]
    }))
}

/// A wrong target or selector.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    if let Some(what) = fault(seen) {
        out.push(Observation::of(Rule::ScalingFailed, what));
    }
}

fn fault(seen: &Seen<'_>) -> Option<String> {
    let bad = |kind: &str, is_fault: fn(&str) -> bool| {
        condition(seen.object, kind)
            .filter(|one| text(one, "/status") == "False" && is_fault(text(one, "/reason")))
            .map(|one| format!("{} — {}", text(one, "/message"), text(one, "/reason")))
    };
    bad("AbleToScale", |reason| {
        matches!(reason, "FailedGetScale" | "FailedUpdateScale")
    })
    .or_else(|| {
        bad("ScalingActive", |reason| {
            !reason.starts_with("FailedGet") && reason != "ScalingDisabled"
        })
    })
}
