//! How far a DaemonSet is. A node that does not answer keeps its pod as it is; the others are what is waited for.

use std::collections::BTreeSet;

use serde_json::Value;

use super::conditions::number;
use super::deployment::counts;
use super::observation::{Progress, Seen};
use crate::cluster::{is_ready, name_of, text};

/// Every node that should have the pod has the new one, and it is available; nodes that do not answer are only named.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    let set = seen.object;
    if text(set, "/spec/updateStrategy/type") == "OnDelete" {
        let what =
            "its update strategy is `OnDelete`: pods stay as they are until somebody deletes them";
        return Progress::Done(vec![what.to_owned()]);
    }
    let wanted = number(set, "/status/desiredNumberScheduled");
    let updated = number(set, "/status/updatedNumberScheduled");
    let available = number(set, "/status/numberAvailable");
    let lost = lost(seen);
    if !lost.is_empty() {
        return without(seen, &lost, wanted, available);
    }
    if updated < wanted {
        return Progress::Going(format!(
            "{updated} of {wanted} pods are of the new revision"
        ));
    }
    if available < wanted {
        return Progress::Going(counts(available, wanted));
    }
    match wanted {
        0 => Progress::Done(vec!["no node is selected, so nothing runs".to_owned()]),
        _ => Progress::done(),
    }
}

/// Nodes that do not answer, by name; of other kinds of workload none, because their pods go elsewhere.
pub(super) fn lost_nodes<'a>(seen: &Seen<'a>) -> BTreeSet<&'a str> {
    match seen.target.kind() {
        "DaemonSet" => seen.state.lost_nodes().map(name_of).collect(),
        _ => BTreeSet::new(),
    }
}

/// Those of them that have a pod of the set, of whatever revision.
fn lost<'a>(seen: &Seen<'a>) -> BTreeSet<&'a str> {
    let lost = lost_nodes(seen);
    let pods = seen.state.pods(seen.target).into_iter();
    pods.map(node).filter(|node| lost.contains(node)).collect()
}

fn node(pod: &Value) -> &str {
    text(pod, "/spec/nodeName")
}

/// The same without nodes that do not answer. The set's own count of new pods includes theirs, so the pods are counted.
fn without(seen: &Seen<'_>, lost: &BTreeSet<&str>, wanted: i64, available: i64) -> Progress {
    let named: Vec<&str> = lost.iter().copied().collect();
    let named = named.join("`, `");
    let due = wanted - i64::try_from(lost.len()).unwrap_or(i64::MAX);
    let newest = seen.state.newest_pods(seen.target);
    let serving = newest
        .iter()
        .filter(|pod| is_ready(pod) && !lost.contains(node(pod)))
        .count();
    let serving = i64::try_from(serving).unwrap_or(i64::MAX).min(available);
    if due > 0 && serving >= due {
        return Progress::Done(vec![format!(
            "node `{named}` does not answer, so its pod stays as it is until the node is back"
        )]);
    }
    let counts = counts(serving.min(due.max(0)), due.max(0));
    Progress::Going(format!("{counts}; node `{named}` does not answer"))
}
