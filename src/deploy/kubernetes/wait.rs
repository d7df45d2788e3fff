//! Waiting until what was applied serves: by watches, without polling, at most until the deadline.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::bundle;
use super::diagnose::{self, Places};
use super::manifest::Object;
use super::rollout::{
    self, Culprit, Finding, Logs, Scene, Target, Trouble, UNSEEN, Verdict, Watch,
};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};

/// Changes come in bursts; they are judged together.
const BURST: Duration = Duration::from_millis(50);

/// What is waited for, and how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waited<'a> {
    pub(super) targets: &'a [Target],
    /// They know the lines of the manifests.
    pub(super) objects: &'a [Object],
    /// What is older says nothing about what was applied.
    pub(super) applied: Timestamp,
    pub(super) deadline: Duration,
    /// Graces that replace those of the table.
    pub(super) tolerate: &'a [(Code, Duration)],
    /// Name of the file with the evidence of a failure.
    pub(super) bundle: &'static str,
}

/// Waits for all targets. The first that surely fails ends it.
///
/// # Errors
/// The finding's own code, `rollout-deadline` with the best hypothesis, or a cancel.
pub(super) async fn wait(ctx: &Context, cluster: &Cluster, waited: &Waited<'_>) -> Outcome<()> {
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
    let mut now = Timestamp::now();
    loop {
        let (blind, late) = (watch.blind_until(), Instant::now() >= end);
        // Nothing is seen to last, or to stay, while nobody tells how it is.
        if blind.is_none() || late {
            now = Timestamp::now();
        }
        let verdicts = scene.verdicts(now);
        if (blind.is_none() || late)
            && let Some((target, finding)) = worst(targets, &verdicts)
        {
            return Err(failed(&place, &mut scene, target, finding, now).await);
        }
        told.tell(ctx, targets, &verdicts).await;
        if verdicts
            .iter()
            .all(|one| matches!(one, Verdict::Succeeded { .. }))
        {
            return Ok(());
        }
        if late {
            return Err(overdue(&place, &mut scene, &verdicts, now).await);
        }
        logs.ask(cluster, &scene);
        let wake = blind.map_or_else(|| wake(&verdicts, now, end), |until| until.min(end));
        let trouble = tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => return Err(cancelled(targets, &told)),
            () = tokio::time::sleep_until(wake) => continue,
            heard = logs.read() => {
                scene.hear(heard);
                continue;
            }
            trouble = watch.changed(&mut scene) => trouble,
        };
        let mut troubles = Vec::from_iter(trouble);
        let quiet = Instant::now() + BURST;
        while let Ok(trouble) = tokio::time::timeout_at(quiet, watch.changed(&mut scene)).await {
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
                    Some(guess) if worth_saying(guess) => format!("{what}; {}", guess.sentence()),
                    _ => what.clone(),
                },
                Verdict::Failed(finding) => finding.sentence(),
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

/// Where things are looked up when something failed.
struct Place<'a> {
    ctx: &'a Context,
    cluster: &'a Cluster,
    waited: &'a Waited<'a>,
}

impl<'a> Place<'a> {
    fn diagnosed(&self, scene: &'a Scene) -> Places<'a> {
        Places {
            workspace: &self.ctx.workspace,
            objects: self.waited.objects,
            scene,
        }
    }

    /// Reads the logs of the containers that tell most. What cannot be read only makes it less telling.
    async fn listen(&self, scene: &mut Scene, culprits: Vec<Culprit>) {
        let logs = culprits
            .iter()
            .map(|culprit| rollout::of_culprit(self.cluster, culprit));
        let logs = futures_util::future::join_all(logs).await;
        for (culprit, log) in culprits.iter().zip(logs) {
            scene.hear_all(culprit, log);
        }
    }

    /// The failure, after its evidence was written down.
    async fn evidenced(&self, scene: &Scene, now: Timestamp, failure: Failure) -> Failure {
        let Waited {
            bundle, deadline, ..
        } = *self.waited;
        bundle::leave(self.ctx, bundle, deadline, scene, now, &failure).await;
        failure
    }
}

/// A finding as the run's end, with evidence from the cluster and a bundle.
async fn failed(
    place: &Place<'_>,
    scene: &mut Scene,
    target: &Target,
    finding: &Finding,
    now: Timestamp,
) -> Failure {
    place
        .listen(scene, Vec::from_iter(finding.culprit.clone()))
        .await;
    let failure = diagnose::failed(place.diagnosed(scene), target, finding).into();
    place.evidenced(scene, now, failure).await
}

/// Time is up: for every target that is not done, what it seems to wait for.
async fn overdue(
    place: &Place<'_>,
    scene: &mut Scene,
    verdicts: &[Verdict],
    now: Timestamp,
) -> Failure {
    let deadline = place.waited.deadline;
    let late = scene.overdue(verdicts, deadline);
    let culprits = late.iter().filter_map(|late| late.guess?.culprit.clone());
    let culprits = culprits.collect();
    place.listen(scene, culprits).await;
    let late = scene.overdue(verdicts, deadline);
    let findings = late
        .iter()
        .map(|late| diagnose::late(place.diagnosed(scene), late));
    let failure = Failure::all(findings.collect())
        .unwrap_or_else(|| Failure::new(Code::RolloutDeadline, "rollout not finished in time"));
    place.evidenced(scene, now, failure).await
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
