//! What is live behind a set of objects: the pods that serve and where they answer.

use std::collections::HashMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Backend, Cluster, is_ready, name_of, newest_pods, text, transport};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// What serves.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// Where it answers: a Service when one selects the pods, else a ready pod; every ready pod when the pods themselves
    /// were asked for. Empty when nothing is ready.
    pub(crate) backends: Vec<Backend>,
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
        let newest = workload.as_ref().map(|workload| {
            let newest = newest_pods(workload, &*sets, &*pods);
            newest.into_iter().cloned().collect()
        });
        found.push(Standing {
            object: object.clone(),
            workload,
            pods: newest.unwrap_or_default(),
        });
    }
    Ok(found)
}

/// Finds what serves for objects written `Kind/name`. `port` chooses the port, else the Service's or container's first.
/// `direct` asks for the pods themselves: behind their Service there may be others.
pub(crate) async fn serving(
    cluster: &Cluster,
    namespace: &str,
    objects: &[String],
    port: Option<u16>,
    direct: bool,
) -> Outcome<Serving> {
    let (mut ready, mut wanted) = (Vec::new(), false);
    for standing in standing(cluster, namespace, objects).await? {
        // What a Job runs ends; it serves nobody.
        if standing.object.starts_with("Job/") {
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
    let backends = if direct {
        let all = pods.iter();
        all.filter_map(|pod| pod_backend(namespace, objects, &services, pod, port))
            .collect()
    } else {
        let one = backend(namespace, objects, &services, &pods, port);
        one.into_iter().collect()
    };
    Ok(Serving {
        backends,
        pods: ready,
        wanted,
    })
}

/// A pod itself. The port is the one behind the Service's, so that the same input `port` means the same server; unless
/// the Service is still that of an older version, whose port the pod does not have.
fn pod_backend(
    namespace: &str,
    objects: &[String],
    services: &[Value],
    pod: &Value,
    port: Option<u16>,
) -> Option<Backend> {
    let ours = |service: &&Value| objects.contains(&format!("Service/{}", name_of(service)));
    let behind = services
        .iter()
        .filter(ours)
        .chain(services.iter().filter(|service| selects(service, pod)))
        .filter_map(|service| target_port(service, pod, port))
        .find(|target| declares(pod, *target));
    Some(Backend::Pod {
        namespace: namespace.to_owned(),
        name: name_of(pod).to_owned(),
        port: behind.or(port).or_else(|| container_port(pod))?,
    })
}

/// Whether a pod says that it listens there; one that declares no port may listen anywhere.
fn declares(pod: &Value, port: u16) -> bool {
    let mut declared = container_ports(pod).peekable();
    declared.peek().is_none()
        || declared.any(|entry| entry.get("containerPort") == Some(&Value::from(port)))
}

fn container_ports(pod: &Value) -> impl Iterator<Item = &Value> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    containers
        .into_iter()
        .flatten()
        .filter_map(|container| container.get("ports")?.as_array())
        .flatten()
}

/// The container's port behind a Service's port, which may be named.
fn target_port(service: &Value, pod: &Value, asked: Option<u16>) -> Option<u16> {
    let number = service_port(service, asked)?;
    let ports = service.pointer("/spec/ports")?.as_array()?;
    let entry = ports
        .iter()
        .find(|port| port.get("port").and_then(Value::as_u64) == Some(number.into()))?;
    match entry.get("targetPort") {
        None => Some(number),
        Some(Value::String(name)) => {
            let named = container_ports(pod).find(|port| text(port, "/name") == name)?;
            u16::try_from(named.get("containerPort")?.as_u64()?).ok()
        }
        Some(target) => u16::try_from(target.as_u64()?).ok(),
    }
}

/// The Service that selects a ready pod, those of `objects` first; else the first ready pod.
fn backend(
    namespace: &str,
    objects: &[String],
    services: &[Value],
    pods: &[&Value],
    port: Option<u16>,
) -> Option<Backend> {
    let pod = *pods.first()?;
    let ours = |service: &Value| {
        let name = format!("Service/{}", name_of(service));
        objects
            .iter()
            .any(|object| object.split(" in ").next() == Some(&name))
    };
    let mut selecting: Vec<&Value> = services
        .iter()
        .filter(|service| selects(service, pod))
        .collect();
    selecting.sort_by_key(|service| !ours(service));
    let namespace = namespace.to_owned();
    for service in selecting {
        if let Some(number) = service_port(service, port) {
            let name = name_of(service).to_owned();
            return Some(Backend::Service {
                namespace,
                name,
                port: number,
            });
        }
    }
    let number = port.or_else(|| container_port(pod))?;
    let name = name_of(pod).to_owned();
    Some(Backend::Pod {
        namespace,
        name,
        port: number,
    })
}

fn selects(service: &Value, pod: &Value) -> bool {
    let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object) else {
        return false;
    };
    let labels = pod.pointer("/metadata/labels");
    !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// The Service's port that was asked for, by its own number or by the container's; without a wish the first one.
fn service_port(service: &Value, asked: Option<u16>) -> Option<u16> {
    let ports = service.pointer("/spec/ports")?.as_array()?;
    let number = |port: &Value, key: &str| {
        port.get(key)
            .and_then(Value::as_u64)
            .and_then(|n| u16::try_from(n).ok())
    };
    let found = match asked {
        None => ports.first(),
        Some(_) => ports
            .iter()
            .find(|port| number(port, "port") == asked)
            .or_else(|| {
                ports
                    .iter()
                    .find(|port| number(port, "targetPort") == asked)
            }),
    };
    number(found?, "port")
}

fn container_port(pod: &Value) -> Option<u16> {
    let containers = pod.pointer("/spec/containers")?.as_array()?;
    let port = containers
        .iter()
        .find_map(|container| container.pointer("/ports/0/containerPort"))?;
    u16::try_from(port.as_u64()?).ok()
}

async fn get<K>(
    cluster: &Cluster,
    namespace: &str,
    kind: &str,
    name: &str,
) -> Outcome<Option<Value>>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + k8s_openapi::Resource
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let api = Api::<K>::namespaced(cluster.client.clone(), namespace);
    match api.get_opt(name).await {
        Ok(found) => Ok(found.map(|object| value(&object, kind))),
        Err(error) => Err(unread(kind, namespace, error)),
    }
}

