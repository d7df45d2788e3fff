//! The Kubernetes target, readable top to bottom: load, pin the image, apply, wait until the newest revision serves.

mod apply;
mod attempt;
mod bundle;
mod colour;
mod diagnose;
mod diff;
mod fields;
mod go_live;
mod hidden;
mod history;
mod image;
mod manifest;
mod open;
mod preflight;
mod prepare;
mod prune;
mod record;
mod reject;
mod rollback;
mod rollout;
mod secret;
mod serving;
mod status;
mod strategy;
mod trace;
mod tree;
mod undo;
mod wait;

pub(crate) use bundle::explain;
pub(crate) use preflight::{launch, measured, on_paper, preflight};
pub(crate) use serving::serving;
pub(crate) use status::status;
pub(crate) use trace::{recorded, served};

use self::apply::Kinds;
use self::attempt::Attempt;
use self::go_live::apply_and_wait;
use self::manifest::Object;
use self::open::{all, connect, load};
use self::prepare::{marks, prepare};
use self::record::Release;
use self::strategy::Staged;
use self::undo::Before;
use crate::artifact::{Deployment, Pushed};
use crate::cluster::Cluster;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// The rules by which rollouts are judged, as data.
pub(crate) fn rules() -> serde_json::Value {
    rollout::table()
}

/// A deployment that serves, but is not final: verification decides whether it is finished or undone.
#[derive(Debug)]
pub(crate) struct Rollout {
    attempt: Attempt,
    /// With a strategy that tries the new version beside the old one.
    staged: Option<Staged>,
}

impl Rollout {
    /// What is to be verified.
    pub(crate) fn deployment(&self) -> &Deployment {
        &self.attempt.deployment
    }

    /// What verification is to judge: as long as a new version stands beside the old one, that one alone.
    pub(crate) fn judged(&self) -> Deployment {
        match &self.staged {
            Some(staged) => staged.judged(self.deployment()),
            None => self.deployment().clone(),
        }
    }
}

/// Applies the manifests and waits until what they ask for is what serves. A rollout that fails is undone here.
///
/// # Errors
/// What the API server refuses, a rollout that cannot succeed, the deadline, or a cancel, which never starts a rollback.
pub(crate) async fn run(
    ctx: &Context,
    spec: &KubernetesSpec,
    image: Option<&Pushed>,
    run_id: Option<&str>,
) -> Outcome<Rollout> {
    let mut objects = load(ctx, spec)?;
    let cluster = connect(spec, &objects).await?;
    let reference = image.map(Pushed::reference);
    let marks = marks(spec, image, run_id);
    prepare(&mut objects, spec, reference.as_deref(), &marks)?;
    let release = Release {
        image: reference,
        digest: image.map(|image| image.digest.clone()),
        commit: spec.commit.clone(),
        run_id: run_id.map(str::to_owned),
        run_url: ctx.run_url.clone(),
        ..Release::default()
    };
    roll_out(ctx, spec, cluster, objects, release).await
}

