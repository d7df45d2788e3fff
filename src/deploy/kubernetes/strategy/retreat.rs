//! What happens to a trial that does not take over, and how a promotion that fails half-way is taken back.

use std::time::Duration;

use super::super::attempt::Attempt;
use super::super::undo::{self, Ended};
use super::{Staged, Trial, Way, route, trial};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::failure::Failure;
use crate::plan::{KubernetesSpec, OnFailure, OnFirstFailure};

/// How long cleaning up may take when the run is told to stop: together with all else less than 5 s.
const CANCELLED: Duration = Duration::from_millis(3_500);

/// Takes a trial away that did not start or did not verify. Production was never touched.
pub(in crate::deploy::kubernetes) async fn abandon(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    staged: &Staged,
    failure: Failure,
) -> (Failure, Ended) {
    let trial = &staged.trial;
    let cancelled = ctx.cancel.is_cancelled();
    // A rollout that failed has its evidence already.
    let failure = if !cancelled && failure.code().exit() == Code::VerifyHealth.exit() {
        failure.evidence(trial::log(cluster, &trial.object).await)
    } else {
        failure
    };
    let mut told = vec![away(spec, cluster, trial, cancelled).await];
    told.push(match &trial.live {
        Some(live) => format!("`{live}` serves as before"),
        None => "nothing was live before".to_owned(),
    });
    let takes_back = match trial.live {
        _ if cancelled => false,
        Some(_) => spec.on_failure == OnFailure::Rollback,
        None => spec.on_first_failure == OnFirstFailure::Remove,
    };
    let mut what = told.join(", ");
    if !(takes_back || staged.touched.is_empty()) {
        let left = staged.touched.join(", ");
        what.push_str(&format!("; what this run applied of {left} stays"));
    }
    ctx.events.note(what.clone()).await;
    if cancelled {
        let message = format!("stopped before the new version took over: {what}");
        let help = if staged.touched.is_empty() {
            "run again"
        } else {
            "run again, or go back with `ml-deploy rollback`"
        };
        let stopped = Failure::new(Code::Interrupted, message).help(help);
        return (stopped, Ended::Untouched);
    }
    let failure = failure.also(format!("; {what}"));
    if takes_back && !staged.touched.is_empty() {
        let (failure, undone) =
            undo::undo(ctx, spec, cluster, &staged.configuration, failure).await;
        return (failure, ended(spec, trial, undone));
    }
    (failure, ended(spec, trial, Ended::Untouched))
}

/// How it ended for the record: a trial that is gone leaves what was there before.
fn ended(spec: &KubernetesSpec, trial: &Trial, undone: Ended) -> Ended {
    match (undone, &trial.live) {
        (Ended::Kept, _) => Ended::Kept,
        (_, Some(_)) => Ended::RolledBack,
        (_, None) if spec.on_first_failure == OnFirstFailure::Remove => Ended::Removed,
        (_, None) => Ended::Kept,
    }
}

/// Undoes a promotion that failed half-way.
pub(super) async fn revert(
    ctx: &Context,
    spec: &KubernetesSpec,
    attempt: &Attempt,
    staged: &Staged,
    failure: Failure,
) -> (Failure, Ended) {
    let (cluster, trial) = (&attempt.cluster, &staged.trial);
    if ctx.cancel.is_cancelled() {
        let failure = stopped(cluster, trial, failure).await;
        return (failure, Ended::Kept);
    }
    if spec.on_failure == OnFailure::Keep && trial.way == Way::BlueGreen {
        let leads = leads(cluster, trial, false).await;
        let kept = format!("; everything is left as it is (`on-failure: keep`): {leads}");
        return (failure.also(kept), Ended::Kept);
    }
    // First of all production, then the rest.
    if trial.way == Way::Canary {
        let (failure, undone) = undo::undo(ctx, spec, cluster, &attempt.before, failure).await;
        let what = away(spec, cluster, trial, ctx.cancel.is_cancelled()).await;
        ctx.events.note(what.clone()).await;
        return (failure.also(format!("; {what}")), undone);
    }
    let back = route::lead_back(cluster, trial).await;
    let mut what = away(spec, cluster, trial, false).await;
    if let Err(why) = back {
        what = format!("{what}, the Service could not be led back: {why}");
    }
    ctx.events.note(what.clone()).await;
    let failure = failure.also(format!("; {what}"));
    let (failure, undone) = undo::undo(ctx, spec, cluster, &attempt.before, failure).await;
    (failure, ended(spec, trial, undone))
}

/// A cancel during the promotion: no rollback is begun, and it is said what is live.
async fn stopped(cluster: &Cluster, trial: &Trial, failure: Failure) -> Failure {
    let what = match trial.way {
        // The promotion goes on by itself in the cluster; a canary beside it would stay for ever.
        Way::Canary => cleared(cluster, trial).await,
        Way::BlueGreen => {
            let leads = leads(cluster, trial, true).await;
            format!("{leads}; the other version still runs, run again to finish")
        }
    };
    failure.also(format!("; {what}"))
}

/// Which version gets the requests, in words.
async fn leads(cluster: &Cluster, trial: &Trial, cancelled: bool) -> String {
    let read = within(cancelled, route::leads(cluster, trial)).await;
    read.unwrap_or_else(|why| {
        format!("which version the Service leads to could not be read: {why}")
    })
}

/// Removes the trial, or keeps it where that was asked for and nobody is sent to it. Says what was done.
async fn away(spec: &KubernetesSpec, cluster: &Cluster, trial: &Trial, cancelled: bool) -> String {
    // A plain Service would lead to what is kept.
    let coloured = trial.routes.iter().all(|route| route.colour().is_some());
    let kept = match (trial.way, &trial.live) {
        // Its pods would go on answering a share of the requests.
        (Way::Canary, _) => false,
        _ if cancelled => false,
        (Way::BlueGreen, Some(_)) => coloured && spec.on_failure == OnFailure::Keep,
        (Way::BlueGreen, None) => spec.on_first_failure != OnFirstFailure::Remove,
    };
    let what = if !kept {
        cleared_within(cluster, trial, cancelled).await
    } else if trial.live.is_none() && spec.on_first_failure == OnFirstFailure::ScaleDown {
        match trial::stop(cluster, &trial.object, &trial.object.name).await {
            Ok(()) => format!("{} is scaled to 0", trial.label()),
            Err(error) => format!("{} could not be scaled to 0: {error}", trial.label()),
        }
    } else {
        format!("{} is kept to be looked at", trial.label())
    };
    let routes = within(cancelled, route::restore(cluster, &trial.routes)).await;
    match routes {
        Ok(()) => what,
        Err(why) => format!("{what}, the Service's selector could not be put back: {why}"),
    }
}

async fn cleared(cluster: &Cluster, trial: &Trial) -> String {
    cleared_within(cluster, trial, true).await
}

async fn cleared_within(cluster: &Cluster, trial: &Trial, cancelled: bool) -> String {
    match within(cancelled, trial::remove(cluster, &trial.object)).await {
        Ok(true) => format!("{} is removed", trial.label()),
        Ok(false) => format!("{} was not made", trial.label()),
        Err(why) => format!(
            "{} could not be seen to go ({why}); if it is still there, remove it with `kubectl -n {} delete deployment {}`",
            trial.label(),
            trial::namespace(cluster, &trial.object),
            trial.object.name
        ),
    }
}

/// Waits shorter when the run is told to stop.
async fn within<T>(
    cancelled: bool,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    if !cancelled {
        return work.await;
    }
    let half = CANCELLED / 2;
    tokio::time::timeout(half, work)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} ms", half.as_millis())))
}
