//! The Kubernetes target, readable top to bottom: load, pin the image, apply, wait until the newest revision serves.

mod apply;
mod bundle;
mod diagnose;
mod diff;
mod history;
mod image;
mod manifest;
mod preflight;
mod prune;
mod record;
mod reject;
mod rollback;
mod rollout;
mod secret;
mod serving;
mod status;
mod strategy;
mod tree;
mod undo;

use std::time::Duration;

pub(crate) use bundle::explain;
pub(crate) use preflight::{launch, measured, on_paper, preflight};
pub(crate) use serving::serving;
pub(crate) use status::status;

use self::apply::Kinds;
use self::manifest::Object;
use self::record::Release;
use self::rollout::{Target, Waited};
use self::strategy::Staged;
use self::undo::Before;
use crate::artifact::{Deployment, Pushed};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// The rules by which rollouts are judged, as data.
pub(crate) fn rules() -> serde_json::Value {
    rollout::table()
}

/// A deployment that serves, but is not final: verification decides whether it is finished or undone.
#[derive(Debug)]
pub(crate) struct Rollout {
    /// What is to be verified.
    pub(crate) deployment: Deployment,
    cluster: Cluster,
    objects: Vec<Object>,
    before: Before,
    release: Release,
    /// With a strategy that tries the new version beside the old one.
    staged: Option<Staged>,
}

