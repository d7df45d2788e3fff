//! Putting a snapshot back: the requests, in a safe order.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, Preconditions, PropagationPolicy};
use kube::core::DynamicObject;
use serde_json::Value;

use super::step::{Step, step};
use super::{AT_ONCE, Before, Entry, Was, get, get_patiently, reason};
use crate::cluster::{Cluster, is_ready, name_of, text, uid_of};
use crate::context::Context;
use crate::deploy::kubernetes::apply::{Kinds, Manner, api, apply, transient};
use crate::deploy::kubernetes::manifest::Object;
use crate::deploy::kubernetes::rollout::Target;

/// How long requests go on after a cancel: the process is given little more than this.
const GRACE: Duration = Duration::from_millis(4_000);

/// Compares what is live now with the snapshot. Everything is read before anything is changed.
pub(super) async fn steps(
    cluster: &Cluster,
    before: &Before,
) -> Result<Vec<(usize, Step)>, String> {
    // Kinds whose definition came with this deployment are known only now; one that is still unknown has no objects.
    let kinds = Kinds::discover(&cluster.client, &before.objects())
        .await
        .map_err(|found| {
            let first = found.into_iter().next();
            first.map_or_else(String::new, |finding| finding.message)
        })?;
    let entries = before.entries.iter();
    let all: Vec<_> = entries.map(|entry| now(cluster, &kinds, entry)).collect();
    let found: Vec<_> = stream::iter(all).buffered(AT_ONCE).collect().await;
    let mut steps = Vec::new();
    for (index, (entry, now)) in before.entries.iter().zip(found).enumerate() {
        // One object that cannot be read must not keep the others from being put back.
        let step = match now {
            Ok(now) => step(entry, now.as_ref(), before.at),
            Err(why) => Step::Refuse(why),
        };
        steps.push((index, step));
    }
    Ok(steps)
}

/// The object as it is now. What could not be read before is not asked for.
async fn now(cluster: &Cluster, kinds: &Kinds, entry: &Entry) -> Result<Option<Value>, String> {
    if matches!(entry.was, Was::Unknown) {
        return Ok(None);
    }
    let found = get_patiently(cluster, kinds, &entry.object).await;
    found.map_err(|error| format!("it cannot be read: {}", reason(error)))
}

/// How far it came.
#[derive(Default)]
pub(super) struct Restored {
    /// Workloads that were put back, to be waited for.
    pub(super) targets: Vec<Target>,
    /// What was done, one line each.
    pub(super) done: Vec<String>,
    /// What was not reached yet.
    pub(super) open: Vec<String>,
    /// What stays although it was made by this deployment.
    pub(super) left: Vec<String>,
    /// What could not be put back, and why.
    pub(super) refused: Vec<(Object, String)>,
    /// Whether a cancel ended it before everything was done.
    pub(super) stopped: bool,
}

