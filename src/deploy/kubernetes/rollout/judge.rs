//! The verdict: a pure function of what was observed, since when and how often, and the clock. It knows no object's shape.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::observation::{Culprit, Finding, Observation, Progress, Seen, Verdict};
use super::rules::{BEFORE_US, Class, Quorum, Rule, tolerated};
use super::sightings::{Sighting, Sightings};
use super::stateful_set;
use crate::cluster::{text, uid_of};
use crate::code::Code;

/// What the judge is given besides the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) seen: Seen<'a>,
    pub(super) observations: &'a [Observation],
    pub(super) sightings: &'a Sightings,
    /// Graces that replace those of the table.
    pub(super) tolerate: &'a [(Code, Duration)],
}

/// Judges one target.
pub(super) fn judge(progress: Progress, case: &Case<'_>) -> Verdict {
    let what = match progress {
        Progress::Done(warnings) => return settled(warnings, case),
        Progress::Going(what) => what,
    };
    let (mut next_check, mut hypothesis) = (None::<Timestamp>, None);
    for rule in Rule::ALL.iter().filter(|rule| rule.is_fault()) {
        let shown: Vec<&Observation> = case
            .observations
            .iter()
            .filter(|one| one.rule == *rule && !one.healthy)
            .collect();
        if shown.is_empty() {
            continue;
        }
        let due = due(case, *rule, &shown);
        if due.is_some_and(|due| due <= case.seen.now) {
            let finding = finding(case, *rule, &shown);
            return Verdict::Failed(Box::new(match rule {
                Rule::ProgressDeadline => because(case, finding, hypothesis),
                _ => finding,
            }));
        }
        next_check = next_check.into_iter().chain(due).min();
        if hypothesis.is_none() {
            hypothesis = Some(Box::new(finding(case, *rule, &shown)));
        }
    }
    Verdict::Progressing {
        what,
        next_check,
        hypothesis,
    }
}

/// That there was no progress says nothing about why; what else is seen does.
fn because(case: &Case<'_>, deadline: Finding, hypothesis: Option<Box<Finding>>) -> Finding {
    let unready: Vec<&Observation> = case
        .observations
        .iter()
        .filter(|one| one.rule == Rule::NotReady && !one.healthy)
        .collect();
    let why = hypothesis
        .map(|guess| *guess)
        .or_else(|| (!unready.is_empty()).then(|| finding(case, Rule::NotReady, &unready)));
    match why {
        None => deadline,
        Some(why) => Finding {
            cause: format!("{}; {}", deadline.cause, why.cause),
            share: why.share,
            culprit: why.culprit,
            evidence: [deadline.evidence, why.evidence].concat(),
            ..deadline
        },
    }
}

