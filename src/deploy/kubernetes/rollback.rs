//! Going back on purpose: which verified deployment, and its objects as they were applied then.

use serde_json::Value;

use super::apply::{Kinds, api};
use super::fields::other_owner;
use super::manifest::{self, Object};
use super::open::{all, open};
use super::record::{self, Release, Stored};
use super::status;
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// Chooses the deployment to go back to.
///
/// # Errors
/// `RevisionMissing` when there is none.
pub(super) async fn choose(
    ctx: &Context,
    spec: &KubernetesSpec,
) -> Outcome<(Cluster, Vec<Object>, Release)> {
    let (cluster, name, _) = open(ctx, spec).await?;
    let stored = record::read(&cluster, &name).await?;
    let place = format!("deployment `{name}` in namespace `{}`", cluster.namespace);
    if !stored.exists() {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!(
                "failed to go back: {place} has no record (Secret `{}`)",
                record::secret_name(&name)
            ),
        ));
    }
    let current = stored.record.current.as_ref();
    let drift = match current {
        Some(current) => status::drift(&cluster, current).await?,
        None => Vec::new(),
    };
    for line in &drift {
        ctx.events.note(format!("changed since: {line}")).await;
    }
    let chosen = stored.record.before(!drift.is_empty()).ok_or_else(|| {
        let live = current.map_or_else(String::new, |current| {
            format!(" before what is live (revision {})", current.number)
        });
        Failure::new(
            Code::RevisionMissing,
            format!("failed to go back: {place} has no verified deployment{live}"),
        )
    })?;
    let mut objects = objects(&stored, &name, chosen)?;
    for object in &mut objects {
        leave_replicas(&cluster, object).await;
    }
    ctx.events
        .note(format!("going back to {}", status::release(chosen)))
        .await;
    Ok((cluster, objects, chosen.clone()))
}

fn objects(stored: &Stored, name: &str, chosen: &Release) -> Outcome<Vec<Object>> {
    let number = chosen.number;
    let Some(text) = stored.manifests(number) else {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!("failed to go back: the manifests of revision {number} of `{name}` were too large to be kept"),
        )
        .help("check out its commit and run `ml-deploy deploy` with its image as `image-ref`"));
    };
    manifest::parse(
        &format!("{}/revision-{number}", record::secret_name(name)),
        text,
    )
    .map_err(all)
}

/// An autoscaler or a person may have taken over the number of replicas since; it stays theirs.
async fn leave_replicas(cluster: &Cluster, object: &mut Object) {
    if object.value.pointer("/spec/replicas").is_none() {
        return;
    }
    let kinds = Kinds::discover(&cluster.client, std::slice::from_ref(object)).await;
    let kinds = kinds.unwrap_or_default();
    let Some(resource) = kinds.of(object) else {
        return;
    };
    let Ok(Some(live)) = api(cluster, resource, object).get_opt(&object.name).await else {
        return;
    };
    let live = serde_json::to_value(live).unwrap_or_default();
    if other_owner(&live, &["f:spec", "f:replicas"]).is_some()
        && let Some(spec) = object.value.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.shift_remove("replicas");
    }
}
