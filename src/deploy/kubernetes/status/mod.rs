//! What is live: which image really runs, from which commit and run, since when, and whether it is healthy and as recorded.
//! It reads and changes nothing.

mod drift;
mod health;
mod lines;

use self::drift::differences;
pub(super) use self::drift::drift;
use self::health::{images, ready, unhealthy};
pub(super) use self::lines::release;
use self::lines::{history, table};
use super::history::warn;
use super::manifest::is_workload;
use super::open::open;
use super::record::{self, Record, Release};
use crate::artifact::{Check, Deployment, Verification};
use crate::cluster::{Cluster, Standing, standing, written};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// Says what is live.
///
/// # Errors
/// `RevisionMissing` when nothing is known of the name, `VerifyHealth` when a workload is not healthy, and what the
/// access fails with.
pub(crate) async fn status(ctx: &Context, spec: &KubernetesSpec) -> Outcome<()> {
    let (cluster, name, objects) = open(ctx, spec).await?;
    let record = match record::read(&cluster, &name).await {
        Ok(stored) => stored.record,
        // With manifests it is known what to look at; the record would only say more.
        Err(failure) if !objects.is_empty() => {
            warn(ctx, failure).await;
            Record::default()
        }
        Err(failure) => return Err(failure),
    };
    let current = record.current.as_ref();
    let own = cluster.namespace.as_str();
    let mut workloads: Vec<String> = match current {
        Some(current) => {
            let items = current.objects.iter();
            items
                .map(|item| written(&item.kind, &item.name, item.namespace.as_deref(), own))
                .collect()
        }
        None => {
            let objects = objects.iter();
            objects
                .map(|one| written(&one.kind, &one.name, one.namespace.as_deref(), own))
                .collect()
        }
    };
    workloads.retain(|label| is_workload(label.split('/').next().unwrap_or_default()));
    if current.is_none() && objects.is_empty() {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!(
                "failed to say what is live: namespace `{}` has no record of a deployment `{name}`",
                cluster.namespace
            ),
        )
        .help("correct `deployment-name` or `namespace`, or give `manifests`"));
    }
    let standing = standing(&cluster, &cluster.namespace, &workloads).await?;
    for line in table(&standing, current) {
        ctx.events.note(line).await;
    }
    for line in history(&name, &record) {
        ctx.events.note(line).await;
    }
    let drift = current.map_or_else(Vec::new, |current| differences(&standing, current));
    for line in &drift {
        ctx.events.note(format!("drift     {line}")).await;
    }
    produce(ctx, &cluster, &standing, current).await;
    let sick = standing.iter().filter_map(unhealthy).collect();
    Failure::all(sick).map_or(Ok(()), Err)
}

/// What the reports show.
async fn produce(
    ctx: &Context,
    cluster: &Cluster,
    standing: &[Standing],
    current: Option<&Release>,
) {
    let deployment = Deployment {
        target: "kubernetes".to_owned(),
        objects: standing.iter().map(|one| one.object.clone()).collect(),
        endpoint: None,
        image: current.and_then(|current| current.image.clone()),
        namespace: Some(cluster.namespace.clone()),
        direct: false,
        containers: Vec::new(),
    };
    ctx.events.produced(deployment).await;
    let checks = standing.iter().map(|one| Check {
        name: one.object.clone(),
        passed: unhealthy(one).is_none(),
        detail: format!("{}, {}", ready(one), images(one).join(", ")),
    });
    let checks = checks.collect();
    ctx.events.produced(Verification { checks }).await;
}