/// Success, unless it is too early for it: something has only just started, or was only just made.
fn settled(warnings: Vec<String>, case: &Case<'_>) -> Verdict {
    let held = case.observations.iter().filter_map(|one| {
        let Class::Held(grace) = one.rule.class() else {
            return None;
        };
        let sighting = case.sightings.of(&case.seen.target.uid, one)?;
        let until = sighting.first.checked_add(seconds(grace)).ok()?;
        (until > case.seen.now).then_some((until, one))
    });
    match held.max_by_key(|(until, _)| *until) {
        None => Verdict::Succeeded { warnings },
        Some((until, one)) => Verdict::Progressing {
            what: one.text.clone(),
            next_check: Some(until),
            hypothesis: None,
        },
    }
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// When the rule is a verdict; `None` while only a change can make it one.
fn due(case: &Case<'_>, rule: Rule, shown: &[&Observation]) -> Option<Timestamp> {
    let target = &case.seen.target.uid;
    let each = shown.iter().map(|one| {
        let sighting = case.sightings.of(target, one)?;
        let count = match rule.quorum() {
            Quorum::Sum => case.sightings.total(target, rule),
            _ => sighting.count(one),
        };
        grace(case, one, count).and_then(|grace| sighting.first.checked_add(grace).ok())
    });
    let of_target = shown.iter().all(|one| one.pod.is_empty());
    match rule.quorum() {
        Quorum::All if !of_target => {
            let pods = case.seen.state.newest_pods(case.seen.target);
            let every = pods
                .iter()
                .all(|pod| shown.iter().any(|one| one.pod == uid_of(pod)));
            // The pod that shows it last decides.
            every.then(|| each.collect::<Option<Vec<_>>>()?.into_iter().max())?
        }
        _ => each.flatten().min(),
    }
}

/// How long after its first sight an observation is a verdict; `None` while it does not count.
fn grace(case: &Case<'_>, observation: &Observation, count: u32) -> Option<SignedDuration> {
    let rule = observation.rule;
    let enough = match rule.class() {
        Class::Counted(times) => count >= times,
        _ => true,
    };
    if !enough {
        return None;
    }
    if let Some(grace) = tolerated(rule.code(), case.tolerate) {
        return Some(seconds(grace.as_secs()));
    }
    match rule.class() {
        Class::Immediate if observation.old => Some(seconds(BEFORE_US)),
        Class::Immediate | Class::Counted(_) => Some(SignedDuration::ZERO),
        Class::Sustained(grace) => Some(seconds(grace)),
        Class::Never | Class::Held(_) => None,
    }
}

/// The finding of a rule, told by the pod that shows it most.
fn finding(case: &Case<'_>, rule: Rule, shown: &[&Observation]) -> Finding {
    let target = case.seen.target;
    let sighting = |one: &Observation| case.sightings.of(&target.uid, one);
    let count =
        |one: &Observation| sighting(one).map_or(0, |sighting: &Sighting| sighting.count(one));
    let mut most = shown.first().copied();
    for one in shown {
        if most.is_some_and(|most| count(one) > count(most)) {
            most = Some(one);
        }
    }
    let firsts = shown.iter().filter_map(|one| sighting(one));
    let since = firsts
        .map(|sighting| sighting.first)
        .min()
        .unwrap_or(case.seen.now);
    let text = most.map_or("", |one| one.text.as_str());
    let times = most.map_or(0, count);
    let lasted = case.seen.now.duration_since(since).as_secs().max(0);
    let times = match rule.class() {
        Class::Counted(_) => format!(", {times} times"),
        _ => String::new(),
    };
    let line = format!(
        "`{}`: seen since {} ({lasted} s){times}; {}",
        rule.code().slug(),
        since.strftime("%H:%M:%SZ"),
        rule.patience(case.tolerate)
    );
    Finding {
        code: rule.code(),
        rule,
        cause: text.to_owned(),
        share: share(case, shown) + &held_up(case, shown),
        culprit: most.and_then(|one| culprit(case, one)),
        evidence: vec![line],
        since,
    }
}

/// How many of the new pods show it: ` (2 of 2 new pods, node n1)`.
fn share(case: &Case<'_>, shown: &[&Observation]) -> String {
    let mut with: Vec<&str> = shown.iter().map(|one| one.pod.as_str()).collect();
    with.retain(|pod| !pod.is_empty());
    with.sort_unstable();
    with.dedup();
    if with.is_empty() || matches!(case.seen.target.kind(), "Pod" | "Job") {
        return String::new();
    }
    let pods = case.seen.state.newest_pods(case.seen.target);
    let noun = if pods.len() == 1 {
        "new pod"
    } else {
        "new pods"
    };
    let mut nodes: Vec<&str> = with
        .iter()
        .filter_map(|pod| case.seen.state.get(pod))
        .map(|pod| text(pod, "/spec/nodeName"))
        .filter(|node| !node.is_empty())
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    let node = match nodes.as_slice() {
        [] => String::new(),
        [node] => format!(", node {node}"),
        many => format!(", {} nodes", many.len()),
    };
    format!(" ({} of {} {noun}{node})", with.len(), pods.len())
}

/// The pods of an ordered set that a broken one holds up.
fn held_up(case: &Case<'_>, shown: &[&Observation]) -> String {
    let about_pods = shown.iter().any(|one| !one.pod.is_empty());
    match case.seen.target.kind() {
        "StatefulSet" if about_pods => stateful_set::blocked(&case.seen),
        _ => String::new(),
    }
}

fn culprit(case: &Case<'_>, observation: &Observation) -> Option<Culprit> {
    let pod = case.seen.state.get(&observation.pod)?;
    Some(Culprit {
        pod: pod.clone(),
        container: Some(observation.container.clone()).filter(|name| !name.is_empty()),
        previous: observation.previous,
    })
}