/// Takes all steps: former values first, in the order of applying, then what is new is removed, routes first. After a
/// cancel it goes on for a few seconds, because half of a rollback is the worst that can be left.
pub(super) async fn run(
    ctx: &Context,
    cluster: &Cluster,
    before: &Before,
    steps: Vec<(usize, Step)>,
) -> Restored {
    let open = steps
        .iter()
        .filter(|(_, step)| matches!(step, Step::Apply(_) | Step::Delete { .. }))
        .map(|(index, _)| before.entries[*index].object.label())
        .collect();
    let so_far = Mutex::new(Restored {
        open,
        ..Restored::default()
    });
    let late = async {
        ctx.cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let stopped = tokio::select! {
        () = all(ctx, cluster, before, steps, &so_far) => false,
        () = late => true,
    };
    let mut restored = so_far.into_inner().unwrap_or_else(PoisonError::into_inner);
    restored.stopped = stopped;
    restored
}

async fn all(
    ctx: &Context,
    cluster: &Cluster,
    before: &Before,
    steps: Vec<(usize, Step)>,
    so_far: &Mutex<Restored>,
) {
    let kinds = Kinds::discover(&cluster.client, &before.objects())
        .await
        .unwrap_or_default();
    let note = |change: &dyn Fn(&mut Restored)| {
        change(&mut so_far.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let (mut values, mut deletions) = (Vec::new(), Vec::new());
    for (index, step) in steps {
        let entry = &before.entries[index];
        match step {
            Step::Nothing => {
                // It is as it was, but the workload may still be on its way back from pods that others changed.
                let target = entry.served().and_then(|was| target(&kinds, entry, was));
                note(&|so_far| so_far.targets.extend(target.clone()));
            }
            Step::Refuse(why) => {
                note(&|so_far| so_far.refused.push((entry.object.clone(), why.clone())));
            }
            Step::Leave(why) => note(&|so_far| so_far.left.push(why.clone())),
            Step::Apply(value) => values.push((entry, value)),
            Step::Delete { uid } => deletions.push((entry, uid)),
        }
    }
    for (entry, value) in values {
        let label = entry.object.label();
        match put_back(cluster, &kinds, entry, *value).await {
            Ok(live) => {
                ctx.events.note(format!("{label} put back")).await;
                let live = serde_json::to_value(&live).unwrap_or_default();
                if entry.object.kind == "StatefulSet" {
                    unstick(ctx, cluster, entry, &live).await;
                }
                note(&|so_far| {
                    so_far.open.retain(|open| *open != label);
                    so_far.done.push(format!("{label} is put back"));
                    if entry.served().is_some() {
                        so_far.targets.extend(target(&kinds, entry, &live));
                    }
                });
            }
            Err(why) => note(&|so_far| so_far.refused.push((entry.object.clone(), why.clone()))),
        }
    }
    for (entry, uid) in deletions.into_iter().rev() {
        let label = entry.object.label();
        let removed = remove(cluster, &kinds, &entry.object, &uid).await;
        if removed.is_ok() {
            ctx.events.note(format!("{label} removed")).await;
        }
        note(&|so_far| {
            so_far.open.retain(|open| *open != label);
            match &removed {
                Ok(()) => so_far.done.push(format!("{label} is removed")),
                Err(why) => so_far
                    .left
                    .push(format!("{label} could not be removed: {why}")),
            }
        });
    }
}

/// What is waited for, of an object as it is live.
fn target(kinds: &Kinds, entry: &Entry, live: &Value) -> Option<Target> {
    let (resource, _) = kinds.of(&entry.object)?;
    let live: DynamicObject = serde_json::from_value(live.clone()).ok()?;
    Some(Target::of(
        &live,
        resource,
        entry.object.at("metadata.name"),
    ))
}

/// Applies former values; what somebody changed in this very moment is looked at anew.
async fn put_back(
    cluster: &Cluster,
    kinds: &Kinds,
    entry: &Entry,
    mut value: Value,
) -> Result<DynamicObject, String> {
    let object = &entry.object;
    let Some(resource) = kinds.of(object) else {
        return Err("its kind is not served any more".to_owned());
    };
    let manner = Manner {
        dry_run: false,
        force: false,
    };
    let mut tries = 5;
    let mut wait = Duration::from_millis(250);
    loop {
        let mut wanted = object.clone();
        wanted.value = value.clone();
        let error = match apply(cluster, resource, &wanted, manner).await {
            Ok(live) => return Ok(live),
            Err(error) => error,
        };
        let conflict = matches!(&error, kube::Error::Api(status) if status.code == 409);
        if tries == 0 || !(conflict || transient(&error)) {
            return Err(withheld(object, reason(error)));
        }
        tries -= 1;
        tokio::time::sleep(wait).await;
        wait *= 2;
        if let Ok(Some(now)) = get(cluster, kinds, object).await
            && let Step::Apply(anew) = step(entry, Some(&now), Timestamp::MAX)
        {
            value = *anew;
        }
    }
}

/// The API server quotes values that it refuses, and those of a Secret must not be seen.
fn withheld(object: &Object, why: String) -> String {
    match why.split_once("Invalid value: ") {
        Some((before, _)) if object.kind == "Secret" => format!("{before}Invalid value"),
        _ => why,
    }
}

/// Deletes exactly this object; what it made goes after it.
pub(in super::super) async fn remove(
    cluster: &Cluster,
    kinds: &Kinds,
    object: &Object,
    uid: &str,
) -> Result<(), String> {
    let Some(resource) = kinds.of(object) else {
        return Ok(());
    };
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    };
    let mut tries = 4;
    loop {
        match api(cluster, resource, object)
            .delete(&object.name, &params)
            .await
        {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) if tries > 0 && transient(&error) => {
                tries -= 1;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(error) => return Err(reason(error)),
        }
    }
}

/// A StatefulSet never replaces a pod of a broken revision by itself: it waits for that pod to become ready first. The
/// pods of the failed revision that are not ready are deleted, so that they come back as they were.
async fn unstick(ctx: &Context, cluster: &Cluster, entry: &Entry, live: &Value) {
    use k8s_openapi::api::core::v1::Pod;
    let (Was::Live(was), uid) = (&entry.was, uid_of(live)) else {
        return;
    };
    let (good, namespace) = (
        text(was, "/status/updateRevision"),
        text(live, "/metadata/namespace"),
    );
    // A pod that is deleted before the controller has seen the former template would come back as the broken one.
    for _ in 0..40 {
        let kinds = Kinds::discover(&cluster.client, std::slice::from_ref(&entry.object)).await;
        let Ok(Some(now)) = get(cluster, &kinds.unwrap_or_default(), &entry.object).await else {
            return;
        };
        if text(&now, "/status/updateRevision") == good {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let pods = kube::Api::<Pod>::namespaced(cluster.client.clone(), namespace);
    let Ok(found) = pods.list(&ListParams::default()).await else {
        return;
    };
    for pod in found {
        let owned = pod.owner_references().iter().any(|owner| owner.uid == uid);
        let revision = pod.labels().get("controller-revision-hash").cloned();
        let value = serde_json::to_value(&pod).unwrap_or_default();
        if !owned || is_ready(&value) || revision.as_deref() == Some(good) {
            continue;
        }
        let name = name_of(&value);
        let said = match pods.delete(name, &DeleteParams::default()).await {
            Ok(_) => format!("Pod/{name} of the failed revision removed"),
            Err(error) => format!("failed to remove Pod/{name}: {}", reason(error)),
        };
        ctx.events.note(said).await;
    }
}
