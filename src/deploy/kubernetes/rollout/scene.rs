//! A rollout as it is seen at a moment: targets, objects, memory, clock. It chooses the observers of each kind, and hands
//! what they see to the judge. The same scene stands in a bundle.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::conditions::{holds, number};
use super::events::Happening;
use super::judge::{Case, judge};
use super::observation::{Culprit, Observation, Progress, Seen, Verdict};
use super::rules::Rule;
use super::sightings::Sightings;
use super::state::{Heard, State};
use super::target::Target;
use super::{
    autoscaling, conditions, daemon_set, deployment, job, network, pods, refusals, settle,
    stateful_set, storage,
};
use crate::cluster::{kind_of, text, uid_of};
use crate::code::Code;

/// What a target waits for of which nothing is known.
pub(in crate::deploy::kubernetes) const UNSEEN: &str = "not seen yet";

/// Everything that verdicts depend on, except the clock.
#[derive(Clone, Debug)]
pub(in crate::deploy::kubernetes) struct Scene {
    pub(super) targets: Vec<Target>,
    /// What is older says nothing about what was applied.
    pub(super) applied: Timestamp,
    pub(super) tolerate: Vec<(Code, Duration)>,
    pub(super) state: State,
    pub(super) sightings: Sightings,
}

impl Scene {
    /// A rollout of which nothing was seen yet.
    pub(in crate::deploy::kubernetes) fn new(
        targets: &[Target],
        applied: Timestamp,
        tolerate: &[(Code, Duration)],
    ) -> Self {
        Self {
            targets: targets.to_vec(),
            applied,
            tolerate: tolerate.to_vec(),
            state: State::default(),
            sightings: Sightings::default(),
        }
    }

    /// What is waited for.
    pub(in crate::deploy::kubernetes) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Keeps the end of a log.
    pub(in crate::deploy::kubernetes) fn hear(&mut self, heard: Heard) {
        self.state
            .keep_log(&heard.pod, &heard.container, heard.tail);
    }

    /// Keeps what was read of a culprit's log.
    pub(in crate::deploy::kubernetes) fn hear_all(&mut self, culprit: &Culprit, log: Vec<String>) {
        if let Some(container) = culprit.container.clone().filter(|_| !log.is_empty()) {
            let pod = uid_of(&culprit.pod).to_owned();
            self.state.read.insert((pod, container), log);
        }
    }

    /// The culprit's log: what was read of it, else the end of its last run.
    pub(in crate::deploy::kubernetes) fn log(&self, culprit: &Culprit) -> &[String] {
        let Some(container) = &culprit.container else {
            return &[];
        };
        let pod = uid_of(&culprit.pod);
        let read = self.state.read.get(&(pod.to_owned(), container.clone()));
        let tail = || self.state.tails(pod, container).last();
        read.or_else(|| Some(&tail()?.lines))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// What was warned of about a target, what it owns and its most telling pod, oldest first.
    pub(in crate::deploy::kubernetes) fn warnings(
        &self,
        target: &Target,
        pod: Option<&Value>,
    ) -> Vec<&Happening> {
        let mut subjects = vec![target.uid.as_str()];
        subjects.extend(self.state.owned(&target.uid, "ReplicaSet").map(uid_of));
        subjects.extend(pod.map(uid_of));
        subjects.sort_unstable();
        subjects.dedup();
        let events = subjects
            .into_iter()
            .flat_map(|uid| self.state.events(uid, self.applied));
        // That the kubelet kills a container is no warning for it.
        let mut told: Vec<_> = events
            .filter(|one| one.warning || one.reason == "Killing")
            .collect();
        told.sort_by_key(|one| one.last);
        told
    }

    /// Looks at every target, remembers what is seen, and judges. One verdict for each target, in their order.
    pub(in crate::deploy::kubernetes) fn verdicts(&mut self, now: Timestamp) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for target in &self.targets {
            let Some(object) = self.state.get(&target.uid) else {
                verdicts.push(self.unseen(target));
                continue;
            };
            let seen = Seen {
                state: &self.state,
                target,
                targets: &self.targets,
                object,
                applied: self.applied,
                now,
            };
            let observations = observe(&seen);
            self.sightings.see(&target.uid, &observations, now);
            let case = Case {
                seen,
                observations: &observations,
                sightings: &self.sightings,
                tolerate: &self.tolerate,
            };
            verdicts.push(judge(progress(&seen), &case));
        }
        verdicts
    }

