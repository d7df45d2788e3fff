//! Strategies that stand a new version beside the old one before it takes over: a second workload, the trial, is verified
//! by itself and then promoted or removed. What both strategies have in common, readable top to bottom.

mod blue_green;
mod canary;
mod check;
mod leftover;
mod retreat;
mod route;
mod shared;
mod suffix;
mod trial;

pub(super) use check::check;
pub(super) use retreat::abandon;

use serde_json::{Value, json};

use self::route::Route;
use super::apply::{Kinds, is_configuration};
use super::attempt::Attempt;
use super::colour::{self, colour, plain_name};
use super::go_live::{apply_all, apply_and_wait};
use super::manifest::{self, Object};
use super::record;
use super::undo::{Before, Ended};
use crate::artifact::Deployment;
use crate::cluster::{Cluster, written};
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

    /// The objects and what serves until then: a snapshot with it knows that there is something to go back to.
    fn with_live(&self, cluster: &Cluster, mut objects: Vec<Object>) -> Vec<Object> {
        let Some(live) = &self.live else {
            return objects;
        };
        if objects.iter().any(|object| object.label() == *live) {
            return objects;
        }
        let name = live.trim_start_matches("Deployment/");
        let colour = name.strip_prefix(&format!("{}-", plain_name(&self.object)));
        let labels = colour.map(|value| json!({colour::LABEL: value}));
        let value = json!({
            "apiVersion": self.object.api_version,
            "kind": "Deployment",
            "metadata": {
                "name": name,
                "namespace": trial::namespace(cluster, &self.object),
            },
            // Its name without the colour is that of the record.
            "spec": {"template": {"metadata": {"labels": labels}}},
        });
        objects.extend(manifest::parse("live", &value.to_string()).unwrap_or_default());
        objects
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
    /// What of it was changed or made.
    touched: Vec<String>,
}

impl Staged {
    /// What verification looks at: the trial's pods and no others.
    pub(super) fn judged(&self, whole: &Deployment) -> Deployment {
        let own = whole.namespace.as_deref().unwrap_or_default();
        let trial = &self.trial.object;
        let written = written(&trial.kind, &trial.name, trial.namespace.as_deref(), own);
        // Services tell which port answers; nothing is asked through them.
        let services = whole
            .objects
            .iter()
            .filter(|label| label.starts_with("Service/"));
        Deployment {
            containers: record::containers(own, std::slice::from_ref(trial)),
            objects: std::iter::once(&written).chain(services).cloned().collect(),
            direct: true,
            ..whole.clone()
        }
    }
}

/// What is to be snapshotted: everything that will be changed and stays, so not a trial that is removed as a whole, and
/// what serves until then.
pub(super) fn lasting(
    cluster: &Cluster,
    staged: Option<&Staged>,
    objects: &[Object],
) -> Vec<Object> {
    let Some(staged) = staged else {
        return objects.to_vec();
    };
    let trial = staged.trial.object.label();
    let stays = objects.iter().filter(|object| object.label() != trial);
    staged.trial.with_live(cluster, stays.cloned().collect())
}

/// How recorded objects come back: those of a colour stand beside the other one first, all others are rolled out.
pub(super) fn back(objects: &[Object]) -> Strategy {
    if objects.iter().any(|object| colour(object).is_some()) {
        Strategy::BlueGreen
    } else {
        Strategy::Rolling
    }
}

/// Whether a live object is a second workload of a strategy that keeps it.
pub(super) fn keeps(spec: &KubernetesSpec, live: &Value) -> bool {
    let labels = live.pointer("/metadata/labels");
    spec.strategy == Strategy::BlueGreen
        && labels.is_some_and(|labels| labels.get(colour::LABEL).is_some())
}

/// Names of the workloads that the strategy makes or removes beside this one, which is as preflight tries it.
pub(super) fn second(spec: &KubernetesSpec, objects: &[Object], object: &Object) -> Vec<String> {
    let suffixes = suffix::of(spec.strategy);
    match check::main(spec, objects) {
        Ok(main) if main.label() == object.label() => suffixes
            .iter()
            .map(|suffix| format!("{}-{suffix}", plain_name(object)))
            .filter(|name| *name != object.name)
            .collect(),
        _ => Vec::new(),
    }
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
        Strategy::BlueGreen => blue_green::stage(ctx, spec, cluster, kinds, objects).await?,
    };
    let Some(trial) = trial else {
        return Ok(None);
    };
    let configuration = trial.with_live(cluster, configuration(objects));
    Ok(Some(Staged {
        trial,
        objects: objects.to_vec(),
        kinds: kinds.clone(),
        configuration: Before::snapshot(ctx, spec, cluster, kinds, &configuration).await?,
        touched: Vec::new(),
    }))
}

/// What is there before the trial, and read by both versions.
fn configuration(objects: &[Object]) -> Vec<Object> {
    let chosen = objects
        .iter()
        .filter(|object| is_configuration(&object.kind));
    chosen.cloned().collect()
}

/// Makes the trial and waits until its pods serve.
pub(super) async fn begin(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    staged: &mut Staged,
) -> Outcome<()> {
    let configuration = configuration(&staged.objects);
    let kinds = &staged.kinds;
    let before = shared::contents(cluster, kinds, &configuration).await;
    let applied = apply_all(ctx, spec, cluster, kinds.clone(), &configuration).await;
    let after = shared::contents(cluster, kinds, &configuration).await;
    // What was applied before one was refused has to be put back too.
    staged.touched = shared::touched(&configuration, &before, &after);
    applied?;
    let changed = shared::changed(&configuration, &before, &after);
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
    apply_and_wait(ctx, spec, cluster, kinds.clone(), object)
        .await
        .map(drop)
}

/// Lets a verified trial take over, and removes what it replaced. What fails is undone here.
pub(super) async fn finish(
    ctx: &Context,
    spec: &KubernetesSpec,
    attempt: &Attempt,
    staged: &Staged,
    recheck: impl AsyncFnOnce(&Deployment) -> Outcome<()>,
) -> Result<(), (Failure, Ended)> {
    let (cluster, trial) = (&attempt.cluster, &staged.trial);
    if ctx.cancel.is_cancelled() {
        let stop = Failure::new(Code::Interrupted, "stopped before the promotion");
        return Err(abandon(ctx, spec, cluster, staged, stop).await);
    }
    let promote = async {
        ctx.events
            .note(format!("{} is verified and takes over", trial.label()))
            .await;
        apply_and_wait(ctx, spec, cluster, staged.kinds.clone(), &staged.objects).await?;
        if trial.way == Way::BlueGreen {
            route::settled(ctx, cluster, trial).await?;
        }
        recheck(&attempt.deployment).await
    };
    if let Err(failure) = promote.await {
        return Err(retreat::revert(ctx, spec, attempt, staged, failure).await);
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
    ctx.events.produced(attempt.deployment.clone()).await;
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
            Err((Failure::new(Code::ApplyFailed, message), Ended::Kept))
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
