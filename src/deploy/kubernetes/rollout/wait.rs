//! Waiting until what was applied serves: by watches, without polling, at most until the deadline.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::logs::Logs;
use super::observation::{Finding, Verdict};
use super::scene::{Scene, UNSEEN};
use super::target::Target;
use super::watch::{Trouble, Watch};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::deploy::kubernetes::manifest::Object;
use crate::deploy::kubernetes::{bundle, diagnose};
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};

/// Changes come in bursts; they are judged together.
const BURST: Duration = Duration::from_millis(50);

/// What is waited for, and how long.
#[derive(Clone, Copy, Debug)]
pub(in crate::deploy::kubernetes) struct Waited<'a> {
    pub(in crate::deploy::kubernetes) targets: &'a [Target],
    /// They know the lines of the manifests.
    pub(in crate::deploy::kubernetes) objects: &'a [Object],
    /// What is older says nothing about what was applied.
    pub(in crate::deploy::kubernetes) applied: Timestamp,
    pub(in crate::deploy::kubernetes) deadline: Duration,
    /// Graces that replace those of the table.
    pub(in crate::deploy::kubernetes) tolerate: &'a [(Code, Duration)],
    /// Name of the file with the evidence of a failure.
    pub(in crate::deploy::kubernetes) bundle: &'static str,
}

/// Waits for all targets. The first that surely fails ends it.
///
/// # Errors
/// The finding's own code, `rollout-deadline` with the best hypothesis, or a cancel.
pub(in crate::deploy::kubernetes) async fn wait(
    ctx: &Context,
    cluster: &Cluster,
    waited: &Waited<'_>,
) -> Outcome<()> {
    let Waited {
        targets,
        applied,
        deadline,
        ..
    } = *waited;
    let place = Place {
        ctx,
        cluster,
        waited,
    };
    let mut scene = Scene::new(targets, applied, waited.tolerate);
    let mut watch = Watch::start(cluster, targets, applied);
    let mut logs = Logs::default();
    let mut told = Told::default();
    let end = Instant::now() + deadline;
    loop {
        let now = Timestamp::now();
        let verdicts = scene.verdicts(now);
        let (blind, late) = (watch.blind_until(), Instant::now() >= end);
        if (blind.is_none() || late)
            && let Some((target, finding)) = worst(targets, &verdicts)
        {
            return Err(failed(&place, &scene, target, finding, now).await);
        }
        told.tell(ctx, targets, &verdicts).await;
        if verdicts
            .iter()
            .all(|one| matches!(one, Verdict::Succeeded { .. }))
        {
            return Ok(());
        }
        if late {
            return Err(overdue(&place, &scene, &verdicts, now).await);
        }
        logs.ask(cluster, &scene);
        let wake = blind.map_or_else(|| wake(&verdicts, now, end), |until| until.min(end));
        let trouble = tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => return Err(cancelled(targets, &told)),
            () = tokio::time::sleep_until(wake) => continue,
            (pod, container, tail) = logs.read() => {
                scene.state.keep_log(&pod, &container, tail);
                continue;
            }
            trouble = watch.changed(&mut scene.state) => trouble,
        };
        let mut troubles = Vec::from_iter(trouble);
        let quiet = Instant::now() + BURST;
        while let Ok(trouble) =
            tokio::time::timeout_at(quiet, watch.changed(&mut scene.state)).await
        {
            troubles.extend(trouble);
        }
        for trouble in troubles {
            say(ctx, trouble).await;
        }
    }
}

async fn say(ctx: &Context, trouble: Trouble) {
    match trouble {
        Trouble::Interrupted(why) => ctx.events.retrying(Duration::from_millis(200), why).await,
        Trouble::Denied(why) => {
            let finding = Diagnostic::warning(Code::ClusterDenied, why)
                .help("the rollout is judged without it; give the account `list` and `watch` on it for sharper verdicts");
            ctx.events.diagnosed(finding).await;
        }
    }
}

/// The failed target to name: one with pods before what merely depends on it.
fn worst<'a>(targets: &'a [Target], verdicts: &'a [Verdict]) -> Option<(&'a Target, &'a Finding)> {
    let failed = targets
        .iter()
        .zip(verdicts)
        .filter_map(|(target, verdict)| match verdict {
            Verdict::Failed(finding) => Some((target, &**finding)),
            _ => None,
        });
    failed.min_by_key(|(target, _)| !target.has_pods())
}

/// When to judge again although nothing changed: the next grace that runs out, or the deadline.
fn wake(verdicts: &[Verdict], now: Timestamp, end: Instant) -> Instant {
    let next = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Progressing { next_check, .. } => *next_check,
        _ => None,
    });
    let Some(next) = next.min() else { return end };
    let left = Duration::try_from(next.duration_since(now)).unwrap_or_default();
    // Never a busy loop, whatever the clock does.
    (Instant::now() + left.max(Duration::from_millis(10))).min(end)
}

