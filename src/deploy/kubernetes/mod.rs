//! The Kubernetes target, readable top to bottom: load, pin the image, apply, wait until the newest revision serves.

mod apply;
mod diagnose;
mod diff;
mod image;
mod manifest;
mod preflight;
mod reject;
mod rollout;
mod tree;
mod undo;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

pub(crate) use preflight::preflight;

use self::apply::Kinds;
use self::manifest::Object;
use self::rollout::Target;
use self::undo::Before;
use crate::artifact::{Deployment, Pushed};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// How far our clock may be ahead of the API server's.
const SKEW: SignedDuration = SignedDuration::from_secs(5);

/// A deployment that serves, but is not final: verification decides whether it is finished or undone.
#[derive(Debug)]
pub(crate) struct Rollout {
    /// What is to be verified.
    pub(crate) deployment: Deployment,
    cluster: Cluster,
    before: Before,
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
    let kinds = Kinds::discover(&cluster.client, &objects)
        .await
        .map_err(all)?;
    let before = Before::snapshot(&cluster, &kinds, &objects).await?;
    let applied = Timestamp::now().checked_sub(SKEW).unwrap_or(Timestamp::MIN);
    let deployment = describe(&cluster, &objects, reference);
    let rollout = Rollout {
        deployment,
        cluster,
        before,
    };
    let done = async {
        let targets = apply_all(ctx, spec, &rollout.cluster, kinds, &objects).await?;
        rollout::wait(ctx, &rollout.cluster, &targets, applied, spec.deadline).await
    };
    match done.await {
        Ok(()) => {
            ctx.events.produced(rollout.deployment.clone()).await;
            Ok(rollout)
        }
        Err(failure) => Err(undo(ctx, spec, &rollout, failure).await),
    }
}

/// Makes a verified rollout final.
///
/// # Errors
/// What the API server refuses.
pub(crate) async fn finish(
    _ctx: &Context,
    _spec: &KubernetesSpec,
    _rollout: Rollout,
) -> Outcome<()> {
    Ok(())
}

/// Puts back what was live before, unless the inputs or a cancel forbid it. Returns the failure with what was done about it.
pub(crate) async fn undo(
    ctx: &Context,
    spec: &KubernetesSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    if ctx.cancel.is_cancelled() {
        return failure;
    }
    undo::undo(ctx, spec, &rollout.cluster, &rollout.before, failure).await
}

/// What the manifests name, as a deployment that is already there: for a check of what is live without deploying.
pub(crate) async fn live(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Deployment> {
    let objects = load(ctx, spec)?;
    let cluster = connect(spec, &objects).await?;
    Ok(describe(&cluster, &objects, None))
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
        image::annotate(object, marks, &on_pods);
    }
    apply::order(objects);
    Ok(())
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
        if is_workload(&object.kind) {
            targets.push(Target {
                kind: object.kind.clone(),
                name: object.name.clone(),
                namespace: live.namespace().unwrap_or_default(),
                uid: live.uid().unwrap_or_default(),
                generation: live.metadata.generation.unwrap_or_default(),
                at: object.at("metadata.name"),
            });
        }
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
    Deployment {
        target: "kubernetes".to_owned(),
        objects: objects.iter().map(Object::label).collect(),
        endpoint: None,
        image,
        namespace: Some(cluster.namespace.clone()),
    }
}
