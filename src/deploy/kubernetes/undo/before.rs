//! What was live before a deployment: read, and asked what it was worth.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::Value;

use super::answer;
use crate::cluster::{Cluster, is_ready, kind_of, transport, uid_of, written};
use crate::code::Code;
use crate::context::Context;
use crate::deploy::kubernetes::apply::{Kinds, api, transient};
use crate::deploy::kubernetes::image;
use crate::deploy::kubernetes::manifest::{Object, is_workload};
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;
use crate::registry::Reference;

/// Requests that are sent at once.
pub(super) const AT_ONCE: usize = 16;

/// The objects that a deployment is about to change, as they were live. It may hold Secrets, so it is never printed.
pub(in super::super) struct Before {
    pub(super) entries: Vec<Entry>,
    /// Whether it answered at the health path: a new path may be one that the former version does not have.
    pub(super) answered: bool,
    /// When it was taken, by the API server's clock.
    pub(super) at: Timestamp,
}

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Before({} objects)", self.entries.len())
    }
}

pub(super) struct Entry {
    pub(super) object: Object,
    pub(super) was: Was,
}

impl Entry {
    /// The workload as it was, when it served. What did not serve before is not waited for.
    pub(super) fn served(&self) -> Option<&Value> {
        match &self.was {
            Was::Live(live) if is_workload(&self.object.kind) && serves(live) => Some(live),
            _ => None,
        }
    }
}

pub(super) enum Was {
    Absent,
    Live(Box<Value>),
    /// The account may not read it, so nobody knows.
    Unknown,
}

impl Before {
    /// Reads them; nothing is changed. What may not be read is warned of, because it cannot be put back.
    pub(in super::super) async fn snapshot(
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

    /// The objects, without what was live of them.
    pub(super) fn objects(&self) -> Vec<Object> {
        let entries = self.entries.iter();
        entries.map(|entry| entry.object.clone()).collect()
    }

    /// Whether there is something to go back to: a workload that served, or that nobody wanted to serve. A Job serves
    /// nobody; with Jobs alone it is one that was there. Without workloads everything is simply put back.
    pub(super) fn served(&self) -> bool {
        let (jobs, serving): (Vec<&Entry>, Vec<&Entry>) = self
            .entries
            .iter()
            .filter(|entry| is_workload(&entry.object.kind))
            .partition(|entry| entry.object.kind == "Job");
        let unknown = |entry: &Entry| matches!(entry.was, Was::Unknown);
        if serving.is_empty() {
            jobs.is_empty() || jobs.iter().any(|job| !matches!(job.was, Was::Absent))
        } else {
            serving
                .iter()
                .any(|entry| entry.served().is_some() || unknown(entry))
        }
    }

    /// What was there, as lists name it.
    pub(super) fn written(&self, cluster: &Cluster) -> Vec<String> {
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

    /// The uid of the object, if it was there.
    pub(in super::super) fn uid(&self, object: &Object) -> Option<&str> {
        let key = |one: &Object| {
            let group = one.group().to_owned();
            (group, one.label(), one.namespace.clone())
        };
        let wanted = key(object);
        let found = self
            .entries
            .iter()
            .find(|entry| key(&entry.object) == wanted);
        match &found?.was {
            Was::Live(live) => Some(uid_of(live)),
            _ => None,
        }
    }

    /// The image that was live, of `repository` where one is; else what the objects were.
    pub(in super::super) fn image(&self, spec: &KubernetesSpec) -> String {
        let live = self.entries.iter().filter_map(|entry| match &entry.was {
            Was::Live(live) => Some(live),
            _ => None,
        });
        let images: Vec<String> = live
            .flat_map(|live| image::containers(live))
            .map(|(_, image)| image)
            .collect();
        let ours = images.iter().find(|image| {
            let parsed = image.parse::<Reference>().ok();
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
pub(super) fn quoted(to: &str) -> String {
    if to == FORMER {
        to.to_owned()
    } else {
        format!("`{to}`")
    }
}

/// Whether a live workload had ready pods, or was not meant to have any.
fn serves(live: &Value) -> bool {
    let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_u64);
    match kind_of(live) {
        "DaemonSet" => {
            number("/status/desiredNumberScheduled") == Some(0)
                || number("/status/numberReady").unwrap_or_default() > 0
        }
        "Pod" => is_ready(live),
        "Job" => false,
        _ => {
            number("/spec/replicas") == Some(0)
                || number("/status/readyReplicas").unwrap_or_default() > 0
        }
    }
}

async fn read(cluster: &Cluster, kinds: &Kinds, object: &Object) -> Outcome<Was> {
    match get_patiently(cluster, kinds, object).await {
        Ok(Some(live)) => Ok(Was::Live(Box::new(live))),
        Ok(None) => Ok(Was::Absent),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Was::Unknown),
        Err(error) => {
            let message = format!(
                "failed to read `{}` before it is changed: {}",
                object.label(),
                reason(error)
            );
            Err(Failure::new(Code::ClusterUnreachable, message))
        }
    }
}

/// The same as `get`, asked again when the answer decides nothing.
pub(super) async fn get_patiently(
    cluster: &Cluster,
    kinds: &Kinds,
    object: &Object,
) -> Result<Option<Value>, kube::Error> {
    for _ in 0..4 {
        match get(cluster, kinds, object).await {
            Err(error) if transient(&error) => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            answer => return answer,
        }
    }
    get(cluster, kinds, object).await
}

/// Why a request failed, in one line.
pub(super) fn reason(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => transport(other),
    }
}

/// The object as it is live; `None` when it, or its kind, is not there.
pub(super) async fn get(
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    fn served(workloads: &[(&str, Option<Value>)]) -> bool {
        let entry = |(kind, live): &(&str, Option<Value>)| {
            let text = format!("apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: x}}\n");
            let object = parse("x.yaml", &text).unwrap().remove(0);
            let was = match live.clone() {
                None => Was::Absent,
                Some(mut live) => {
                    live["kind"] = (*kind).into();
                    Was::Live(Box::new(live))
                }
            };
            Entry { object, was }
        };
        Before {
            entries: workloads.iter().map(entry).collect(),
            answered: false,
            at: Timestamp::MIN,
        }
        .served()
    }

    #[test]
    fn only_what_served_is_worth_going_back_to() {
        let with = |spec: u64, ready: u64| json!({"spec": {"replicas": spec}, "status": {"readyReplicas": ready}});
        assert!(served(&[("Deployment", Some(with(2, 1)))]));
        assert!(served(&[("Deployment", Some(with(0, 0)))]));
        assert!(!served(&[("Deployment", Some(with(2, 0)))]));
        assert!(!served(&[("Deployment", None)]));
        assert!(served(&[
            ("Deployment", None),
            ("StatefulSet", Some(with(1, 1)))
        ]));
        assert!(served(&[("ConfigMap", None)]));
        // A Job that ran is no server that could be gone back to.
        assert!(!served(&[("Deployment", None), ("Job", Some(json!({})))]));
        assert!(served(&[("Job", Some(json!({})))]));
        assert!(!served(&[("Job", None)]));
    }
}
