//! Nodes can take the pods: one that is large enough, enough of them, and a spare device where a rolling update needs one.
//! Pure. Where a cloud makes nodes, what is missing now may come, so it is only a warning.

use serde_json::Value;

use super::capacity::{Load, resource_path};
use super::demand::{Amounts, Defaults, amounts, is_device, of_pod};
use super::pods::{Template, list_of};
use super::quantity::{Milli, show};
use super::view::View;
use crate::cluster::{name_of, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::Strategy;

/// All findings about nodes; none when the account may not list them.
pub(super) fn check(loads: &[Load<'_>], view: &View) -> Vec<Diagnostic> {
    let Some(nodes) = view.list("Node", "").filter(|nodes| !nodes.is_empty()) else {
        return Vec::new();
    };
    // A node that does not say what it has (a virtual one) may have anything.
    if nodes.iter().any(|node| allocatable(node).is_empty()) {
        return Vec::new();
    }
    let pods = view.list("Pod", "");
    let mut findings = Vec::new();
    for load in loads {
        let allowed: Vec<&Value> = nodes
            .iter()
            .filter(|node| takes(node, &load.template))
            .collect();
        let found = nowhere(load, nodes, &allowed)
            .or_else(|| too_large(load, &allowed))
            .or_else(|| too_many(load, &allowed))
            .or_else(|| deadlock(load, &allowed, pods));
        findings.extend(found.map(|finding| {
            if nodes.iter().any(of_a_cloud) {
                let cloud = Diagnostic::warning(finding.code, finding.message);
                Diagnostic {
                    help: finding.help,
                    at: finding.at,
                    evidence: finding.evidence,
                    ..cloud
                }
            } else {
                finding
            }
        }));
    }
    findings
}

/// A cloud's node group can grow, also from nothing.
fn of_a_cloud(node: &Value) -> bool {
    let provider = text(node, "/spec/providerID");
    let scheme = provider.split("://").next().unwrap_or_default();
    !matches!(scheme, "" | "kind" | "k3s" | "minikube")
}

/// Whether the node's labels and taints let the pod on. Affinity is left out: it could only exclude more.
fn takes(node: &Value, template: &Template<'_>) -> bool {
    let spec = template.spec;
    if let Some(name) = spec.get("nodeName").and_then(Value::as_str) {
        return name == name_of(node);
    }
    let labels = &node["metadata"]["labels"];
    let chosen = spec.get("nodeSelector").and_then(Value::as_object);
    let labelled = chosen
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    let tolerates = |taint: &Value| {
        // Conditions of a node come and go.
        text(taint, "/effect") == "PreferNoSchedule"
            || text(taint, "/key").starts_with("node.kubernetes.io/")
            || list_of(spec, "tolerations").iter().any(|toleration| {
                let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
                let value = text(toleration, "/operator") == "Exists"
                    || text(toleration, "/value") == text(taint, "/value");
                (key.is_empty() || key == text(taint, "/key"))
                    && (effect.is_empty() || effect == text(taint, "/effect"))
                    && value
            })
    };
    labelled && list_of(&node["spec"], "taints").iter().all(tolerates)
}

fn allocatable(node: &Value) -> Amounts {
    amounts(&node["status"]["allocatable"])
}

/// No node has the labels, or all have taints.
fn nowhere(load: &Load<'_>, nodes: &[Value], allowed: &[&Value]) -> Option<Diagnostic> {
    if !allowed.is_empty() || load.template.object.kind == "DaemonSet" {
        return None;
    }
    let spec = load.template.spec;
    let label = load.template.object.label();
    let selector = spec.get("nodeSelector").and_then(Value::as_object);
    let lacking = selector.into_iter().flatten().find(|(key, value)| {
        !nodes
            .iter()
            .any(|node| node["metadata"]["labels"].get(key.as_str()) == Some(*value))
    });
    let path = load.template.path;
    let pinned = spec.get("nodeName").and_then(Value::as_str);
    let (message, at, help) = match lacking {
        _ if let Some(name) = pinned => (
            format!("`{label}`: its pods are pinned to node `{name}`, which the cluster does not have"),
            format!("{path}.nodeName"),
            "correct `nodeName` (`kubectl get nodes` lists them), or choose nodes by label with `nodeSelector`".to_owned(),
        ),
        Some((key, value)) => (
            format!(
                "`{label}`: no node has the label `{key}: {}`",
                value.as_str().unwrap_or("?")
            ),
            format!("{path}.nodeSelector[{key}]"),
            "correct `nodeSelector`, or label a node".to_owned(),
        ),
        None => {
            let taints: Vec<String> = nodes
                .iter()
                .flat_map(|node| list_of(&node["spec"], "taints"))
                .map(|taint| format!("`{}`", text(taint, "/key")))
                .collect();
            (
                format!(
                    "`{label}`: none of the {} nodes takes its pods",
                    nodes.len()
                ),
                format!("{path}.nodeSelector"),
                format!(
                    "tolerate a taint of the nodes ({}), or correct `nodeSelector`",
                    taints.join(", ")
                ),
            )
        }
    };
    Some(
        Diagnostic::error(Code::CapacityExceeded, message)
            .help(help)
            .at(load.template.object.at(&at)),
    )
}

/// One pod asks for more than the largest node has.
fn too_large(load: &Load<'_>, allowed: &[&Value]) -> Option<Diagnostic> {
    let template = &load.template;
    load.one.requests.iter().find_map(|(resource, amount)| {
        let most = allowed
            .iter()
            .filter_map(|node| allocatable(node).get(resource).copied())
            .max()
            .unwrap_or_default();
        if allowed.is_empty() || *amount <= most {
            return None;
        }
        let has = if most == 0 {
            format!("no node has {resource}")
        } else {
            format!("the largest node has {}", show(resource, most))
        };
        let message = format!(
            "`{}`: a pod requests {} {resource}, and {has}",
            template.object.label(),
            show(resource, *amount)
        );
        Some(
            Diagnostic::error(Code::CapacityExceeded, message)
                .help("lower the request, or add a larger node")
                .at(template
                    .object
                    .at(&resource_path(template, "requests", resource))),
        )
    })
}

/// Empty nodes together could not take all pods.
fn too_many(load: &Load<'_>, allowed: &[&Value]) -> Option<Diagnostic> {
    let asked: Vec<(&String, &Milli)> = load
        .one
        .requests
        .iter()
        .filter(|(_, amount)| **amount > 0)
        .collect();
    let room = |node: &&Value| {
        let has = allocatable(node);
        let of = |resource: &str| has.get(resource).copied().unwrap_or_default();
        let by_size = asked
            .iter()
            .map(|(resource, amount)| of(resource) / **amount);
        by_size
            .chain(has.get("pods").map(|pods| pods / 1_000))
            .min()
            .unwrap_or_default()
    };
    let room: Milli = allowed.iter().map(room).sum();
    if load.count <= room {
        return None;
    }
    let template = &load.template;
    let wanted = match load.count {
        1 => "1 pod is".to_owned(),
        count => format!("{count} pods are"),
    };
    let (place, help) = match allowed {
        [only] => (
            format!(
                "node `{}`, the only one that takes them, has",
                name_of(only)
            ),
            "let other nodes take them (`nodeName`, `nodeSelector`, `tolerations`), lower replicas or requests, or add nodes",
        ),
        _ => (
            "all nodes together have".to_owned(),
            "lower replicas or requests, or add nodes",
        ),
    };
    let message = format!(
        "`{}`: {wanted} wanted, and {place} room for {room}",
        template.object.label()
    );
    Some(
        Diagnostic::error(Code::CapacityExceeded, message)
            .help(help)
            .at(template.object.at("spec.replicas")),
    )
}

/// Old pods hold all devices, and a rolling update takes none away before a new pod is ready: it waits for ever.
fn deadlock(load: &Load<'_>, allowed: &[&Value], pods: Option<&[Value]>) -> Option<Diagnostic> {
    let template = &load.template;
    let beside = load.beside();
    if beside == 0 {
        return None;
    }
    let device = |(resource, amount): &(&String, &Milli)| is_device(resource) && **amount > 0;
    let (resource, amount) = load.one.requests.iter().find(device)?;
    let held = |spec: &Value| {
        let asks = of_pod(spec, &Defaults::default());
        asks.requests.get(resource).copied().unwrap_or_default()
    };
    let free = |node: &&Value| {
        let has = allocatable(node).get(resource).copied().unwrap_or_default();
        let here = pods.into_iter().flatten().filter(|pod| {
            let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
            text(pod, "/spec/nodeName") == name_of(node) && !ended
        });
        has - here.map(|pod| held(&pod["spec"])).sum::<Milli>()
    };
    let old = load
        .old
        .1
        .requests
        .get(resource)
        .copied()
        .unwrap_or_default()
        * load.old.0;
    let total: Milli = allowed
        .iter()
        .filter_map(|node| allocatable(node).get(resource).copied())
        .sum();
    let room = match pods {
        Some(_) => allowed
            .iter()
            .map(|node| (free(node) / *amount).max(0))
            .sum(),
        // Without a look at all pods only our own are known to hold some.
        None => (total - old) / *amount,
    };
    if room >= beside {
        return None;
    }
    let message = format!(
        "`{}`: {} needs {} {resource} beside the {} that old pods hold, and nodes have room for {room} such pods ({} in all)",
        template.object.label(),
        load.way(),
        show(resource, *amount * beside),
        show(resource, old),
        show(resource, total)
    );
    let finding =
        Diagnostic::error(Code::GpuDeadlock, message).at(template.object.at("spec.strategy"));
    Some(if load.strategy == Strategy::Rolling {
        finding
            .help("write the strategy shown: an old pod goes before the new one comes")
            .evidence([
                "strategy:".to_owned(),
                "  rollingUpdate: {maxSurge: 0, maxUnavailable: 1}".to_owned(),
            ])
    } else {
        finding.help(
            "use `strategy: rolling`, and in the manifest `maxSurge: 0` with `maxUnavailable: 1`",
        )
    })
}

#[cfg(test)]
#[path = "nodes_tests.rs"]
mod tests;
