//! What was live before a deployment, and what becomes of a deployment that failed: put back, left or removed.

mod answer;
pub(super) mod fields;
mod first;
mod restore;
mod say;
mod step;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::Value;

pub(super) use self::restore::remove;
use self::step::Step;
pub(super) use self::step::is_precious;
use super::apply::{Kinds, api, transient};
use super::manifest::Object;
use super::rollout::{self, Target};
use super::{image, is_workload};
use crate::artifact::RolledBack;
use crate::cluster::{Cluster, transport, written};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::{KubernetesSpec, OnFailure};

/// Requests that are sent at once.
const AT_ONCE: usize = 16;

/// The objects that a deployment is about to change, as they were live. It may hold Secrets, so it is never printed.
pub(super) struct Before {
    entries: Vec<Entry>,
    /// Whether it answered at the health path: a new path may be one that the former version does not have.
    answered: bool,
    /// When it was taken, by the API server's clock.
    at: Timestamp,
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Before({} objects)", self.entries.len())
    }
}

struct Entry {
    object: Object,
    was: Was,
}

impl Entry {
    /// The workload as it was, when it served. What did not serve before is not waited for.
    fn served(&self) -> Option<&Value> {
        match &self.was {
            Was::Live(live) if is_workload(&self.object.kind) && serves(live) => Some(live),
            _ => None,
        }
    }
}

enum Was {
    Absent,
    Live(Box<Value>),
    /// The account may not read it, so nobody knows.
    Unknown,
}

/// What was done about a failed deployment, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing had been changed.
    Untouched,
    /// What was live before serves again.
    RolledBack,
    /// What failed is still there.
    Kept,
    /// What failed is gone, and nothing was there before.
    Removed,
}

impl Before {
    /// Reads them; nothing is changed. What may not be read is warned of, because it cannot be put back.
    pub(super) async fn snapshot(
        ctx: &Context,
        spec: &KubernetesSpec,
        cluster: &Cluster,
        kinds: &Kinds,
        objects: &[Object],
    ) -> Outcome<Self> {
        let read = stream::iter(objects.iter().map(|object| read(cluster, kinds, object)));
        let found: Vec<_> = read.buffered(AT_ONCE).collect().await;
        let (mut entries, mut denied) = (Vec::new(), Vec::new());
        for (object, was) in objects.iter().zip(found) {
            let was = was?;
            if matches!(was, Was::Unknown) {
                denied.push(object.label());
            }
            let object = object.clone();
            entries.push(Entry { object, was });
        }
        if !denied.is_empty() {
            let message = format!(
                "failed to read what is live of {}: the account may not `get` it, so it cannot be put back if the deployment fails",
                denied.join(", ")
            );
            ctx.events
                .diagnosed(Diagnostic::warning(Code::ClusterDenied, message))
                .await;
        }
        let at = cluster.clock().await;
        let mut before = Self {
            entries,
            answered: false,
            at,
        };
        if let Some(path) = &spec.health_path
            && before.entries.iter().any(|entry| entry.served().is_some())
        {
            before.answered =
                answer::once(cluster, &before.written(cluster), path, spec.port).await;
        }
        Ok(before)
    }

    /// Whether there is something to go back to: a workload that served, or that nobody wanted to serve. Without
    /// workloads everything else is simply put back.
    fn served(&self) -> bool {
        let mut workloads = self
            .entries
            .iter()
            .filter(|entry| is_workload(&entry.object.kind))
            .peekable();
        workloads.peek().is_none()
            || workloads.any(|entry| entry.served().is_some() || matches!(entry.was, Was::Unknown))
    }

    /// What was there, as lists name it.
    fn written(&self, cluster: &Cluster) -> Vec<String> {
        let there = self
            .entries
            .iter()
            .filter(|entry| matches!(entry.was, Was::Live(_)));
        there
            .map(|entry| {
                let object = &entry.object;
                let namespace = object.namespace.as_deref();
                written(&object.kind, &object.name, namespace, &cluster.namespace)
            })
            .collect()
    }

    /// The uid of the object at this place, if it was there.
    pub(super) fn uid(&self, index: usize) -> Option<&str> {
        match &self.entries.get(index)?.was {
            Was::Live(live) => Some(crate::cluster::uid_of(live)),
            _ => None,
        }
    }

    /// The image that was live, of `repository` where one is; else what the objects were.
    pub(super) fn image(&self, spec: &KubernetesSpec) -> String {
        let live = self.entries.iter().filter_map(|entry| match &entry.was {
            Was::Live(live) => Some(live),
            _ => None,
        });
        let images: Vec<String> = live
            .flat_map(|live| image::containers(live))
            .map(|(_, image)| image)
            .collect();
        let ours = images.iter().find(|image| {
            let parsed = image.parse::<crate::registry::Reference>().ok();
            parsed
                .zip(spec.repository.as_ref())
                .is_some_and(|(parsed, ours)| parsed.same_repository(ours))
        });
        ours.or_else(|| images.first())
            .cloned()
            .unwrap_or_else(|| FORMER.to_owned())
    }
}

/// Stands for what has no image.
const FORMER: &str = "what was live before";

/// An image's name in backticks.
fn quoted(to: &str) -> String {
    if to == FORMER {
        to.to_owned()
    } else {
        format!("`{to}`")
    }
}

/// Whether a live workload had ready pods, or was not meant to have any.
fn serves(live: &Value) -> bool {
    let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_u64);
    match crate::cluster::kind_of(live) {
        "DaemonSet" => {
            number("/status/desiredNumberScheduled") == Some(0)
                || number("/status/numberReady").unwrap_or_default() > 0
        }
        "Pod" => crate::cluster::is_ready(live),
        // A Job has nothing that serves; its object alone is put back.
        "Job" => true,
        _ => {
            number("/spec/replicas") == Some(0)
                || number("/status/readyReplicas").unwrap_or_default() > 0
        }
    }
}

