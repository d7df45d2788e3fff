//! Strategies that stand a new version beside the old one before it takes over: a second workload, the trial, is verified
//! by itself and then promoted or removed. What both strategies have in common, readable top to bottom.

mod blue_green;
mod canary;
mod check;
mod leftover;
mod retreat;
mod route;
mod shared;
mod trial;

pub(super) use check::check;
pub(super) use retreat::abandon;

use self::route::Route;
use super::apply::{Kinds, is_configuration};
use super::manifest::Object;
use super::undo::Before;
use super::{Rollout, apply_all, apply_and_wait};
use crate::artifact::Deployment;
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::{KubernetesSpec, Strategy};

/// How the trial takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Canary,
    BlueGreen,
}

/// The second workload.
#[derive(Debug)]
struct Trial {
    way: Way,
    object: Object,
    /// `Deployment/name` that serves until then; `None` when nothing does.
    live: Option<String>,
    /// Services to be switched, as they were.
    routes: Vec<Route>,
}

impl Trial {
    /// What it is called in sentences.
    fn label(&self) -> String {
        format!("`{}`", self.object.label())
    }
}

/// A new version beside the old one, and what everything becomes when it is promoted.
#[derive(Debug)]
pub(super) struct Staged {
    trial: Trial,
    objects: Vec<Object>,
    kinds: Kinds,
    /// Configuration as it was, which both versions read.
    configuration: Before,
    /// Whether configuration was changed.
    changed: bool,
}

impl Staged {
    /// What verification looks at: the trial's pods and no others.
    pub(super) fn judged(&self, whole: &Deployment) -> Deployment {
        let trial = self.trial.object.label();
        // Services tell which port answers; nothing is asked through them.
        let services = whole
            .objects
            .iter()
            .filter(|label| label.starts_with("Service/"));
        Deployment {
            objects: std::iter::once(&trial).chain(services).cloned().collect(),
            direct: true,
            ..whole.clone()
        }
    }
}

/// What is to be snapshotted: everything that will be changed and stays, so not a trial that is removed as a whole.
pub(super) fn lasting(staged: Option<&Staged>, objects: &[Object]) -> Vec<Object> {
    let trial = staged.map(|staged| staged.trial.object.label());
    let stays = |object: &&Object| Some(object.label()) != trial;
    objects.iter().filter(stays).cloned().collect()
}

/// The objects as preflight tries them.
pub(super) fn tried(spec: &KubernetesSpec, objects: &[Object]) -> Vec<Object> {
    match (spec.strategy, check::main(spec, objects)) {
        (Strategy::BlueGreen, Ok(main)) => blue_green::tried(main, objects.to_vec()),
        _ => objects.to_vec(),
    }
}

/// Decides what stands beside what; `None` for an ordinary rollout. Objects become what they are after the promotion.
pub(super) async fn stage(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    kinds: &Kinds,
    objects: &mut [Object],
) -> Outcome<Option<Staged>> {
    leftover::warn(ctx, spec, cluster, objects).await;
    let trial = match spec.strategy {
        Strategy::Rolling => return Ok(None),
        Strategy::Canary { percent } => canary::stage(ctx, spec, cluster, objects, percent).await?,
        Strategy::BlueGreen => Some(blue_green::stage(ctx, spec, cluster, kinds, objects).await?),
    };
    let Some(trial) = trial else {
        return Ok(None);
    };
    let there = shared::there(cluster, kinds, objects).await;
    Ok(Some(Staged {
        trial,
        objects: objects.to_vec(),
        kinds: kinds.clone(),
        configuration: Before::snapshot(ctx, spec, cluster, kinds, &there).await?,
        changed: false,
    }))
}

/// Makes the trial and waits until its pods serve.
pub(super) async fn begin(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    staged: &mut Staged,
) -> Outcome<()> {
    let configuration: Vec<Object> = staged
        .objects
        .iter()
        .filter(|object| is_configuration(&object.kind))
        .cloned()
        .collect();
    let kinds = &staged.kinds;
    let before = shared::contents(cluster, kinds, &configuration).await;
    apply_all(ctx, spec, cluster, kinds.clone(), &configuration).await?;
    let after = shared::contents(cluster, kinds, &configuration).await;
    let changed = shared::changed(&configuration, &before, &after);
    staged.changed = !changed.is_empty();
    if staged.trial.live.is_some()
        && let Some(warning) = shared::warning(&changed)
    {
        ctx.events.diagnosed(warning).await;
    }
    let trial = &staged.trial;
    if trial.way == Way::BlueGreen {
        route::pin(cluster, trial).await?;
    }
    let object = std::slice::from_ref(&trial.object);
    apply_and_wait(ctx, spec, cluster, kinds.clone(), object).await
}

/// Lets a verified trial take over, and removes what it replaced. What fails is undone here.
pub(super) async fn finish(
    ctx: &Context,
    spec: &KubernetesSpec,
    rollout: &Rollout,
    staged: &Staged,
    recheck: impl AsyncFnOnce(&Deployment) -> Outcome<()>,
) -> Outcome<()> {
    let (cluster, trial) = (&rollout.cluster, &staged.trial);
    if ctx.cancel.is_cancelled() {
        let stop = Failure::new(Code::Interrupted, "stopped before the promotion");
        return Err(abandon(ctx, spec, cluster, staged, stop).await.0);
    }
    let promote = async {
        ctx.events
            .note(format!("{} is verified and takes over", trial.label()))
            .await;
        apply_and_wait(ctx, spec, cluster, staged.kinds.clone(), &staged.objects).await?;
        if trial.way == Way::BlueGreen {
            route::settled(ctx, cluster, trial).await?;
        }
        recheck(&rollout.deployment).await
    };
    if let Err(failure) = promote.await {
        return Err(retreat::revert(ctx, spec, rollout, staged, failure).await);
    }
    let done = match (trial.way, &trial.live) {
        (Way::Canary, _) => trial::remove(cluster, &trial.object)
            .await
            .map(|_| format!("{} is removed", trial.label())),
        (Way::BlueGreen, Some(live)) => {
            let name = live.trim_start_matches("Deployment/");
            trial::stop(cluster, &trial.object, name)
                .await
                .map(|()| format!("`{live}` is scaled to 0 and kept: to go back at once, scale it up and give the Service its former selector"))
                .map_err(|error| error.to_string())
        }
        (Way::BlueGreen, None) => Ok(format!("{} serves", trial.label())),
    };
    ctx.events.produced(rollout.deployment.clone()).await;
    match done {
        Ok(what) => {
            ctx.events.note(what).await;
            Ok(())
        }
        Err(why) => {
            let left = match trial.way {
                Way::Canary => &trial.object.name,
                Way::BlueGreen => trial.live.as_ref().unwrap_or(&trial.object.name),
            };
            let message =
                format!("the new version serves, but `{left}` could not be taken away: {why}");
            Err(Failure::new(Code::ApplyFailed, message))
        }
    }
}

/// The objects as they are live, for a check without a deployment.
pub(super) async fn rename(
    spec: &KubernetesSpec,
    cluster: &Cluster,
    objects: &mut [Object],
) -> Outcome<()> {
    match spec.strategy {
        Strategy::BlueGreen => blue_green::rename(spec, cluster, objects).await,
        Strategy::Rolling | Strategy::Canary { .. } => Ok(()),
    }
}