impl Rollout {
    /// What verification is to judge: as long as a new version stands beside the old one, that one alone.
    pub(crate) fn judged(&self) -> Deployment {
        match &self.staged {
            Some(staged) => staged.judged(&self.deployment),
            None => self.deployment.clone(),
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
    for secret in diagnose::secrets(&objects) {
        ctx.events.mask(&secret).await;
    }
    let staged = strategy::stage(ctx, spec, &cluster, &kinds, &mut objects).await?;
    let lasting = strategy::lasting(&cluster, staged.as_ref(), &objects);
    let before = Before::snapshot(ctx, spec, &cluster, &kinds, &lasting).await?;
    release.containers = record::containers(&cluster.namespace, &objects);
    if release.image.is_none() {
        release.image = release.containers.first().map(|first| first.image.clone());
    }
    let deployment = describe(&cluster, &objects, release.image.clone());
    let mut rollout = Rollout {
        deployment,
        cluster,
        objects,
        before,
        release,
        staged,
    };
    let done = async {
        match rollout.staged.as_mut() {
            Some(staged) => strategy::begin(ctx, spec, &rollout.cluster, staged).await,
            None => apply_and_wait(ctx, spec, &rollout.cluster, kinds, &rollout.objects).await,
        }
    };
    match done.await {
        Ok(()) => {
            if rollout.staged.is_none() {
                ctx.events.produced(rollout.deployment.clone()).await;
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
    if let Some(staged) = &rollout.staged
        && let Err((failure, ended)) = strategy::finish(ctx, spec, &rollout, staged, recheck).await
    {
        history::fail(ctx, spec, &rollout, &failure, ended).await;
        return Err(failure);
    }
    history::succeed(ctx, spec, &rollout).await;
    Ok(())
}

/// Puts back what was live before, unless the inputs or a cancel forbid it. Returns the failure with what was done about it.
pub(crate) async fn undo(
    ctx: &Context,
    spec: &KubernetesSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    if let Some(staged) = &rollout.staged {
        let cluster = &rollout.cluster;
        let (failure, ended) = strategy::abandon(ctx, spec, cluster, staged, failure).await;
        history::fail(ctx, spec, rollout, &failure, ended).await;
        return failure;
    }
    if ctx.cancel.is_cancelled() {
        return undo::cancelled(&rollout.cluster, &rollout.before, spec, failure);
    }
    let (failure, ended) = undo::undo(ctx, spec, &rollout.cluster, &rollout.before, failure).await;
    if ended == undo::Ended::RolledBack {
        let live = Deployment {
            image: Some(rollout.before.image(spec)),
            containers: Vec::new(),
            ..rollout.deployment.clone()
        };
        ctx.events.produced(live).await;
    }
    history::fail(ctx, spec, rollout, &failure, ended).await;
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

fn load(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Vec<Object>> {
    manifest::load(spec, &ctx.workspace).map_err(all)
}

async fn connect(spec: &KubernetesSpec, objects: &[Object]) -> Outcome<Cluster> {
    Cluster::connect(&spec.cluster, manifest::namespace(spec, objects).as_deref()).await
}

fn all(findings: Vec<Diagnostic>) -> Failure {
    Failure::all(findings)
        .unwrap_or_else(|| Failure::new(Code::ApplyFailed, "the API server gave no reason"))
}

/// Kinds whose pods are waited for.
fn is_workload(kind: &str) -> bool {
    matches!(
        kind,
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "Pod"
    )
}

/// What is written on every object: where it came from.
fn marks(
    spec: &KubernetesSpec,
    image: Option<&Pushed>,
    run_id: Option<&str>,
) -> Vec<(&'static str, String)> {
    let values = [
        ("ml-deploy/commit", spec.commit.clone()),
        ("ml-deploy/run-id", run_id.map(str::to_owned)),
        ("ml-deploy/digest", image.map(|image| image.digest.clone())),
    ];
    values
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// Puts image and annotations into the objects and orders them. While the image is not known its repository stands in.
fn prepare(
    objects: &mut [Object],
    spec: &KubernetesSpec,
    image: Option<&str>,
    marks: &[(&'static str, String)],
) -> Result<(), Diagnostic> {
    if let Some(repository) = &spec.repository {
        let standing_in = repository.to_string();
        image::substitute(objects, repository, image.unwrap_or(&standing_in))?;
    }
    // The digest alone goes on the pods: a new commit with the same image must not restart them.
    let on_pods: Vec<_> = marks
        .iter()
        .filter(|(key, _)| key.ends_with("/digest"))
        .cloned()
        .collect();
    for object in objects.iter_mut() {
        secret::encode(object);
        image::annotate(object, marks, &on_pods);
    }
    apply::order(objects);
    Ok(())
}

/// Applies everything in order and waits until it serves.
async fn apply_and_wait(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    kinds: Kinds,
    objects: &[Object],
) -> Outcome<()> {
    let applied = cluster.clock().await;
    let targets = apply_all(ctx, spec, cluster, kinds, objects).await?;
    let waited = Waited {
        targets: &targets,
        objects,
        applied,
        deadline: spec.deadline,
        tolerate: &spec.tolerate,
        bundle: bundle::ROLLOUT,
    };
    rollout::wait(ctx, cluster, &waited).await
}

/// Applies everything in order and returns what is to be waited for.
async fn apply_all(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    mut kinds: Kinds,
    objects: &[Object],
) -> Outcome<Vec<Target>> {
    let mut targets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        if ctx.cancel.is_cancelled() {
            let done = objects[..index]
                .iter()
                .map(|object| format!("{} is applied", object.label()));
            let message = format!(
                "stopped after {index} of {} objects were applied",
                objects.len()
            );
            return Err(Failure::new(Code::Interrupted, message).evidence(done));
        }
        if kinds.of(object).is_none() {
            kinds = established(cluster, objects, object).await?;
        }
        let Some(resource) = kinds.of(object) else {
            return Err(Failure::new(
                Code::ApplyFailed,
                format!(
                    "failed to apply `{}`: its definition is applied, but not served yet",
                    object.label()
                ),
            )
            .at(object.at("kind")));
        };
        let live = apply::apply_surely(ctx, cluster, resource, object, spec.force_conflicts)
            .await
            .map_err(all)?;
        ctx.events.note(format!("{} applied", object.label())).await;
        targets.push(Target::of(&live, resource.0, object.at("metadata.name")));
    }
    Ok(targets)
}

/// A definition that was just applied is served a moment later.
async fn established(cluster: &Cluster, objects: &[Object], object: &Object) -> Outcome<Kinds> {
    let mut kinds = Kinds::default();
    for _ in 0..20 {
        kinds = Kinds::discover(&cluster.client, objects)
            .await
            .map_err(all)?;
        if kinds.of(object).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(kinds)
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