async fn read(cluster: &Cluster, kinds: &Kinds, object: &Object) -> Outcome<Was> {
    let mut tries = 3;
    loop {
        match get(cluster, kinds, object).await {
            Ok(Some(live)) => return Ok(Was::Live(Box::new(live))),
            Ok(None) => return Ok(Was::Absent),
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(Was::Unknown),
            Err(error) if tries > 0 && transient(&error) => {
                tries -= 1;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            Err(error) => {
                let message = format!(
                    "failed to read `{}` before it is changed: {}",
                    object.label(),
                    transport(error)
                );
                return Err(Failure::new(Code::ClusterUnreachable, message));
            }
        }
    }
}

/// The object as it is live; `None` when it, or its kind, is not there.
async fn get(
    cluster: &Cluster,
    kinds: &Kinds,
    object: &Object,
) -> Result<Option<Value>, kube::Error> {
    let Some(resource) = kinds.of(object) else {
        return Ok(None);
    };
    let found: Option<DynamicObject> = api(cluster, resource, object).get_opt(&object.name).await?;
    Ok(found.map(|found| {
        let mut live = serde_json::to_value(found).unwrap_or_default();
        live["apiVersion"] = object.api_version.as_str().into();
        live["kind"] = object.kind.as_str().into();
        live
    }))
}

/// A cancel never starts a rollback; what is live now is said instead.
pub(super) fn cancelled(before: &Before, spec: &KubernetesSpec, failure: Failure) -> Failure {
    let to = before.image(spec);
    let message = if before.served() {
        format!("what was live before ({to}) is not put back after a cancel")
    } else {
        "what was applied so far stays: nothing served before".to_owned()
    };
    let left = Diagnostic::error(Code::Interrupted, message)
        .help("run again, or go back with `ml-deploy rollback`");
    let mut findings = failure.into_findings();
    findings.push(left.clone());
    Failure::all(findings).unwrap_or_else(|| left.into())
}

/// Puts the snapshot back and waits for it, or does what the inputs say instead. Returns the failure with what was done,
/// and how it ended. A cancel on the way stops it within seconds and says how far it came.
pub(super) async fn undo(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    before: &Before,
    failure: Failure,
) -> (Failure, Ended) {
    let steps = match restore::steps(cluster, before).await {
        Ok(steps) => steps,
        Err(why) => {
            let broken = say::broken(cluster, before, spec, &why);
            return (say::first(broken, failure), Ended::Kept);
        }
    };
    if steps.iter().all(|(_, step)| matches!(step, Step::Nothing)) {
        ctx.events.note("nothing was changed").await;
        return (failure, Ended::Untouched);
    }
    let head = failure.findings().next();
    let head = head.map_or("", |finding| finding.message.as_str());
    if !before.served() {
        ctx.events.note(format!("failed: {head}")).await;
        return first::settle(ctx, spec, cluster, before, &steps, failure).await;
    }
    if spec.on_failure == OnFailure::Keep {
        let note = "what failed is left as it is (`on-failure: keep`); `ml-deploy rollback` goes back to the last verified deployment";
        ctx.events.note(note).await;
        return (failure, Ended::Kept);
    }
    let to = before.image(spec);
    ctx.events
        .note(format!("failed: {head}; going back to {to}"))
        .await;
    let applied = cluster.clock().await;
    let restored = restore::run(ctx, cluster, before, steps).await;
    if restored.stopped {
        let stopped = say::stopped(&restored, &to);
        return (say::first(stopped, failure), Ended::Kept);
    }
    if !restored.refused.is_empty() {
        let broken = say::refused(cluster, &restored, &to);
        return (say::first(broken, failure), Ended::Kept);
    }
    match serve_again(ctx, spec, cluster, before, &restored.targets, applied).await {
        Ok(answers) => {
            ctx.events
                .note(format!("rolled back to {to}, which {answers}"))
                .await;
            ctx.events.produced(RolledBack { to: to.clone() }).await;
            let failure =
                failure.also(format!("; rolled back to {}, which {answers}", quoted(&to)));
            (
                failure.evidence(restored.left.iter().map(|left| format!("left: {left}"))),
                Ended::RolledBack,
            )
        }
        Err(why) if ctx.cancel.is_cancelled() => {
            let stopped = say::interrupted(&restored, &to, &why);
            (say::first(stopped, failure), Ended::Kept)
        }
        Err(why) => {
            let broken = say::not_serving(cluster, &restored, &to, &why);
            let findings = [vec![broken], failure.into_findings(), why.into_findings()];
            let all = findings.into_iter().flatten().collect();
            let fallback = || Failure::new(Code::RollbackFailed, Code::RollbackFailed.title());
            (Failure::all(all).unwrap_or_else(fallback), Ended::Kept)
        }
    }
}

/// Waits for what was put back with the same rules as for a deployment, and asks it when there is a path to ask.
async fn serve_again(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    before: &Before,
    targets: &[Target],
    applied: Timestamp,
) -> Outcome<String> {
    let objects: Vec<Object> = before
        .entries
        .iter()
        .map(|entry| entry.object.clone())
        .collect();
    rollout::wait(
        ctx,
        cluster,
        targets,
        &objects,
        applied,
        spec.deadline,
        &spec.tolerate,
    )
    .await?;
    match spec.health_path.as_deref().filter(|_| before.answered) {
        Some(path) => {
            answer::healthy(ctx, cluster, &before.written(cluster), path, spec.port).await
        }
        None if targets.is_empty() => Ok("is as it was".to_owned()),
        None => Ok("answers: its pods are ready".to_owned()),
    }
}
