//! Where pods answer: through which Service and on which port. Pure functions over objects as the API server gives them.

use serde_json::Value;

use super::{Backend, name_of, text};

/// A pod itself. The port is the one behind the Service's, so that the same input `port` means the same server; unless
/// the Service is still that of an older version, whose port the pod does not have.
pub(super) fn pod_backend(
    namespace: &str,
    objects: &[String],
    services: &[Value],
    pod: &Value,
    port: Option<u16>,
) -> Option<Backend> {
    let ours = |service: &&Value| listed(objects, service);
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
pub(super) fn backend(
    namespace: &str,
    objects: &[String],
    services: &[Value],
    pods: &[&Value],
    port: Option<u16>,
) -> Option<Backend> {
    let pod = *pods.first()?;
    let ours = |service: &Value| listed(objects, service);
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

/// Whether a Service is among objects that are `written`.
fn listed(objects: &[String], service: &Value) -> bool {
    let name = format!("Service/{}", name_of(service));
    objects
        .iter()
        .any(|object| object.split(" in ").next() == Some(&name))
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
