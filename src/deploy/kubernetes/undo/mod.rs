//! What becomes of a deployment that failed: what was live before is put back, or the deployment is left or removed.

mod answer;
mod before;
mod first;
mod restore;
mod say;
mod step;

use jiff::Timestamp;

pub(super) use self::before::Before;
use self::before::{AT_ONCE, Entry, Was, get, get_patiently, quoted, reason};
pub(super) use self::restore::remove;
use self::step::Step;
pub(super) use self::step::is_precious;
use super::bundle;
use super::rollout::Target;
use super::wait::{Waited, wait};
use crate::artifact::RolledBack;
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::{KubernetesSpec, OnFailure};

/// What was done about a failed deployment, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing had been changed.
    Untouched,
    /// What was live before serves again.
    RolledBack,
    /// What failed is still there.
    Kept,
    /// What failed is gone, and nothing was there before.
    Removed,
}

/// A cancel never starts a rollback; what is live now is said instead.
pub(super) fn cancelled(
    cluster: &Cluster,
    before: &Before,
    spec: &KubernetesSpec,
    failure: Failure,
) -> Failure {
    let to = before.image(spec);
    let left = if before.served() {
        let message = format!("what was live before ({to}) is not put back after a cancel");
        let back = say::command("rollback", cluster, before, spec);
        Diagnostic::error(Code::Interrupted, message)
            .help(format!("run again, or go back with `{back}`"))
    } else {
        let message = "what was applied so far stays: nothing served before";
        Diagnostic::error(Code::Interrupted, message)
            .help("run again, or look at it and remove it with the commands shown")
            .evidence(say::inspection(cluster, before))
    };
    let mut findings = failure.into_findings();
    findings.push(left.clone());
    Failure::all(findings).unwrap_or_else(|| left.into())
}

/// Puts the snapshot back and waits for it, or does what the inputs say instead. Returns the failure with what was done,
/// and how it ended. A cancel on the way stops it within seconds and says how far it came.
pub(super) async fn undo(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    before: &Before,
    failure: Failure,
) -> (Failure, Ended) {
    let steps = match restore::steps(cluster, before).await {
        Ok(steps) => steps,
        Err(why) => {
            let broken = say::broken(cluster, before, spec, &why);
            return (say::first(broken, failure), Ended::Kept);
        }
    };
    if steps.iter().all(|(_, step)| matches!(step, Step::Nothing)) {
        ctx.events.note("nothing was changed").await;
        return (failure, Ended::Untouched);
    }
    let head = failure.findings().next();
    let head = head.map_or("", |finding| finding.message.as_str());
    if !before.served() {
        ctx.events.note(format!("failed: {head}")).await;
        return first::settle(ctx, spec, cluster, before, &steps, failure).await;
    }
    if spec.on_failure == OnFailure::Keep {
        let note = "what failed is left as it is (`on-failure: keep`); `ml-deploy rollback` goes back to the last verified deployment";
        ctx.events.note(note).await;
        return (failure, Ended::Kept);
    }
    let to = before.image(spec);
    ctx.events
        .note(format!("failed: {head}; going back to {to}"))
        .await;
    let applied = cluster.clock().await;
    let restored = restore::run(ctx, cluster, before, steps).await;
    if restored.stopped {
        let back = say::command("rollback", cluster, before, spec);
        let stopped = say::stopped(&restored, &to, &back);
        return (say::first(stopped, failure), Ended::Kept);
    }
    if !restored.refused.is_empty() {
        let broken = say::refused(cluster, before, spec, &restored);
        return (say::first(broken, failure), Ended::Kept);
    }
    match serve_again(ctx, spec, cluster, before, &restored.targets, applied).await {
        Ok(answers) => {
            ctx.events
                .note(format!("rolled back to {to}, which {answers}"))
                .await;
            ctx.events.produced(RolledBack { to: to.clone() }).await;
            let failure =
                failure.also(format!("; rolled back to {}, which {answers}", quoted(&to)));
            (
                failure.evidence(restored.left.iter().map(|left| format!("left: {left}"))),
                Ended::RolledBack,
            )
        }
        Err(why) if ctx.cancel.is_cancelled() => {
            let status = say::command("status", cluster, before, spec);
            let stopped = say::interrupted(&restored, &to, &why, &status);
            (say::first(stopped, failure), Ended::Kept)
        }
        Err(why) => {
            let broken = say::not_serving(cluster, &restored, &to, &why);
            let findings = [vec![broken], failure.into_findings(), why.into_findings()];
            let all = findings.into_iter().flatten().collect();
            let fallback = || Failure::new(Code::RollbackFailed, Code::RollbackFailed.title());
            (Failure::all(all).unwrap_or_else(fallback), Ended::Kept)
        }
    }
}

/// Waits for what was put back with the same rules as for a deployment, and asks it when there is a path to ask.
async fn serve_again(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    before: &Before,
    targets: &[Target],
    applied: Timestamp,
) -> Outcome<String> {
    let waited = Waited {
        targets,
        objects: &before.objects(),
        applied,
        deadline: spec.deadline,
        tolerate: &spec.tolerate,
        bundle: bundle::ROLLBACK,
    };
    wait(ctx, cluster, &waited).await?;
    match spec.health_path.as_deref().filter(|_| before.answered) {
        Some(path) => {
            answer::healthy(ctx, cluster, &before.written(cluster), path, spec.port).await
        }
        None if targets.is_empty() => Ok("is as it was".to_owned()),
        None => Ok("answers: its pods are ready".to_owned()),
    }
}