async fn list<K>(cluster: &Cluster, namespace: &str, kind: &str) -> Outcome<Vec<Value>>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + k8s_openapi::Resource
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let api = Api::<K>::namespaced(cluster.client.clone(), namespace);
    match api.list(&ListParams::default()).await {
        Ok(found) => Ok(found
            .items
            .iter()
            .map(|object| value(object, kind))
            .collect()),
        Err(error) => Err(unread(kind, namespace, error)),
    }
}

/// The object as JSON. Lists carry no kind on their items, so it is set.
fn value(object: &impl Serialize, kind: &str) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if text(&value, "/kind").is_empty() {
        value["kind"] = kind.into();
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_service_that_selects_the_pod_answers() {
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "wine", "x": "y"}},
            "spec": {"containers": [{"ports": [{"containerPort": 8080}]}]}});
        let other = json!({"metadata": {"name": "other"}, "spec": {"selector": {"app": "beer"}, "ports": [{"port": 1}]}});
        let wine = json!({"metadata": {"name": "wine"}, "spec": {"selector": {"app": "wine"}, "ports": [{"port": 80, "targetPort": 8080}, {"port": 9000}]}});
        let services = [other, wine];
        let pods = [&pod];
        let found = |port| {
            backend("ml", &[], &services, &pods, port)
                .unwrap()
                .to_string()
        };
        assert_eq!(found(None), "Service/wine:80");
        assert_eq!(found(Some(8080)), "Service/wine:80");
        assert_eq!(found(Some(9000)), "Service/wine:9000");
        assert_eq!(found(Some(7)), "Pod/p:7");
        assert_eq!(
            backend("ml", &[], &[], &pods, None).unwrap().to_string(),
            "Pod/p:8080"
        );
    }

    #[test]
    fn a_pod_is_asked_on_the_port_behind_its_service() {
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "wine"}},
            "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 9000}]}]}});
        let service = json!({"metadata": {"name": "wine"}, "spec": {"selector": {"app": "wine", "colour": "green"},
            "ports": [{"port": 80, "targetPort": "http"}, {"port": 90, "targetPort": 9000}, {"port": 7}]}});
        let services = [service];
        let ours = ["Service/wine".to_owned()];
        let found = |objects: &[String], port| {
            pod_backend("ml", objects, &services, &pod, port)
                .unwrap()
                .to_string()
        };
        assert_eq!(found(&ours, None), "Pod/p:8080");
        assert_eq!(found(&ours, Some(80)), "Pod/p:8080");
        assert_eq!(found(&ours, Some(90)), "Pod/p:9000");
        // The Service of an older version: its port 7 is none of the pod's.
        assert_eq!(found(&ours, Some(7)), "Pod/p:7");
        let older = json!({"metadata": {"name": "wine"}, "spec": {"ports": [{"port": 80, "targetPort": 7000}]}});
        let backend = pod_backend("ml", &ours, &[older], &pod, None).unwrap();
        assert_eq!(backend.to_string(), "Pod/p:8080");
        // Neither ours nor selecting the pod, it says nothing about the pod's ports.
        assert_eq!(found(&[], Some(80)), "Pod/p:80");
        assert_eq!(found(&[], None), "Pod/p:8080");
    }
}
