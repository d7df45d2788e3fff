//! Workloads that cannot roll out as they are written: paused, ended, killed before they have started, given less time than
//! they may need. Pure.

use std::time::Duration;

use serde_json::Value;

use super::pods::{Container, Template, list_of, near, number, suggestion};
use super::tried::Tried;
use crate::cluster::text;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::KubernetesSpec;

/// All findings about workloads.
pub(super) fn check(
    spec: &KubernetesSpec,
    templates: &[Template<'_>],
    tried: &[Tried<'_>],
) -> Vec<Diagnostic> {
    let mut findings: Vec<Diagnostic> = tried.iter().filter_map(paused).collect();
    findings.extend(tried.iter().filter_map(ended));
    for template in templates {
        findings.extend(probe_ports(template));
        findings.extend(deadlines(template, spec.deadline));
    }
    findings
}

/// A paused Deployment takes the new template and rolls nothing out.
fn paused(tried: &Tried<'_>) -> Option<Diagnostic> {
    let object = tried.object;
    let by_manifest = object.value.pointer("/spec/paused") == Some(&Value::Bool(true));
    let value = tried.after.as_ref().unwrap_or(&object.value);
    let is_paused = value.pointer("/spec/paused") == Some(&Value::Bool(true));
    if object.kind != "Deployment" || !(is_paused || by_manifest) {
        return None;
    }
    let label = object.label();
    let finding = if by_manifest {
        let message = format!("`{label}` is paused by its manifest: nothing would be rolled out");
        Diagnostic::error(Code::RolloutPaused, message).help("remove `paused: true`")
    } else {
        let namespace = text(value, "/metadata/namespace");
        let message = format!("`{label}` is paused in the cluster: nothing would be rolled out");
        Diagnostic::error(Code::RolloutPaused, message).help(format!(
            "resume it with `kubectl -n {namespace} rollout resume deployment/{}`, or write `paused: false`",
            object.name
        ))
    };
    Some(finding.at(object.at("spec.paused")))
}

/// A pod that has ended is not started again by applying it.
fn ended(tried: &Tried<'_>) -> Option<Diagnostic> {
    let live = tried.live.as_ref().filter(|_| tried.object.kind == "Pod")?;
    let phase = text(live, "/status/phase");
    if !matches!(phase, "Succeeded" | "Failed") || tried.after.is_none() {
        return None;
    }
    let namespace = text(live, "/metadata/namespace");
    let name = &tried.object.name;
    let message = format!(
        "`Pod/{name}` is there already and has ended ({phase}): applying it starts nothing"
    );
    Some(
        Diagnostic::error(Code::PodExists, message)
            .help(format!(
                "use a Job or a Deployment, or delete it first: `kubectl -n {namespace} delete pod {name}`"
            ))
            .at(tried.object.at("metadata.name")),
    )
}

/// A probe that names a port which the container does not have never succeeds.
fn probe_ports(template: &Template<'_>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for container in template.containers() {
        let ports = list_of(container.value, "ports");
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            for action in ["httpGet", "tcpSocket"] {
                let port = &container.value[probe][action]["port"];
                let Some(name) = port.as_str().filter(|name| name.parse::<u16>().is_err()) else {
                    continue;
                };
                if ports.iter().any(|port| port["name"] == name) {
                    continue;
                }
                let message = format!(
                    "`{}`: {probe} of container `{}` asks port `{name}`, which the container does not name",
                    template.object.label(),
                    container.name()
                );
                let names = ports.iter().filter_map(|port| port["name"].as_str());
                let mut finding = Diagnostic::error(Code::PortMismatch, message).at(template
                    .object
                    .at(&format!("{}.{probe}.{action}.port", container.path)));
                finding.help = suggestion(&near(name, names));
                findings.push(finding);
            }
        }
    }
    findings
}

fn seconds(probe: &Value, field: &str, default: u64) -> u64 {
    probe.get(field).and_then(Value::as_u64).unwrap_or(default)
}

/// How long a probe may fail before the kubelet acts on it.
pub(super) fn patience(probe: &Value) -> Duration {
    let period = seconds(probe, "periodSeconds", 10);
    let failures = seconds(probe, "failureThreshold", 3);
    Duration::from_secs(seconds(probe, "initialDelaySeconds", 0) + period * failures)
}

/// The probe that kills a container which starts too slowly.
pub(super) fn killer<'a>(container: &Container<'a>) -> Option<(&'static str, &'a Value)> {
    ["startupProbe", "livenessProbe"]
        .into_iter()
        .find_map(|name| {
            Some((
                name,
                container
                    .value
                    .get(name)
                    .filter(|probe| probe.is_object())?,
            ))
        })
}

/// Time that a start may take, against the Deployment's own deadline and ours.
fn deadlines(template: &Template<'_>, ours: Duration) -> Vec<Diagnostic> {
    let object = template.object;
    if !matches!(
        object.kind.as_str(),
        "Deployment" | "StatefulSet" | "DaemonSet"
    ) {
        return Vec::new();
    }
    let start = template.containers().into_iter().filter_map(|container| {
        let startup = container.value.get("startupProbe").map(patience);
        let delay = seconds(&container.value["readinessProbe"], "initialDelaySeconds", 0);
        let total = startup.unwrap_or_default() + Duration::from_secs(delay);
        let field = if startup.is_some() {
            "startupProbe"
        } else {
            "readinessProbe"
        };
        (!total.is_zero()).then(|| (total, format!("{}.{field}", container.path)))
    });
    let slowest = start.max_by_key(|(total, _)| *total);
    let mut findings = Vec::new();
    let mut warn = |message: String, help: &str, at: &str| {
        let finding = Diagnostic::warning(
            Code::DeadlineShort,
            format!("`{}`: {message}", object.label()),
        );
        findings.push(finding.help(help).at(object.at(at)));
    };
    let said = number(&object.value, "/spec/progressDeadlineSeconds")
        .and_then(|seconds| u64::try_from(seconds).ok())
        .map(Duration::from_secs);
    let progress = (object.kind == "Deployment").then(|| said.unwrap_or(Duration::from_secs(600)));
    if let (Some((total, at)), Some(progress)) = (&slowest, progress)
        && *total > progress
    {
        let message = format!(
            "its probes give a container {} s to start, and the Deployment gives up after {} s",
            total.as_secs(),
            progress.as_secs()
        );
        let at = if said.is_some() {
            "spec.progressDeadlineSeconds"
        } else {
            at.as_str()
        };
        warn(
            message,
            "raise `progressDeadlineSeconds` above the probes' time",
            at,
        );
    }
    if let Some((total, at)) = &slowest
        && *total > ours
    {
        let message = format!(
            "its probes give a container {} s to start, and `deploy-timeout` is {} s",
            total.as_secs(),
            ours.as_secs()
        );
        warn(message, "raise `deploy-timeout` above the probes' time", at);
    }
    if let Some(said) = said.filter(|said| *said > ours && object.kind == "Deployment") {
        let message = format!(
            "`deploy-timeout` ({} s) ends before its own `progressDeadlineSeconds` ({} s)",
            ours.as_secs(),
            said.as_secs()
        );
        warn(
            message,
            "raise `deploy-timeout`, or lower `progressDeadlineSeconds`",
            "spec.progressDeadlineSeconds",
        );
    }
    findings
}

#[cfg(test)]
#[path = "workloads_tests.rs"]
mod tests;
