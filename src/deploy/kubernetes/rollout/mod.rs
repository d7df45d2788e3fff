//! Rollouts: `watch` and `logs` see what happens to what was applied, `scene` holds it, `judge` gives the verdict by the
//! table in `rules`. Nothing here waits, writes or speaks.

mod autoscaling;
mod conditions;
mod container;
#[cfg(test)]
mod container_examples;
mod daemon_set;
mod deployment;
mod ended;
mod events;
mod job;
mod judge;
#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod kinds_tests;
mod logs;
mod network;
mod observation;
mod pods;
mod probes;
mod pull;
mod record;
mod refusals;
#[cfg(test)]
mod replay;
mod rules;
#[cfg(test)]
mod rules_tests;
mod scene;
mod schedule;
mod settle;
mod sightings;
mod state;
mod stateful_set;
mod storage;
mod tail;
mod target;
mod trim;
mod waiting;
mod watch;
#[cfg(test)]
mod workload_examples;

use serde_json::Value;

pub(super) use self::events::Happening;
pub(super) use self::logs::{Logs, of_culprit};
pub(super) use self::observation::{Culprit, Finding, Late, Verdict};
pub(super) use self::record::time;
pub(super) use self::rules::table;
pub(super) use self::scene::{Scene, UNSEEN};
pub(super) use self::target::Target;
pub(super) use self::watch::{Trouble, Watch};

/// All container statuses of a pod, those of init containers first.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|list| pod.pointer(list).and_then(Value::as_array))
        .flatten()
}

/// Restarts of a container.
pub(super) fn restarts(container: &Value) -> u64 {
    container
        .get("restartCount")
        .and_then(Value::as_u64)
        .unwrap_or_default()
}
