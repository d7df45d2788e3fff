//! Services choose pods and name ports that these have; what points to Services and workloads is in `backends`. Pure, over
//! the manifests and what was read of the cluster.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::manifest::Object;
use super::backends;
use super::pods::{Container, Template, chooses, containers, keyed, list_of, pod_labels, pod_spec};
use super::routes::{MAKERS, Routes, plain, quoted};
use super::view::Want;
use crate::cluster::{name_of, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// The lists that the checks need.
pub(super) fn wants(objects: &[Object], default: &str) -> BTreeSet<Want> {
    let mut wanted = BTreeSet::new();
    for object in objects {
        let namespace = object.namespace.as_deref().unwrap_or(default).to_owned();
        let kinds: &[&'static str] = match object.kind.as_str() {
            "Service" => &["Deployment", "StatefulSet", "DaemonSet", "Pod"],
            "Ingress" => &["Service", "IngressClass"],
            "HTTPRoute" => &["Service"],
            "HorizontalPodAutoscaler" => &["Deployment", "StatefulSet"],
            _ => &[],
        };
        for kind in kinds {
            let everywhere = *kind == "IngressClass";
            let namespace = if everywhere {
                String::new()
            } else {
                namespace.clone()
            };
            wanted.insert((*kind, namespace));
        }
    }
    wanted
}

/// All findings about routes.
pub(super) fn check(routes: &Routes<'_>) -> Vec<Diagnostic> {
    routes
        .objects
        .iter()
        .flat_map(|object| match object.kind.as_str() {
            "Service" => routes.service(object),
            _ => backends::check(routes, object),
        })
        .collect()
}

/// Pods that a Service may choose: where they come from, their labels, their containers.
struct Pods<'a> {
    from: String,
    labels: Option<&'a Map<String, Value>>,
    containers: Vec<Container<'a>>,
}

impl<'a> Routes<'a> {
    /// Pods of the manifests.
    fn ours(&self, namespace: &str) -> Vec<Pods<'a>> {
        let here = self
            .templates
            .iter()
            .filter(|template| template.namespace == namespace);
        here.map(|template| Pods {
            from: template.object.label(),
            labels: template.labels,
            containers: template.containers(),
        })
        .collect()
    }

    /// Pods of the cluster that the manifests do not replace; `None` when they are not known.
    fn others(&self, namespace: &str) -> Option<Vec<Pods<'a>>> {
        let mut found = Vec::new();
        for kind in MAKERS.into_iter().chain(["Pod"]) {
            for value in self.live(kind, namespace)? {
                let ours = |template: &Template<'_>| {
                    template.namespace == namespace
                        && template.object.kind == kind
                        && template.object.name == name_of(value)
                };
                // The labels of these pods are about to become those of the manifests.
                let ours = |template: &Template<'_>| {
                    ours(template) || (kind == "Pod" && owned_by(value, template))
                };
                if self.templates.iter().any(ours) {
                    continue;
                }
                found.push(Pods {
                    from: format!("{kind}/{}", name_of(value)),
                    labels: pod_labels(kind, value),
                    containers: pod_spec(kind, value)
                        .map(|spec| containers("spec", spec))
                        .unwrap_or_default(),
                });
            }
        }
        Some(found)
    }

    fn service(&self, object: &'a Object) -> Vec<Diagnostic> {
        let selector = object
            .value
            .pointer("/spec/selector")
            .and_then(Value::as_object);
        let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
            return Vec::new();
        };
        if text(&object.value, "/spec/type") == "ExternalName" {
            return Vec::new();
        }
        let namespace = self.namespace(object);
        let mut pods = self.ours(namespace);
        let others = self.others(namespace);
        let known = others.is_some();
        pods.extend(others.unwrap_or_default());
        let chosen: Vec<&Pods<'_>> = pods
            .iter()
            .filter(|pods| chooses(selector, pods.labels))
            .collect();
        if chosen.is_empty() {
            // Pods that a custom resource makes, or that we may not see, could still have these labels.
            let custom = |object: &Object| {
                object.group().contains('.') && !object.group().ends_with(".k8s.io")
            };
            let certain = known && !self.objects.iter().any(custom);
            return vec![unchosen(object, selector, &pods, certain)];
        }
        list_of(&object.value["spec"], "ports")
            .iter()
            .enumerate()
            .filter_map(|(index, port)| wrong_port(object, index, port, &chosen))
            .collect()
    }
}

