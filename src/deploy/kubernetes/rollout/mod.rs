//! Rollouts: `wait` watches what was applied, `scene` holds what was seen, `judge` gives the verdict by the table in `rules`.

mod autoscaling;
mod conditions;
mod containers;
mod daemon_set;
mod deployment;
mod events;
mod job;
mod judge;
mod logs;
mod network;
mod observation;
mod pods;
mod probes;
mod pull;
mod record;
mod refusals;
mod rules;
mod scene;
mod schedule;
mod sightings;
mod state;
mod stateful_set;
mod storage;
mod target;
mod trim;
mod wait;
mod watch;

use serde_json::Value;

pub(super) use self::observation::Verdict;
pub(super) use self::record::time;
pub(super) use self::scene::Scene;
pub(super) use self::target::Target;
pub(super) use self::wait::wait;

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