/// What was said of each target.
#[derive(Default)]
struct Told(HashMap<String, String>);

impl Told {
    /// Says what each target waits for, once for each change.
    async fn tell(&mut self, ctx: &Context, targets: &[Target], verdicts: &[Verdict]) {
        for (target, verdict) in targets.iter().zip(verdicts) {
            let what = match verdict {
                Verdict::Succeeded { warnings } if !target.is_watched() && warnings.is_empty() => {
                    continue;
                }
                Verdict::Succeeded { warnings } => {
                    let done = if target.has_pods() {
                        "the new revision serves"
                    } else {
                        "done"
                    };
                    let done = match target.kind() {
                        "Job" => "it is complete",
                        _ => done,
                    };
                    match warnings.as_slice() {
                        [] => done.to_owned(),
                        warnings => format!("{done}, but {}", warnings.join("; ")),
                    }
                }
                Verdict::Progressing {
                    what, hypothesis, ..
                } => match hypothesis {
                    Some(guess) if worth_saying(guess) => format!("{what}; {}", guess.cause),
                    _ => what.clone(),
                },
                Verdict::Failed(finding) => finding.cause.clone(),
            };
            let label = target.label();
            // The first moment of every watch is no news.
            if what != UNSEEN && self.0.get(&label) != Some(&what) {
                ctx.events.note(format!("{label}: {what}")).await;
                self.0.insert(label, what);
            }
        }
    }
}

/// Every pod is unready for a while; that alone is no news.
fn worth_saying(guess: &Finding) -> bool {
    !matches!(guess.code, Code::NotReady | Code::ServiceUnready)
}

/// A finding as the run's end, with evidence from the cluster and a bundle.
async fn failed(
    place: &Place<'_>,
    scene: &Scene,
    target: &Target,
    finding: &Finding,
    now: Timestamp,
) -> Failure {
    let what = (finding.code, finding.cause.as_str());
    let failure = diagnosed(place, scene, target, what, Some(finding))
        .await
        .into();
    bundle::leave(place.ctx, place.waited, scene, now, &failure).await;
    failure
}

/// Time is up: for every target that is not done, what it seems to wait for.
async fn overdue(
    place: &Place<'_>,
    scene: &Scene,
    verdicts: &[Verdict],
    now: Timestamp,
) -> Failure {
    let mut findings = Vec::new();
    for late in scene.overdue(verdicts, place.waited.deadline) {
        let what = (Code::RolloutDeadline, late.cause.as_str());
        findings.push(diagnosed(place, scene, late.target, what, late.guess).await);
    }
    let failure = Failure::all(findings)
        .unwrap_or_else(|| Failure::new(Code::RolloutDeadline, "rollout not finished in time"));
    bundle::leave(place.ctx, place.waited, scene, now, &failure).await;
    failure
}

/// Where things are looked up when something failed.
struct Place<'a> {
    ctx: &'a Context,
    cluster: &'a Cluster,
    waited: &'a Waited<'a>,
}

/// The verdict's sentence with the cause that logs and events tell; what is known already stands first in the evidence.
async fn diagnosed(
    place: &Place<'_>,
    scene: &Scene,
    target: &Target,
    (code, cause): (Code, &str),
    finding: Option<&Finding>,
) -> Diagnostic {
    let subject = diagnose::Subject {
        cluster: place.cluster,
        target,
        objects: place.waited.objects,
        since: scene.applied,
    };
    let seen = finding.and_then(|finding| finding.culprit.as_ref());
    let culprit = diagnose::Culprit {
        pod: seen.map(|seen| &seen.pod),
        container: seen.and_then(|seen| seen.container.as_deref()),
        previous: seen.is_some_and(|seen| seen.previous),
        code,
        cause,
    };
    let mut diagnosis = diagnose::diagnose(place.ctx, &subject, &culprit).await;
    if let Some(finding) = finding {
        diagnosis
            .evidence
            .splice(..0, finding.evidence.iter().cloned());
    }
    diagnosis.into()
}

/// A run that is told to stop changes nothing more, and says what it left.
fn cancelled(targets: &[Target], told: &Told) -> Failure {
    let left: Vec<String> = targets
        .iter()
        .filter(|target| target.is_watched())
        .map(|target| {
            let label = target.label();
            let state = told.0.get(&label).map_or("not seen yet", String::as_str);
            format!(
                "{label}: generation {} is applied, {state}",
                target.generation
            )
        })
        .collect();
    let message = format!(
        "stopped waiting for the rollout, the cluster goes on with it by itself ({})",
        left.join("; ")
    );
    Failure::new(Code::Interrupted, message)
        .help("look at it with `kubectl rollout status`, or go back with `kubectl rollout undo`")
}
