//! One container of a pod: its status beside its specification.

use jiff::Timestamp;
use serde_json::Value;

use super::observation::{Observation, Seen};
use super::rules::{RECOVERED, Rule};
use crate::cluster::{text, uid_of};

/// One container of a pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct Container<'a> {
    pub(super) pod: &'a Value,
    pub(super) status: &'a Value,
    pub(super) spec: &'a Value,
    /// It runs before the others and is meant to end.
    pub(super) init: bool,
}

impl<'a> Container<'a> {
    /// All containers of a pod that have a status, those of init first.
    pub(super) fn all(pod: &'a Value) -> impl Iterator<Item = Self> {
        [
            ("/status/initContainerStatuses", "/spec/initContainers"),
            ("/status/containerStatuses", "/spec/containers"),
        ]
        .into_iter()
        .flat_map(move |(statuses, specs)| {
            let found = pod.pointer(statuses).and_then(Value::as_array);
            found.into_iter().flatten().map(move |status| {
                let specs = pod.pointer(specs).and_then(Value::as_array);
                let mut named = specs.into_iter().flatten();
                let spec = named
                    .find(|spec| spec.get("name") == status.get("name"))
                    .unwrap_or(&Value::Null);
                // An init container that is restarted for ever is a sidecar.
                let init = statuses.contains("init") && text(spec, "/restartPolicy") != "Always";
                Self {
                    pod,
                    status,
                    spec,
                    init,
                }
            })
        })
    }

    pub(super) fn name(&self) -> &'a str {
        text(self.status, "/name")
    }

    pub(super) fn restarts(&self) -> u32 {
        let count = self.status.get("restartCount").and_then(Value::as_u64);
        u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX)
    }

    pub(super) fn ready(&self) -> bool {
        self.status.get("ready") == Some(&Value::Bool(true))
    }

    /// Whether what it did before is over: it is ready by its probe, or, without one, has run for a while.
    pub(super) fn recovered(&self, seen: &Seen<'_>) -> bool {
        let started = text(self.status, "/state/running/startedAt").parse::<Timestamp>();
        let lasts = started.is_ok_and(|started| seen.now.duration_since(started) >= RECOVERED);
        self.ready() && (self.spec.get("readinessProbe").is_some() || lasts)
    }

    pub(super) fn running(&self) -> bool {
        self.status.pointer("/state/running").is_some()
    }

    pub(super) fn waiting(&self) -> &'a str {
        text(self.status, "/state/waiting/reason")
    }

    /// How it ended last: this run, or the one before.
    pub(super) fn ended(&self) -> Option<&'a Value> {
        let of = |state: &str| self.status.pointer(state).filter(|end| end.is_object());
        of("/state/terminated").or_else(|| of("/lastState/terminated"))
    }

    /// Who it is, in a sentence.
    pub(super) fn label(&self) -> String {
        let kind = if self.init {
            "init container"
        } else {
            "container"
        };
        format!("{kind} `{}`", self.name())
    }

    /// An observation on this container.
    pub(super) fn sees(
        &self,
        seen: &Seen<'_>,
        rule: Rule,
        what: impl std::fmt::Display,
    ) -> Observation {
        Observation {
            pod: uid_of(self.pod).to_owned(),
            container: self.name().to_owned(),
            healthy: self.recovered(seen),
            ..Observation::of(rule, format!("{} {what}", self.label()))
        }
    }
}

/// How a container ended, in words: `exits 1`.
pub(super) fn ending(end: &Value) -> String {
    let code = end.get("exitCode").and_then(Value::as_i64);
    match (text(end, "/reason"), code) {
        ("OOMKilled", _) => "is killed for memory (OOMKilled)".to_owned(),
        (_, Some(code)) => format!("exits {code}"),
        (reason, None) => format!("ends: {reason}"),
    }
}
