//! Applies objects in their order and waits until they serve.

use std::time::Duration;

use super::apply::{self, Kinds};
use super::bundle;
use super::manifest::Object;
use super::open::all;
use super::rollout::Target;
use super::wait::{Waited, wait};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// Applies everything in order and waits until it serves. Returns what was applied.
pub(super) async fn apply_and_wait(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    kinds: Kinds,
    objects: &[Object],
) -> Outcome<Vec<Target>> {
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
    wait(ctx, cluster, &waited).await?;
    Ok(targets)
}

/// Applies everything in order and returns what is to be waited for.
pub(super) async fn apply_all(
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
