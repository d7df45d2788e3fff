//! Everything that serves in a namespace, with what its annotations say of where it came from. It reads and changes nothing.

use serde_json::Value;

use super::open::{connect, load};
use super::serving::running;
use super::{record, status};
use crate::artifact::{Served, ServedPod};
use crate::cluster::{Cluster, Standing, all_standing, is_ready, name_of};
use crate::context::Context;
use crate::failure::Outcome;
use crate::plan::KubernetesSpec;

/// The workloads of the namespace with all of their pods.
///
/// # Errors
/// What the access fails with.
pub(crate) async fn served(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Vec<Served>> {
    let cluster = open(ctx, spec).await?;
    let standing = all_standing(&cluster).await?;
    let place = format!("namespace {}", cluster.namespace);
    Ok(standing.iter().map(|one| of(one, &place)).collect())
}

/// What the record says of the deployment that has this image, in one line; `None` when it says nothing.
///
/// # Errors
/// What the access fails with.
pub(crate) async fn recorded(
    ctx: &Context,
    spec: &KubernetesSpec,
    object: &str,
    digest: Option<&str>,
) -> Outcome<Option<String>> {
    let cluster = open(ctx, spec).await?;
    let workload = object.split('/').next_back().unwrap_or_default();
    let name = spec.name.as_deref().unwrap_or(workload);
    let record = record::read(&cluster, name).await?.record;
    let releases = record.current.iter().chain(record.verified.iter().rev());
    let mut ours = releases.filter(|one| digest.is_none() || one.digest.as_deref() == digest);
    Ok(ours.next().map(status::release))
}

async fn open(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Cluster> {
    let objects = if spec.manifests.is_empty() {
        Vec::new()
    } else {
        load(ctx, spec)?
    };
    connect(spec, &objects).await
}

fn of(one: &Standing, place: &str) -> Served {
    let note = |key: &str| {
        let notes = one.workload.as_ref()?.pointer("/metadata/annotations")?;
        notes.get(key)?.as_str().map(str::to_owned)
    };
    let pod = |pod: &Value| ServedPod {
        name: name_of(pod).to_owned(),
        ready: is_ready(pod),
        images: running(pod, None),
    };
    Served {
        object: one.object.clone(),
        place: place.to_owned(),
        commit: note("ml-deploy/commit"),
        run_id: note("ml-deploy/run-id"),
        digest: note("ml-deploy/digest"),
        pods: one.pods.iter().map(pod).collect(),
    }
}