/// Whether a live pod belongs to the workload of a template, which names its pods and replica sets after itself.
fn owned_by(pod: &Value, template: &Template<'_>) -> bool {
    let owners = list_of(&pod["metadata"], "ownerReferences");
    let workload = |owner: &Value| {
        let kind = text(owner, "/kind");
        let direct = kind == template.object.kind && text(owner, "/name") == template.object.name;
        let named = text(owner, "/name")
            .strip_prefix(template.object.name.as_str())
            .is_some_and(|rest| rest.starts_with('-') && !rest[1..].contains('-'));
        direct || (kind == "ReplicaSet" && template.object.kind == "Deployment" && named)
    };
    text(pod, "/metadata/namespace") == template.namespace && owners.iter().any(workload)
}

/// A selector that chooses nothing: the pods that come nearest say which label differs.
fn unchosen(
    object: &Object,
    selector: &Map<String, Value>,
    pods: &[Pods<'_>],
    certain: bool,
) -> Diagnostic {
    let shown = selector
        .iter()
        .map(|(key, value)| format!("{key}={}", plain(value)))
        .collect::<Vec<_>>()
        .join(",");
    let message = format!(
        "`{}` selects pods with `{shown}`, and no pod template has these labels",
        object.label()
    );
    let fits = |pods: &&Pods<'_>| {
        let same = |(key, value): &(&String, &Value)| {
            pods.labels.and_then(|labels| labels.get(*key)) == Some(*value)
        };
        selector.iter().filter(same).count()
    };
    let nearest = pods
        .iter()
        .max_by_key(|pods| (fits(pods), !pods.labels.is_none_or(Map::is_empty)));
    let finding = if certain {
        Diagnostic::error(Code::SelectorMismatch, message)
    } else {
        Diagnostic::warning(Code::SelectorMismatch, message)
    };
    let Some(nearest) = nearest else {
        return finding
            .help("deploy the workload whose pods it shall choose, or correct the selector")
            .at(object.at("spec.selector"));
    };
    let labels = nearest.labels;
    let differs = selector
        .iter()
        .find(|(key, value)| labels.and_then(|labels| labels.get(*key)) != Some(*value));
    let path = differs.map_or("spec.selector".to_owned(), |(key, _)| {
        keyed("spec.selector", key)
    });
    let has = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("`{key}: {}`", plain(value)))
        .collect::<Vec<_>>()
        .join(", ");
    finding
        .help(format!(
            "the pods of `{}` have {}; write those labels here that shall choose them",
            nearest.from,
            if has.is_empty() {
                "no labels".to_owned()
            } else {
                has
            }
        ))
        .at(object.at(&path))
}

/// A port of a Service that the chosen pods do not have.
fn wrong_port(
    object: &Object,
    index: usize,
    port: &Value,
    chosen: &[&Pods<'_>],
) -> Option<Diagnostic> {
    let (target, path) = match port.get("targetPort") {
        Some(target) => (target, format!("spec.ports[{index}].targetPort")),
        None => (port.get("port")?, format!("spec.ports[{index}].port")),
    };
    let offered: Vec<&Value> = chosen
        .iter()
        .flat_map(|pods| &pods.containers)
        .filter(|container| !container.init)
        .flat_map(|container| list_of(container.value, "ports"))
        .collect();
    let field = if target.is_string() {
        "name"
    } else {
        "containerPort"
    };
    if offered.iter().any(|port| port.get(field) == Some(target)) {
        return None;
    }
    // Declared ports are only a note for people: a number that nobody declares may well be listened on.
    if target.is_number() && offered.is_empty() {
        return None;
    }
    let list: Vec<String> = offered
        .iter()
        .map(|port| match port.get("name").and_then(Value::as_str) {
            Some(name) => format!("{} (`{name}`)", port["containerPort"]),
            None => port["containerPort"].to_string(),
        })
        .collect();
    let has = if list.is_empty() {
        "declare no ports".to_owned()
    } else {
        format!("declare {}", list.join(", "))
    };
    let from = chosen.first().map_or("", |pods| pods.from.as_str());
    let message = format!(
        "`{}` sends requests to port {} of the pods of `{from}`, which {has}",
        object.label(),
        quoted(target)
    );
    let finding = if target.is_string() {
        Diagnostic::error(Code::PortMismatch, message)
    } else {
        Diagnostic::warning(Code::PortMismatch, message)
    };
    Some(finding.at(object.at(&path)))
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
