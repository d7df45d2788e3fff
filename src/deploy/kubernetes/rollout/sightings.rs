//! What was seen when: the memory that counted and sustained rules need. An observation that is no longer there is
//! forgotten, except where occurrences are counted; there only recovery starts anew.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::observation::Observation;
use super::rules::{Class, Rule};
use crate::cluster::text;

/// What a sighting is about: target, rule, pod, container.
type Key = (String, Rule, String, String);

/// The memory of one observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) first: Timestamp,
    /// Occurrences that we saw ourselves.
    seen: u32,
    /// What the cluster had counted before it concerned us.
    base: u32,
    occurrence: Option<String>,
}

impl Sighting {
    /// How often it happened.
    pub(super) fn count(&self, observation: &Observation) -> u32 {
        observation.count.saturating_sub(self.base).max(self.seen)
    }
}

/// All sightings of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sightings(HashMap<Key, Sighting>);

fn key(target: &str, observation: &Observation) -> Key {
    (
        target.to_owned(),
        observation.rule,
        observation.pod.clone(),
        observation.container.clone(),
    )
}

impl Sightings {
    /// Remembers what is seen of a target now.
    pub(super) fn see(&mut self, target: &str, observations: &[Observation], now: Timestamp) {
        let present: Vec<Key> = observations
            .iter()
            .map(|observation| key(target, observation))
            .collect();
        self.0.retain(|known, sighting| {
            let kept = known.0 != target
                || present.contains(known)
                || matches!(known.1.class(), Class::Counted(_));
            if kept && known.0 == target && !present.contains(known) {
                sighting.occurrence = None;
            }
            kept
        });
        for observation in observations {
            let sighting = self
                .0
                .entry(key(target, observation))
                .or_insert_with(|| Sighting {
                    first: now,
                    seen: 0,
                    base: base(observation),
                    occurrence: None,
                });
            if observation.healthy {
                *sighting = Sighting {
                    first: now,
                    seen: 0,
                    base: observation.count,
                    occurrence: observation.occurrence.clone(),
                };
                continue;
            }
            if observation.occurrence.is_some() && observation.occurrence != sighting.occurrence {
                sighting.seen = sighting.seen.saturating_add(1);
                // A new run has not lasted yet.
                if !observation.rule.is_fault() {
                    sighting.first = now;
                }
            }
            sighting.occurrence.clone_from(&observation.occurrence);
        }
    }

    /// What is remembered of an observation.
    pub(super) fn of(&self, target: &str, observation: &Observation) -> Option<&Sighting> {
        self.0.get(&key(target, observation))
    }

    /// How often a rule was seen over all pods, those that are gone too.
    pub(super) fn total(&self, target: &str, rule: Rule) -> u32 {
        let ours = self
            .0
            .iter()
            .filter(|(key, _)| key.0 == target && key.1 == rule);
        ours.map(|(_, sighting)| sighting.seen).sum()
    }

    /// As it stands in a bundle.
    pub(super) fn write(&self) -> Value {
        let mut all: Vec<Value> = self
            .0
            .iter()
            .map(|((target, rule, pod, container), sighting)| {
                json!({"target": target, "rule": rule.name(), "pod": pod, "container": container,
                    "first": sighting.first.to_string(), "seen": sighting.seen, "base": sighting.base, "occurrence": sighting.occurrence})
            })
            .collect();
        all.sort_by_key(Value::to_string);
        Value::Array(all)
    }

    /// Reads what a bundle holds; what cannot be read is left out, so that a newer bundle is still judged.
    pub(super) fn read(all: &Value) -> Self {
        let number = |one: &Value, field: &str| {
            let number = one.get(field).and_then(Value::as_u64).unwrap_or_default();
            u32::try_from(number).unwrap_or(u32::MAX)
        };
        let read = |one: &Value| {
            let field = |pointer: &str| text(one, pointer).to_owned();
            let key = (
                field("/target"),
                Rule::named(text(one, "/rule"))?,
                field("/pod"),
                field("/container"),
            );
            let sighting = Sighting {
                first: text(one, "/first").parse().ok()?,
                seen: number(one, "seen"),
                base: number(one, "base"),
                occurrence: one
                    .get("occurrence")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            };
            Some((key, sighting))
        };
        let all = all.as_array().into_iter().flatten();
        Self(all.filter_map(read).collect())
    }
}

/// A pod that is older than our apply may have restarted often; one more time of that is enough to know that it goes on.
fn base(observation: &Observation) -> u32 {
    match observation.rule.class() {
        Class::Counted(times) if observation.old => observation.count.saturating_sub(times - 1),
        _ => 0,
    }
}
