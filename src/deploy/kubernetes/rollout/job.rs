//! How far a Job is. Its controller counts failures; its conditions are the verdict.

use serde_json::Value;

use super::conditions::{condition, holds, number};
use super::container::{Container, ending};
use super::observation::{Observation, Progress, Seen};
use super::rules::Rule;
use crate::cluster::{text, uid_of};

/// Complete, or certain to be.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    let job = seen.object;
    if holds(job, "Complete") || holds(job, "SuccessCriteriaMet") {
        return Progress::done();
    }
    if job.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        return Progress::Going("it is suspended (`spec.suspend: true`)".to_owned());
    }
    let failed = match number(job, "/status/failed") {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let active = number(job, "/status/active");
    Progress::Going(format!("{active} pods run{failed}"))
}

/// `FailureTarget` comes before `Failed`, while pods are still going away.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let failed = ["Failed", "FailureTarget"]
        .iter()
        .find_map(|kind| condition(seen.object, kind).filter(|one| text(one, "/status") == "True"));
    let Some(failed) = failed else { return };
    let pods = seen.state.pods(seen.target);
    let end = pods.iter().rev().find_map(|pod| {
        Container::all(pod).find_map(|container| {
            let end = container.ended()?;
            let good = end.get("exitCode") == Some(&Value::from(0));
            (!good).then(|| {
                (
                    uid_of(pod),
                    container.name(),
                    format!("{} {}; ", container.label(), ending(end)),
                )
            })
        })
    });
    let (pod, container, ending) = end.unwrap_or_default();
    out.push(Observation {
        pod: pod.to_owned(),
        container: container.to_owned(),
        ..Observation::of(
            Rule::JobFailed,
            format!(
                "{ending}{} — {}",
                text(failed, "/message"),
                text(failed, "/reason")
            ),
        )
    });
}
