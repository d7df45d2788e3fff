//! A deployment that fails with nothing to go back to: left for inspection, scaled to zero or removed, as the inputs say.

use serde_json::Value;

use super::restore;
use super::step::Step;
use super::{Before, Ended, Was, get, reason, say};
use crate::cluster::Cluster;
use crate::context::Context;
use crate::deploy::kubernetes::apply::{Kinds, Manner, apply, transient};
use crate::deploy::kubernetes::fields;
use crate::deploy::kubernetes::manifest::{Object, is_workload};
use crate::failure::Failure;
use crate::plan::{KubernetesSpec, OnFirstFailure};

/// Does what `on-first-failure` says and tells it in the failure.
pub(super) async fn settle(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    before: &Before,
    steps: &[(usize, Step)],
    failure: Failure,
) -> (Failure, Ended) {
    let was_there = before
        .entries
        .iter()
        .any(|entry| is_workload(&entry.object.kind) && matches!(entry.was, Was::Live(_)));
    let why = if was_there {
        "what was live before did not serve either"
    } else {
        "nothing was live before"
    };
    let (done, ended) = match spec.on_first_failure {
        OnFirstFailure::Keep => ("what failed is left for inspection".to_owned(), Ended::Kept),
        OnFirstFailure::ScaleDown => (scale_down(ctx, cluster, before).await, Ended::Kept),
        OnFirstFailure::Remove => (remove(ctx, cluster, before, steps).await, Ended::Removed),
    };
    ctx.events.note(format!("{why}: {done}")).await;
    let failure = failure.also(format!("; {why}: {done}"));
    if ended == Ended::Removed {
        return (failure, ended);
    }
    (failure.evidence(say::inspection(cluster, before)), ended)
}

/// Takes back what this deployment made and changed.
async fn remove(
    ctx: &Context,
    cluster: &Cluster,
    before: &Before,
    steps: &[(usize, Step)],
) -> String {
    let restored = restore::run(ctx, cluster, before, steps.to_vec()).await;
    let mut said = if restored.stopped {
        format!("stopped before {} were removed", restored.open.join(", "))
    } else {
        "what this deployment made is removed".to_owned()
    };
    let refused = restored
        .refused
        .iter()
        .map(|(object, why)| format!("{}: {why}", object.label()));
    for left in restored.left.iter().cloned().chain(refused) {
        said.push_str(&format!("; {left}"));
    }
    said
}

/// Sets the replicas of what can be scaled to zero; the objects stay to be looked at.
async fn scale_down(ctx: &Context, cluster: &Cluster, before: &Before) -> String {
    let mut said = Vec::new();
    let workloads = before
        .entries
        .iter()
        .map(|entry| &entry.object)
        .filter(|object| is_workload(&object.kind));
    for object in workloads {
        let label = object.label();
        if !matches!(object.kind.as_str(), "Deployment" | "StatefulSet") {
            said.push(format!("{label} cannot be scaled and is left"));
            continue;
        }
        match to_zero(cluster, object).await {
            Ok(true) => {
                ctx.events.note(format!("{label} scaled to zero")).await;
                said.push(format!("{label} is scaled to zero"));
            }
            Ok(false) => {}
            Err(why) => said.push(format!("{label} could not be scaled to zero: {why}")),
        }
    }
    said.join(", ")
}

/// Applies what is ours once more, with no replicas: as the same manager, so that the next deployment meets no conflict.
async fn to_zero(cluster: &Cluster, object: &Object) -> Result<bool, String> {
    let kinds = Kinds::discover(&cluster.client, std::slice::from_ref(object))
        .await
        .unwrap_or_default();
    let Some(resource) = kinds.of(object) else {
        return Ok(false);
    };
    for left in (0..4).rev() {
        let Some(now) = get(cluster, &kinds, object).await.map_err(reason)? else {
            return Ok(false);
        };
        let Some(Value::Object(mut value)) = fields::extract(&now, &fields::ours(&now)) else {
            return Ok(false);
        };
        if !fields::has_ours(&now) {
            return Ok(false);
        }
        value.insert("apiVersion".to_owned(), object.api_version.as_str().into());
        value.insert("kind".to_owned(), object.kind.as_str().into());
        let mut value = Value::Object(value);
        value["metadata"]["name"] = object.name.as_str().into();
        value["spec"]["replicas"] = 0.into();
        let mut wanted = object.clone();
        wanted.value = value;
        let manner = Manner {
            dry_run: false,
            force: true,
        };
        match apply(cluster, resource, &wanted, manner).await {
            Ok(_) => return Ok(true),
            Err(error) if left > 0 && transient(&error) => {
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            Err(error) => return Err(reason(error)),
        }
    }
    Ok(false)
}
