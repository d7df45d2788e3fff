//! What is live behind a set of objects: the pods that serve and where they answer.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::backend::{backend, pod_backend};
use super::workload::owned_by;
use super::{Backend, Cluster, is_ready, kind_of, name_of, newest_pods, text, transport, uid_of};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// What serves.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// Where it answers; a Service when one selects the pods, else a ready pod.
    pub(crate) backend: Option<Backend>,
    /// Ready pods of the newest revision, as the API server gives them, each with its workload's `Kind/name`.
    pub(crate) pods: Vec<(String, Value)>,
    /// Whether any workload is meant to have pods that serve.
    pub(crate) wanted: bool,
}

/// A workload as it is live.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// `Kind/name`.
    pub(crate) object: String,
    /// `None` when it is not there.
    pub(crate) workload: Option<Value>,
    /// Pods of its newest revision.
    pub(crate) pods: Vec<Value>,
}

/// How an object is written in lists: `Kind/name`, and ` in other` when it is not in the deployment's own namespace.
pub(crate) fn written(kind: &str, name: &str, namespace: Option<&str>, own: &str) -> String {
    match namespace.filter(|namespace| *namespace != own) {
        Some(other) => format!("{kind}/{name} in {other}"),
        None => format!("{kind}/{name}"),
    }
}

/// Kind, name and namespace of an object that is `written` so.
fn read<'a>(object: &'a str, own: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let (object, namespace) = object.split_once(" in ").unwrap_or((object, own));
    let (kind, name) = object.split_once('/')?;
    Some((kind, name, namespace))
}

/// Reads the workloads among objects that are `written`, and their newest pods; other kinds are left out.
pub(crate) async fn standing(
    cluster: &Cluster,
    own: &str,
    objects: &[String],
) -> Outcome<Vec<Standing>> {
    let mut found = Vec::new();
    let mut listed: HashMap<&str, (Vec<Value>, Vec<Value>)> = HashMap::new();
    for object in objects {
        let Some((kind, name, namespace)) = read(object, own) else {
            continue;
        };
        let workload = match kind {
            "Deployment" => get::<Deployment>(cluster, namespace, kind, name).await?,
            "StatefulSet" => get::<StatefulSet>(cluster, namespace, kind, name).await?,
            "DaemonSet" => get::<DaemonSet>(cluster, namespace, kind, name).await?,
            "Job" => get::<Job>(cluster, namespace, kind, name).await?,
            "Pod" => get::<Pod>(cluster, namespace, kind, name).await?,
            _ => continue,
        };
        if !listed.contains_key(namespace) {
            let pods = list::<Pod>(cluster, namespace, "Pod").await?;
            listed.insert(namespace, (pods, Vec::new()));
        }
        let Some((pods, sets)) = listed.get_mut(namespace) else {
            continue;
        };
        if kind == "Deployment" && sets.is_empty() {
            *sets = list::<ReplicaSet>(cluster, namespace, "ReplicaSet").await?;
        }
        // Taken out of the list, not copied: there may be a thousand of them.
        let newest = workload.as_ref().map(|workload| {
            let theirs: HashSet<String> = newest_pods(workload, &*sets, &*pods)
                .into_iter()
                .map(|pod| uid_of(pod).to_owned())
                .collect();
            let (newest, others) = std::mem::take(pods)
                .into_iter()
                .partition(|pod| theirs.contains(uid_of(pod)));
            *pods = others;
            newest
        });
        found.push(Standing {
            object: object.clone(),
            workload,
            pods: newest.unwrap_or_default(),
        });
    }
    Ok(found)
}

/// Every workload of the namespace that keeps pods, each with all of its pods, of older revisions too. Kinds that the
/// account may not list are left out, unless that is all of them.
pub(crate) async fn all_standing(cluster: &Cluster) -> Outcome<Vec<Standing>> {
    let own = cluster.namespace.as_str();
    let pods = list::<Pod>(cluster, own, "Pod").await?;
    let sets = list::<ReplicaSet>(cluster, own, "ReplicaSet").await;
    let kinds = [
        list::<Deployment>(cluster, own, "Deployment").await,
        list::<StatefulSet>(cluster, own, "StatefulSet").await,
        list::<DaemonSet>(cluster, own, "DaemonSet").await,
        list::<Job>(cluster, own, "Job").await,
    ];
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    for listed in kinds {
        match listed {
            Ok(workloads) => found.extend(workloads),
            Err(failure) => refused.push(failure),
        }
    }
    if refused.len() == 4
        && let Some(first) = refused.pop()
    {
        return Err(first);
    }
    let sets = sets.unwrap_or_default();
    let standing = |workload: Value| {
        let uid = uid_of(&workload);
        let theirs = sets.iter().filter(|set| owned_by(set, uid));
        let owners: Vec<&str> = theirs.map(uid_of).chain([uid]).collect();
        let owned = |pod: &&Value| owners.iter().any(|owner| owned_by(pod, owner));
        Standing {
            object: written(kind_of(&workload), name_of(&workload), None, own),
            pods: pods.iter().filter(owned).cloned().collect(),
            workload: Some(workload),
        }
    };
    Ok(found.into_iter().map(standing).collect())
}

