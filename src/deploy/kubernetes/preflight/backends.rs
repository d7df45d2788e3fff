//! What points to another object by name has something to point to: Ingress and HTTPRoute to a Service and its port, an
//! autoscaler to a workload that requests what it measures. Pure.

use serde_json::Value;

use super::super::manifest::Object;
use super::pods::{Container, containers, list_of, near, pod_spec, suggestion};
use super::routes::{MAKERS, Routes, quoted};
use crate::cluster::{name_of, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// All findings about one object.
pub(super) fn check<'a>(routes: &Routes<'a>, object: &'a Object) -> Vec<Diagnostic> {
    match object.kind.as_str() {
        "Ingress" => ingress(routes, object),
        "HTTPRoute" => http_route(routes, object),
        "HorizontalPodAutoscaler" => autoscaler(routes, object),
        _ => Vec::new(),
    }
}

/// Why requests do not reach the Service behind a route.
fn lost<'a>(
    routes: &Routes<'a>,
    object: &'a Object,
    namespace: &str,
    (name, name_at): (&str, String),
    (port, port_at): (Option<&Value>, String),
) -> Option<Diagnostic> {
    let label = object.label();
    let ours = routes.objects.iter().find(|service| {
        service.kind == "Service" && service.name == name && routes.namespace(service) == namespace
    });
    let live = routes.live("Service", namespace);
    let of_cluster = live.and_then(|all| all.iter().find(|service| name_of(service) == name));
    let Some(service) = ours.map(|service| &service.value).or(of_cluster) else {
        let live = live?;
        let names = live.iter().map(name_of);
        let own = routes
            .objects
            .iter()
            .filter(|other| other.kind == "Service");
        let near = near(name, names.chain(own.map(|service| service.name.as_str())));
        let message = format!(
            "`{label}` sends requests to Service `{name}`, which is neither in the manifests nor in namespace `{namespace}`"
        );
        let mut finding = Diagnostic::error(Code::BackendMissing, message).at(object.at(&name_at));
        finding.help = suggestion(&near);
        return Some(finding);
    };
    if text(service, "/spec/type") == "ExternalName" {
        return None;
    }
    let port = port?;
    let ports = list_of(&service["spec"], "ports");
    let field = if port.is_string() { "name" } else { "port" };
    if ports.iter().any(|known| known.get(field) == Some(port)) {
        return None;
    }
    let list: Vec<String> = ports
        .iter()
        .map(|known| match known.get("name").and_then(Value::as_str) {
            Some(name) => format!("{} (`{name}`)", known["port"]),
            None => known["port"].to_string(),
        })
        .collect();
    let message = format!(
        "`{label}` sends requests to port {} of Service `{name}`, which has {}",
        quoted(port),
        list.join(", ")
    );
    Some(
        Diagnostic::error(Code::BackendMissing, message)
            .help(format!(
                "write the number or the name of a port of Service `{name}`"
            ))
            .at(object.at(&port_at)),
    )
}

fn ingress<'a>(routes: &Routes<'a>, object: &'a Object) -> Vec<Diagnostic> {
    let namespace = routes.namespace(object);
    let spec = &object.value["spec"];
    let mut backends = vec![(&spec["defaultBackend"], "spec.defaultBackend".to_owned())];
    for (rule, value) in list_of(spec, "rules").iter().enumerate() {
        for (path, value) in list_of(&value["http"], "paths").iter().enumerate() {
            let at = format!("spec.rules[{rule}].http.paths[{path}].backend");
            backends.push((&value["backend"], at));
        }
    }
    let mut findings: Vec<Diagnostic> = backends
        .into_iter()
        .filter_map(|(backend, at)| {
            let name = backend.pointer("/service/name")?.as_str()?;
            let port = backend.pointer("/service/port")?;
            let (port, field) = match port.get("name") {
                Some(name) => (Some(name), "name"),
                None => (port.get("number"), "number"),
            };
            lost(
                routes,
                object,
                namespace,
                (name, format!("{at}.service.name")),
                (port, format!("{at}.service.port.{field}")),
            )
        })
        .collect();
    findings.extend(ingress_class(routes, object));
    findings
}

/// Nothing serves an Ingress of a class that nobody has.
fn ingress_class(routes: &Routes<'_>, object: &Object) -> Option<Diagnostic> {
    let name = object.value.pointer("/spec/ingressClassName")?.as_str()?;
    let known = routes.view.list("IngressClass", "")?;
    let ours = |other: &Object| other.kind == "IngressClass" && other.name == name;
    if known.iter().any(|class| name_of(class) == name) || routes.objects.iter().any(ours) {
        return None;
    }
    let message = format!(
        "`{}` names IngressClass `{name}`, which the cluster does not have",
        object.label()
    );
    let near = near(name, known.iter().map(name_of));
    let mut finding =
        Diagnostic::warning(Code::BackendMissing, message).at(object.at("spec.ingressClassName"));
    finding.help = suggestion(&near).or_else(|| {
        Some(
            "name a class that `kubectl get ingressclass` lists, or install its controller"
                .to_owned(),
        )
    });
    Some(finding)
}

