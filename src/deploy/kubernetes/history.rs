//! Writes into the record how a deployment ended. A record that cannot be written never changes the deployment's result.

use jiff::Timestamp;

use super::apply::Kinds;
use super::attempt::Attempt;
use super::manifest::Object;
use super::prune::{self, inventory};
use super::record::{self, Failed, Item, Release, Stored};
use super::undo::Ended;
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Severity;
use crate::failure::Failure;
use crate::plan::KubernetesSpec;

/// A verified deployment: prunes what it no longer lists when that was asked for, and keeps its manifests.
pub(super) async fn succeed(ctx: &Context, spec: &KubernetesSpec, attempt: &Attempt) {
    let cluster = &attempt.cluster;
    let Some(name) = record::name(spec.name.as_deref(), &attempt.objects) else {
        return;
    };
    let earlier = match record::read(cluster, &name).await {
        Ok(stored) => stored,
        Err(failure) => return warn(ctx, failure).await,
    };
    let kinds = kinds(cluster, &attempt.objects).await;
    let mut items = items(attempt, &kinds).await;
    let left = prune::settle(ctx, spec, cluster, &earlier.record, &items).await;
    items.extend(left);
    let (manifests, at) = (record::manifests(&attempt.objects), now());
    let change = |stored: &mut Stored| {
        let number = stored.record.succeed(Release {
            at: at.clone(),
            objects: items.clone(),
            ..attempt.release.clone()
        });
        stored.keep(number, &manifests);
    };
    match record::change(cluster, &name, change).await {
        Ok(stored) => told(ctx, &name, &stored).await,
        Err(failure) => warn(ctx, failure).await,
    }
}

async fn told(ctx: &Context, name: &str, stored: &Stored) {
    let Some(current) = &stored.record.current else {
        return;
    };
    let number = current.number;
    let note = if stored.manifests(number).is_some() {
        format!("recorded as revision {number} of `{name}`")
    } else {
        format!(
            "recorded as revision {number} of `{name}`, but its manifests are too large to go back to"
        )
    };
    ctx.events.note(note).await;
}

/// A deployment that failed, and what became of it.
pub(super) async fn fail(
    ctx: &Context,
    spec: &KubernetesSpec,
    attempt: &Attempt,
    failure: &Failure,
    ended: Ended,
) {
    // After a cancel there is no time for it, and what is live was said.
    if ended == Ended::Untouched || ctx.cancel.is_cancelled() {
        return;
    }
    let cluster = &attempt.cluster;
    let Some(name) = record::name(spec.name.as_deref(), &attempt.objects) else {
        return;
    };
    let failed = Failed {
        code: failure.code().slug().to_owned(),
        image: attempt.release.image.clone(),
        commit: attempt.release.commit.clone(),
        run_url: attempt.release.run_url.clone(),
        at: now(),
        rolled_back: ended == Ended::RolledBack,
    };
    let live = if ended == Ended::Kept {
        let kinds = kinds(cluster, &attempt.objects).await;
        Some(Release {
            at: now(),
            objects: items(attempt, &kinds).await,
            ..attempt.release.clone()
        })
    } else {
        None
    };
    let change = |stored: &mut Stored| {
        let mut live = live.clone();
        if let Some(live) = &mut live {
            // What an earlier deployment owns stays in the inventory until it is pruned.
            let more: Vec<Item> = stored.record.no_longer(&live.objects).cloned().collect();
            live.objects.extend(more);
        }
        stored.record.fail(failed.clone(), live);
    };
    if let Err(failure) = record::change(cluster, &name, change).await {
        warn(ctx, failure).await;
    }
}

async fn items(attempt: &Attempt, kinds: &Kinds) -> Vec<Item> {
    let Attempt {
        cluster,
        objects,
        before,
        applied,
        ..
    } = attempt;
    inventory(cluster, kinds, objects, Some(before), applied).await
}

async fn kinds(cluster: &Cluster, objects: &[Object]) -> Kinds {
    Kinds::discover(&cluster.client, objects)
        .await
        .unwrap_or_default()
}

fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

/// The deployment itself is what it is; only the record is missing. Of a missing right preflight has warned.
pub(super) async fn warn(ctx: &Context, failure: Failure) {
    for mut finding in failure.into_findings() {
        if finding.code == Code::ClusterDenied {
            ctx.events.note(finding.message).await;
            continue;
        }
        finding.severity = Severity::Warning;
        ctx.events.diagnosed(finding).await;
    }
}