/// Goes back to the last verified deployment before the live one, as it was applied then.
///
/// # Errors
/// `RevisionMissing` when there is none; else as `run`.
pub(crate) async fn rollback(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Rollout> {
    let (cluster, objects, release) = rollback::choose(ctx, spec).await?;
    // Whoever changed the fields since is the reason to go back.
    let spec = KubernetesSpec {
        force_conflicts: true,
        strategy: strategy::back(&objects),
        ..spec.clone()
    };
    roll_out(ctx, &spec, cluster, objects, release).await
}

/// Applies objects that are ready for it, waits, and undoes what fails.
async fn roll_out(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: Cluster,
    mut objects: Vec<Object>,
    mut release: Release,
) -> Outcome<Rollout> {
    let kinds = Kinds::discover(&cluster.client, &objects)
        .await
        .map_err(all)?;
    hidden::announce(ctx, &objects).await;
    let staged = strategy::stage(ctx, spec, &cluster, &kinds, &mut objects).await?;
    let lasting = strategy::lasting(&cluster, staged.as_ref(), &objects);
    let before = Before::snapshot(ctx, spec, &cluster, &kinds, &lasting).await?;
    release.containers = record::containers(&cluster.namespace, &objects);
    if release.image.is_none() {
        release.image = release.containers.first().map(|first| first.image.clone());
    }
    let deployment = describe(&cluster, &objects, release.image.clone());
    let attempt = Attempt {
        deployment,
        cluster,
        objects,
        before,
        release,
        applied: Vec::new(),
    };
    let mut rollout = Rollout { attempt, staged };
    let Attempt {
        cluster, objects, ..
    } = &rollout.attempt;
    let done = async {
        match rollout.staged.as_mut() {
            Some(staged) => strategy::begin(ctx, spec, cluster, staged)
                .await
                .map(|()| Vec::new()),
            None => apply_and_wait(ctx, spec, cluster, kinds, objects).await,
        }
    };
    match done.await {
        Ok(applied) => {
            rollout.attempt.applied = applied;
            if rollout.staged.is_none() {
                ctx.events.produced(rollout.deployment().clone()).await;
            }
            Ok(rollout)
        }
        Err(failure) => Err(undo(ctx, spec, &rollout, failure).await),
    }
}

/// Makes a verified rollout final: records it, and prunes what it no longer lists. `recheck` verifies what a staged one has
/// become, through its Service.
///
/// # Errors
/// What the API server refuses, a promotion that fails, or what `recheck` finds.
pub(crate) async fn finish(
    ctx: &Context,
    spec: &KubernetesSpec,
    rollout: Rollout,
    recheck: impl AsyncFnOnce(&Deployment) -> Outcome<()>,
) -> Outcome<()> {
    let Rollout { attempt, staged } = &rollout;
    if let Some(staged) = staged
        && let Err((failure, ended)) = strategy::finish(ctx, spec, attempt, staged, recheck).await
    {
        history::fail(ctx, spec, attempt, &failure, ended).await;
        return Err(failure);
    }
    history::succeed(ctx, spec, attempt).await;
    Ok(())
}

/// Puts back what was live before, unless the inputs or a cancel forbid it. Returns the failure with what was done about it.
pub(crate) async fn undo(
    ctx: &Context,
    spec: &KubernetesSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    let Rollout { attempt, staged } = rollout;
    let Attempt {
        cluster, before, ..
    } = attempt;
    if let Some(staged) = staged {
        let (failure, ended) = strategy::abandon(ctx, spec, cluster, staged, failure).await;
        history::fail(ctx, spec, attempt, &failure, ended).await;
        return failure;
    }
    if ctx.cancel.is_cancelled() {
        return undo::cancelled(cluster, before, spec, failure);
    }
    let (failure, ended) = undo::undo(ctx, spec, cluster, before, failure).await;
    if ended == undo::Ended::RolledBack {
        let live = Deployment {
            image: Some(before.image(spec)),
            containers: Vec::new(),
            ..attempt.deployment.clone()
        };
        ctx.events.produced(live).await;
    }
    history::fail(ctx, spec, attempt, &failure, ended).await;
    failure
}

/// What the manifests name, as a deployment that is already there: for a check of what is live without deploying.
pub(crate) async fn live(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Deployment> {
    let mut objects = load(ctx, spec)?;
    let cluster = connect(spec, &objects).await?;
    strategy::rename(spec, &cluster, &mut objects).await?;
    let mut deployment = describe(&cluster, &objects, None);
    // What the manifests name as our image is only a placeholder for what was pushed.
    if let Some(repository) = &spec.repository {
        deployment.containers.retain(|container| {
            let parsed = container.image.parse::<crate::registry::Reference>().ok();
            !parsed.is_some_and(|parsed| parsed.same_repository(repository))
        });
    }
    Ok(deployment)
}

fn describe(cluster: &Cluster, objects: &[Object], image: Option<String>) -> Deployment {
    let own = cluster.namespace.as_str();
    let named = |object: &Object| {
        let namespace = object.namespace.as_deref();
        crate::cluster::written(&object.kind, &object.name, namespace, own)
    };
    Deployment {
        target: "kubernetes".to_owned(),
        objects: objects.iter().map(named).collect(),
        endpoint: None,
        image,
        namespace: Some(cluster.namespace.clone()),
        direct: false,
        containers: record::containers(&cluster.namespace, objects),
    }
}