/// Finds what serves for objects written `Kind/name`. `port` chooses the port, else the Service's or container's first.
pub(crate) async fn serving(
    cluster: &Cluster,
    namespace: &str,
    objects: &[String],
    port: Option<u16>,
) -> Outcome<Serving> {
    let (mut ready, mut wanted) = (Vec::new(), false);
    for standing in standing(cluster, namespace, objects).await? {
        // What a Job runs, or a pod that is done, ends; it serves nobody.
        let workload = standing.workload.as_ref();
        let is_done = workload.is_some_and(|pod| text(pod, "/status/phase") == "Succeeded");
        if standing.object.starts_with("Job/") || is_done {
            continue;
        }
        let Some(workload) = &standing.workload else {
            return Err(Failure::new(
                Code::VerifyHealth,
                format!(
                    "failed to find `{}` in namespace `{namespace}`: it is not there",
                    standing.object
                ),
            )
            .help("deploy first, or correct `namespace` and `manifests`"));
        };
        let none = |pointer: &str| workload.pointer(pointer) == Some(&Value::from(0));
        wanted |= !none("/spec/replicas") && !none("/status/desiredNumberScheduled");
        let pods = standing.pods.into_iter().filter(is_ready);
        ready.extend(pods.map(|pod| (standing.object.clone(), pod)));
    }
    let pods: Vec<&Value> = ready.iter().map(|(_, pod)| pod).collect();
    let place = pods
        .first()
        .map(|pod| text(pod, "/metadata/namespace"))
        .filter(|place| !place.is_empty());
    let namespace = place.unwrap_or(namespace);
    let services = list::<Service>(cluster, namespace, "Service").await?;
    let backend = backend(namespace, objects, &services, &pods, port);
    Ok(Serving {
        backend,
        pods: ready,
        wanted,
    })
}

/// Every ready pod itself: behind their Service there may be others.
pub(crate) async fn each_pod(
    cluster: &Cluster,
    objects: &[String],
    pods: &[(String, Value)],
    port: Option<u16>,
) -> Outcome<Vec<Backend>> {
    let Some((_, first)) = pods.first() else {
        return Ok(Vec::new());
    };
    let namespace = text(first, "/metadata/namespace");
    let services = list::<Service>(cluster, namespace, "Service").await?;
    let found = pods
        .iter()
        .filter_map(|(_, pod)| pod_backend(namespace, objects, &services, pod, port));
    Ok(found.collect())
}

/// A kind of objects that live in namespaces, and are read as they are.
trait Kind:
    kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
    + k8s_openapi::Resource
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
    + Serialize
{
}

impl Kind for DaemonSet {}
impl Kind for Deployment {}
impl Kind for Job {}
impl Kind for Pod {}
impl Kind for ReplicaSet {}
impl Kind for Service {}
impl Kind for StatefulSet {}

async fn get<K: Kind>(
    cluster: &Cluster,
    namespace: &str,
    kind: &str,
    name: &str,
) -> Outcome<Option<Value>> {
    let api = Api::<K>::namespaced(cluster.client.clone(), namespace);
    match api.get_opt(name).await {
        Ok(found) => Ok(found.map(|object| value(&object, kind))),
        Err(error) => Err(unread(kind, namespace, error)),
    }
}

async fn list<K: Kind>(cluster: &Cluster, namespace: &str, kind: &str) -> Outcome<Vec<Value>> {
    let api = Api::<K>::namespaced(cluster.client.clone(), namespace);
    // Page by page: a thousand pods at once would be most of our memory.
    let mut params = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(error) => return Err(unread(kind, namespace, error)),
        };
        found.extend(page.items.iter().map(|object| listed(object, kind)));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// Objects asked for at once.
const PAGE: u32 = 50;

/// The object as JSON. Lists carry no kind on their items, so it is set.
fn value(object: &impl Serialize, kind: &str) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if text(&value, "/kind").is_empty() {
        value["kind"] = kind.into();
    }
    value
}

/// One of many: who set its fields is half of its size, and of no use there.
fn listed(object: &impl Serialize, kind: &str) -> Value {
    let mut value = value(object, kind);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

fn unread(kind: &str, namespace: &str, error: kube::Error) -> Failure {
    let code = match &error {
        kube::Error::Api(status) if status.code == 403 => Code::ClusterDenied,
        _ => Code::ClusterUnreachable,
    };
    let why = match error {
        kube::Error::Api(status) => status.message,
        other => transport(other),
    };
    Failure::new(
        code,
        format!("failed to read {kind}s in namespace `{namespace}`: {why}"),
    )
}
