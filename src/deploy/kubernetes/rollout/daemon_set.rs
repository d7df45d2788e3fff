//! How far a DaemonSet is.

use super::conditions::number;
use super::deployment::counts;
use super::observation::{Progress, Seen};
use crate::cluster::text;

/// Every node that should have the pod has the new one, and it is available.
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
