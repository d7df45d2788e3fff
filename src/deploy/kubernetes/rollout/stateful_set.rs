//! How far a StatefulSet is: partition, update by hand, and the ordered update that one broken pod stops.

use serde_json::Value;

use super::conditions::number;
use super::deployment::replicas;
use super::observation::{Observation, Progress, Seen};
use super::rules::Rule;
use super::settle;
use crate::cluster::{is_ready, name_of, text, uid_of};

/// Pods above the partition are of the new revision, and all are ready.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    let set = seen.object;
    let wanted = replicas(set);
    let whole = text(set, "/status/currentRevision") == text(set, "/status/updateRevision");
    if text(set, "/spec/updateStrategy/type") == "OnDelete" {
        return Progress::Done(match whole {
            true => Vec::new(),
            false => vec!["its update strategy is `OnDelete`: pods stay as they are until somebody deletes them".to_owned()],
        });
    }
    let partition = number(set, "/spec/updateStrategy/rollingUpdate/partition");
    let to_update = (wanted - partition).max(0);
    let updated = if whole {
        wanted
    } else {
        number(set, "/status/updatedReplicas")
    };
    if updated < to_update {
        return Progress::Going(format!(
            "{updated} of {to_update} pods are of the new revision{}",
            blocked(seen)
        ));
    }
    let ready = number(set, "/status/readyReplicas");
    if ready < wanted {
        return Progress::Going(format!(
            "{ready} of {wanted} pods are ready{}",
            blocked(seen)
        ));
    }
    let mut warnings = Vec::new();
    if wanted == 0 {
        warnings.push("it has 0 replicas, so nothing serves".to_owned());
    } else if partition > 0 && !whole {
        warnings.push(format!(
            "partition {partition} keeps {} of {wanted} pods on the revision before",
            wanted - to_update
        ));
    }
    settle::confirm(seen, Progress::Done(warnings))
}

/// The pod that all later ones wait for, in words; empty when pods do not wait for each other.
pub(super) fn blocked(seen: &Seen<'_>) -> String {
    let set = seen.object;
    if text(set, "/spec/podManagementPolicy") == "Parallel" {
        return String::new();
    }
    let pods = seen.state.pods(seen.target);
    let Some(stuck) = pods.iter().find(|pod| !is_ready(pod)) else {
        return String::new();
    };
    let missing = replicas(set) - i64::try_from(pods.len()).unwrap_or_default();
    match missing {
        ..=0 => format!("; pod `{}` goes first", name_of(stuck)),
        missing => format!("; pod `{}` holds up the other {missing}", name_of(stuck)),
    }
}

/// A broken pod of the revision before stops an ordered update for ever: the controller waits until it is ready.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let set = seen.object;
    let whole = text(set, "/status/currentRevision") == text(set, "/status/updateRevision");
    if whole || text(set, "/spec/podManagementPolicy") == "Parallel" {
        return;
    }
    let newest = seen.state.newest_pods(seen.target);
    let is_new = |pod: &&Value| newest.iter().any(|new| uid_of(new) == uid_of(pod));
    let pods = seen.state.pods(seen.target);
    let stuck = pods.iter().find(|pod| {
        !is_ready(pod) && !is_new(pod) && pod.pointer("/metadata/deletionTimestamp").is_none()
    });
    if let Some(pod) = stuck {
        let what = format!(
            "pod `{}` of the revision before is not ready, and the ordered update waits for it; delete that pod if it will not recover",
            name_of(pod)
        );
        out.push(Observation::of(Rule::OldPodBlocks, what));
    }
}