fn http_route<'a>(routes: &Routes<'a>, object: &'a Object) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (rule, value) in list_of(&object.value["spec"], "rules").iter().enumerate() {
        for (index, backend) in list_of(value, "backendRefs").iter().enumerate() {
            let kind = backend.get("kind").and_then(Value::as_str);
            let namespace = backend.get("namespace").and_then(Value::as_str);
            let here = routes.namespace(object);
            // Another namespace was not read, and another kind is not ours to judge.
            if kind.is_some_and(|kind| kind != "Service")
                || namespace.is_some_and(|namespace| namespace != here)
            {
                continue;
            }
            let at = format!("spec.rules[{rule}].backendRefs[{index}]");
            let Some(name) = backend.get("name").and_then(Value::as_str) else {
                continue;
            };
            findings.extend(lost(
                routes,
                object,
                here,
                (name, format!("{at}.name")),
                (backend.get("port"), format!("{at}.port")),
            ));
        }
    }
    findings
}

fn autoscaler<'a>(routes: &Routes<'a>, object: &'a Object) -> Vec<Diagnostic> {
    let target = &object.value["spec"]["scaleTargetRef"];
    let (kind, name) = (text(target, "/kind"), text(target, "/name"));
    let namespace = routes.namespace(object);
    let ours = routes.objects.iter().find(|other| {
        other.kind == kind && other.name == name && routes.namespace(other) == namespace
    });
    let listed = MAKERS
        .into_iter()
        .find(|known| *known == kind && kind != "DaemonSet");
    let live = listed.and_then(|kind| routes.live(kind, namespace));
    let of_cluster = live.and_then(|all| all.iter().find(|value| name_of(value) == name));
    let Some(value) = ours.map(|ours| &ours.value).or(of_cluster) else {
        let Some(live) = live else { return Vec::new() };
        let own = routes.objects.iter().filter(|other| other.kind == kind);
        let names = live.iter().map(name_of);
        let near = near(name, names.chain(own.map(|other| other.name.as_str())));
        let message = format!(
            "`{}` scales {kind} `{name}`, which is neither in the manifests nor in namespace `{namespace}`",
            object.label()
        );
        let mut finding = Diagnostic::error(Code::BackendMissing, message)
            .at(object.at("spec.scaleTargetRef.name"));
        finding.help = suggestion(&near);
        return vec![finding];
    };
    let Some(spec) = pod_spec(kind, value) else {
        return Vec::new();
    };
    unmeasured(object, &containers("", spec), &format!("{kind}/{name}"))
}

/// Utilisation is a share of what is requested: without requests there is nothing to measure against.
fn unmeasured(object: &Object, containers: &[Container<'_>], target: &str) -> Vec<Diagnostic> {
    let spec = &object.value["spec"];
    let mut measured: Vec<(&str, Option<&str>, String)> = Vec::new();
    if spec.get("targetCPUUtilizationPercentage").is_some() {
        measured.push((
            "cpu",
            None,
            "spec.targetCPUUtilizationPercentage".to_owned(),
        ));
    }
    for (index, metric) in list_of(spec, "metrics").iter().enumerate() {
        for (field, one) in [("resource", false), ("containerResource", true)] {
            let resource = &metric[field];
            if text(resource, "/target/type") == "Utilization" {
                let only = one.then(|| text(resource, "/container"));
                let at = format!("spec.metrics[{index}].{field}.name");
                measured.push((text(resource, "/name"), only, at));
            }
        }
    }
    measured
        .into_iter()
        .filter_map(|(resource, only, at)| {
            let without = containers.iter().find(|container| {
                let chosen = !container.init && only.is_none_or(|only| only == container.name());
                let has = |list: &str| container.value["resources"][list].get(resource).is_some();
                chosen && !has("requests") && !has("limits")
            })?;
            let message = format!(
                "`{}` scales on {resource} utilisation, and container `{}` of `{target}` requests no {resource}",
                object.label(),
                without.name()
            );
            let finding = Diagnostic::warning(Code::ScalingFailed, message).help(format!(
                "add `resources.requests.{resource}` to the container; without it the autoscaler does nothing"
            ));
            Some(finding.at(object.at(&at)))
        })
        .collect()
}
