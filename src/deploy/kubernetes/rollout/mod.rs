//! Waiting until the newest revision of every workload serves, by watches and without polling.

mod judge;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use self::judge::{Verdict, hypothesis, judge};
use self::watch::Live;
use super::diagnose;
use super::manifest::Object;
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Location};
use crate::failure::{Failure, Outcome};

pub(super) use self::judge::{Snapshot, containers, restarts};

/// One workload as it was applied.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) at: Location,
}

impl Target {
    fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// Waits for all targets, at most `deadline`. The first that surely fails ends it.
pub(super) async fn wait(
    ctx: &Context,
    cluster: &Cluster,
    targets: &[Target],
    objects: &[Object],
    applied: Timestamp,
    deadline: Duration,
) -> Outcome<()> {
    let mut live = Live::watch(cluster, pairs(targets));
    let mut told: HashMap<String, String> = HashMap::new();
    let late = tokio::time::sleep(deadline);
    tokio::pin!(late);
    loop {
        let mut waiting = 0;
        for target in targets {
            match verdict(&live, target, applied) {
                Verdict::Succeeded => {
                    tell(ctx, &mut told, target, "the new revision serves".to_owned()).await;
                }
                Verdict::Progressing(what) => {
                    waiting += 1;
                    tell(ctx, &mut told, target, what).await;
                }
                Verdict::Failed { code, cause } => {
                    return Err(
                        failed(ctx, cluster, &live, target, objects, applied, code, cause).await,
                    );
                }
            }
        }
        if waiting == 0 {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => return Err(cancelled(targets, &told)),
            () = &mut late => break,
            trouble = live.changed() => {
                if let Some(why) = trouble {
                    ctx.events.retrying(Duration::from_secs(1), why).await;
                }
            }
        }
    }
    Err(overdue(ctx, cluster, &live, targets, objects, applied, deadline).await)
}

/// What must be watched for these targets.
fn pairs(targets: &[Target]) -> BTreeSet<(String, String)> {
    let mut pairs = BTreeSet::new();
    for target in targets {
        pairs.insert((target.kind.clone(), target.namespace.clone()));
        pairs.insert(("Pod".to_owned(), target.namespace.clone()));
        if target.kind == "Deployment" {
            pairs.insert(("ReplicaSet".to_owned(), target.namespace.clone()));
        }
    }
    pairs
}

/// Hands a snapshot to a function; `None` while the workload was not seen yet.
fn verdict(live: &Live, target: &Target, applied: Timestamp) -> Verdict {
    let Some(workload) = live.get(&target.uid) else {
        return Verdict::Progressing("not seen yet".to_owned());
    };
    let (replica_sets, pods) = (live.all("ReplicaSet"), live.all("Pod"));
    judge(&Snapshot {
        workload,
        replica_sets: &replica_sets,
        pods: &pods,
        generation: target.generation,
        applied,
    })
}

/// Says what a target waits for, once per change.
async fn tell(ctx: &Context, told: &mut HashMap<String, String>, target: &Target, what: String) {
    let label = target.label();
    if told.get(&label) != Some(&what) {
        ctx.events.note(format!("{label}: {what}")).await;
        told.insert(label, what);
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the pieces of one failure, each used once"
)]
async fn failed(
    ctx: &Context,
    cluster: &Cluster,
    live: &Live,
    target: &Target,
    objects: &[Object],
    applied: Timestamp,
    code: Code,
    cause: String,
) -> Failure {
    if let Some(workload) = live.get(&target.uid) {
        let (replica_sets, pods) = (live.all("ReplicaSet"), live.all("Pod"));
        let seen = Snapshot {
            workload,
            replica_sets: &replica_sets,
            pods: &pods,
            generation: target.generation,
            applied,
        };
        let scene = diagnose::Scene {
            cluster,
            target,
            objects,
            since: applied,
        };
        let culprit = diagnose::telling(&seen, code, &cause);
        return Diagnostic::from(diagnose::diagnose(ctx, &scene, &culprit).await).into();
    }
    let message = format!("{}: {cause}", target.label());
    Failure::new(code, message).at(target.at.clone())
}

/// Time is up: for every target that is not done, what it seems to wait for.
async fn overdue(
    ctx: &Context,
    cluster: &Cluster,
    live: &Live,
    targets: &[Target],
    objects: &[Object],
    applied: Timestamp,
    deadline: Duration,
) -> Failure {
    let mut findings = Vec::new();
    for target in targets {
        let Verdict::Progressing(what) = verdict(live, target, applied) else {
            continue;
        };
        let mut cause = format!("not finished within {} s: {what}", deadline.as_secs());
        if let Some(workload) = live.get(&target.uid) {
            let (replica_sets, pods) = (live.all("ReplicaSet"), live.all("Pod"));
            let seen = Snapshot {
                workload,
                replica_sets: &replica_sets,
                pods: &pods,
                generation: target.generation,
                applied,
            };
            if let Some(guess) = hypothesis(&seen) {
                cause = format!("{cause}; {guess}");
            }
        }
        findings.extend(
            failed(
                ctx,
                cluster,
                live,
                target,
                objects,
                applied,
                Code::RolloutDeadline,
                cause,
            )
            .await
            .into_findings(),
        );
    }
    Failure::all(findings)
        .unwrap_or_else(|| Failure::new(Code::RolloutDeadline, "rollout not finished in time"))
}

/// A run that is told to stop changes nothing more, and says what it left.
fn cancelled(targets: &[Target], told: &HashMap<String, String>) -> Failure {
    let left: Vec<String> = targets
        .iter()
        .map(|target| {
            let label = target.label();
            let state = told.get(&label).map_or("not seen yet", String::as_str);
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
