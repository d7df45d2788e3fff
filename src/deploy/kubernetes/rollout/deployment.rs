//! How far a Deployment is, and what its own conditions say.

use jiff::Timestamp;
use serde_json::Value;

use super::conditions::{condition, number};
use super::observation::{Observation, Progress, Seen};
use super::rules::Rule;
use crate::cluster::text;

/// Replicas that are wanted; 1 when the object does not say.
pub(super) fn replicas(workload: &Value) -> i64 {
    let wanted = workload.pointer("/spec/replicas");
    wanted.and_then(Value::as_i64).unwrap_or(1)
}

/// How many of how many are available, in words.
pub(super) fn counts(available: i64, wanted: i64) -> String {
    format!("{available} of {wanted} pods are available")
}

/// New pods are made, old ones gone, all available.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    let workload = seen.object;
    let wanted = replicas(workload);
    let (updated, all, available) = (
        number(workload, "/status/updatedReplicas"),
        number(workload, "/status/replicas"),
        number(workload, "/status/availableReplicas"),
    );
    if updated < wanted {
        return Progress::Going(format!("{updated} of {wanted} new pods made"));
    }
    if all > updated {
        let old = all - updated;
        return Progress::Going(match available < wanted {
            true => counts(available, wanted),
            false => format!("{old} old pods are still there"),
        });
    }
    if available < wanted {
        return Progress::Going(counts(available, wanted));
    }
    match wanted {
        0 => Progress::Done(vec!["it has 0 replicas, so nothing serves".to_owned()]),
        _ => Progress::done(),
    }
}

/// What the Deployment itself says is wrong.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let workload = seen.object;
    if workload.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        let what = "it is paused (`spec.paused: true`), so nothing rolls out";
        out.push(Observation::of(Rule::Paused, what));
    }
    let Some(progressing) = condition(workload, "Progressing") else {
        return;
    };
    // After a rollback or a quick second deployment the condition of the revision before is still there.
    let fresh = text(progressing, "/lastUpdateTime")
        .parse::<Timestamp>()
        .is_ok_and(|at| at >= seen.applied);
    if text(progressing, "/reason") == "ProgressDeadlineExceeded" && fresh {
        let available = number(workload, "/status/availableReplicas");
        let what = format!(
            "{} — ProgressDeadlineExceeded",
            counts(available, replicas(workload))
        );
        out.push(Observation::of(Rule::ProgressDeadline, what));
    }
}