    /// A target that no watch has shown.
    fn unseen(&self, target: &Target) -> Verdict {
        let place = format!("{}/{}", target.kind(), target.namespace);
        if !target.is_watched() {
            return Verdict::Succeeded {
                warnings: Vec::new(),
            };
        }
        if self.state.denied.contains(&place) && target.is_dispensable() {
            let warning = "it may not be watched, so how it is stays unknown".to_owned();
            return Verdict::Succeeded {
                warnings: vec![warning],
            };
        }
        if self.state.is_gone(&target.uid) {
            return Verdict::Failed(Box::new(super::observation::Finding {
                code: Code::PodGone,
                cause: format!(
                    "it was deleted right after it was applied; uid {} is gone",
                    target.uid
                ),
                share: String::new(),
                culprit: None,
                evidence: Vec::new(),
                since: self.applied,
                rule: Rule::Gone,
            }));
        }
        Verdict::Progressing {
            what: UNSEEN.to_owned(),
            next_check: None,
            hypothesis: None,
        }
    }
}

/// Whether a finished thing stays finished when its object is cleaned away.
fn is_final(seen: &Seen<'_>) -> bool {
    match seen.target.kind() {
        "Job" => holds(seen.object, "Complete") || holds(seen.object, "SuccessCriteriaMet"),
        "Pod" => text(seen.object, "/status/phase") == "Succeeded",
        _ => false,
    }
}

fn is_leaving(seen: &Seen<'_>) -> bool {
    !text(seen.object, "/metadata/deletionTimestamp").is_empty()
}

/// How far the target is.
fn progress(seen: &Seen<'_>) -> Progress {
    if is_final(seen) {
        return Progress::done();
    }
    if seen.state.is_gone(&seen.target.uid) {
        return Progress::Going("it is gone".to_owned());
    }
    if is_leaving(seen) {
        return Progress::Going("it is being deleted".to_owned());
    }
    if !is_observed(seen) {
        return Progress::Going("the controller has not seen the change yet".to_owned());
    }
    match kind_of(seen.object) {
        "Deployment" => settle::confirm(seen, deployment::progress(seen)),
        "StatefulSet" => stateful_set::progress(seen),
        "DaemonSet" => settle::confirm(seen, daemon_set::progress(seen)),
        "Job" => job::progress(seen),
        "Pod" => pods::progress(seen),
        "PersistentVolumeClaim" => storage::progress(seen),
        "Service" => network::progress(seen),
        "HorizontalPodAutoscaler" => autoscaling::progress(seen),
        _ => conditions::progress(seen),
    }
}

/// Nothing is judged before the controller has seen what was applied; of other kinds only those that say so are asked.
fn is_observed(seen: &Seen<'_>) -> bool {
    let reports = matches!(
        kind_of(seen.object),
        "Deployment" | "StatefulSet" | "DaemonSet"
    ) || seen.object.pointer("/status/observedGeneration").is_some();
    !reports || number(seen.object, "/status/observedGeneration") >= seen.target.generation
}

/// Everything that is wrong, or looks so.
fn observe(seen: &Seen<'_>) -> Vec<Observation> {
    let mut out = Vec::new();
    if is_final(seen) {
        return out;
    }
    going_away(seen, &mut out);
    if !is_observed(seen) || !out.is_empty() {
        return out;
    }
    match kind_of(seen.object) {
        "Deployment" => deployment::observe(seen, &mut out),
        "StatefulSet" => stateful_set::observe(seen, &mut out),
        "Job" => job::observe(seen, &mut out),
        "DaemonSet" | "Pod" => {}
        "PersistentVolumeClaim" => storage::observe(seen, &mut out),
        "Service" => network::observe(seen, &mut out),
        "HorizontalPodAutoscaler" => autoscaling::observe(seen, &mut out),
        _ => conditions::observe(seen, &mut out),
    }
    if seen.target.has_pods() {
        pods::observe(seen, &mut out);
        settle::observe(seen, &mut out);
        if seen.target.kind() != "Pod" {
            refusals::observe(seen, &mut out);
        }
    }
    out
}

/// Somebody deletes what is waited for.
fn going_away(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let leaving = is_leaving(seen);
    if seen.state.is_gone(&seen.target.uid) || (leaving && seen.target.kind() == "Pod") {
        out.push(Observation::of(
            Rule::Gone,
            "somebody deleted it while it was waited for",
        ));
    } else if leaving {
        let finalizers = seen
            .object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let names: Vec<&str> = finalizers
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let held = match names.as_slice() {
            [] => String::new(),
            names => format!(" and waits for finalizer `{}`", names.join("`, `")),
        };
        out.push(Observation::of(
            Rule::FinalizerStuck,
            format!("somebody deletes it{held}"),
        ));
    }
}
