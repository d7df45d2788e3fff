//! What a person is told about an undo that did not work or was stopped: what is live, and the commands that help.

use super::restore::Restored;
use super::{Before, Target, quoted};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::deploy::kubernetes::manifest::{Object, is_workload};
use crate::deploy::kubernetes::record;
use crate::diagnostic::Diagnostic;
use crate::failure::Failure;
use crate::plan::KubernetesSpec;

/// A finding before those of a failure.
pub(super) fn first(finding: Diagnostic, failure: Failure) -> Failure {
    let mut findings = vec![finding.clone()];
    findings.extend(failure.into_findings());
    Failure::all(findings).unwrap_or_else(|| finding.into())
}

/// Words that name an object for kubectl.
fn named(kind: &str, name: &str) -> String {
    format!("{}/{name}", kind.to_lowercase())
}

fn kubectl(cluster: &Cluster, object: &Object, words: &str) -> String {
    let namespace = object.namespace.as_ref().unwrap_or(&cluster.namespace);
    format!("kubectl -n {namespace} {words}")
}

/// How to look at what failed, and how to get rid of it.
pub(super) fn inspection(cluster: &Cluster, before: &Before) -> Vec<String> {
    let workloads = before
        .entries
        .iter()
        .map(|entry| &entry.object)
        .filter(|object| is_workload(&object.kind));
    workloads
        .flat_map(|object| {
            let name = named(&object.kind, &object.name);
            [
                format!(
                    "to look: {}",
                    kubectl(cluster, object, &format!("describe {name}"))
                ),
                format!(
                    "to read its log: {}",
                    kubectl(cluster, object, &format!("logs {name} --all-containers"))
                ),
                format!(
                    "to remove it: {}",
                    kubectl(cluster, object, &format!("delete {name}"))
                ),
            ]
        })
        .collect()
}

/// Nothing could even be compared.
pub(super) fn broken(
    cluster: &Cluster,
    before: &Before,
    spec: &KubernetesSpec,
    why: &str,
) -> Diagnostic {
    let message = format!(
        "failed to go back to {}: {why}",
        quoted(&before.image(spec))
    );
    let objects = before.entries.iter().map(|entry| &entry.object);
    Diagnostic::error(Code::RollbackFailed, message).help(by_hand(cluster, before, spec, objects))
}

/// Some objects could not be put back.
pub(super) fn refused(
    cluster: &Cluster,
    before: &Before,
    spec: &KubernetesSpec,
    restored: &Restored,
) -> Diagnostic {
    let to = &before.image(spec);
    let why: Vec<String> = restored
        .refused
        .iter()
        .map(|(object, why)| format!("{}: {why}", object.label()))
        .collect();
    let message = format!("failed to go back to {}: {}", quoted(to), why.join("; "));
    let objects = restored.refused.iter().map(|(object, _)| object);
    Diagnostic::error(Code::RollbackFailed, message)
        .help(by_hand(cluster, before, spec, objects))
        .evidence(live(restored))
}

/// Everything was put back, and it does not serve.
pub(super) fn not_serving(
    cluster: &Cluster,
    restored: &Restored,
    to: &str,
    why: &Failure,
) -> Diagnostic {
    let why = why.findings().next();
    let why = why.map_or("", |finding| finding.message.as_str());
    let message = format!(
        "went back to {}, but it does not serve any more: {why}",
        quoted(to)
    );
    let commands: Vec<String> = restored
        .targets
        .iter()
        .flat_map(|target| look_at(cluster, target))
        .collect();
    Diagnostic::error(Code::RollbackFailed, message)
        .help(format!(
            "production may be down. The former manifests are live again; see why their pods do not start: {}",
            commands.join(", then ")
        ))
        .evidence(live(restored))
}

fn look_at(cluster: &Cluster, target: &Target) -> Vec<String> {
    let namespace = Some(target.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or(&cluster.namespace);
    let name = named(target.kind(), &target.name);
    vec![
        format!("`kubectl -n {namespace} describe {name}`"),
        format!("`kubectl -n {namespace} get pods`"),
        format!("`kubectl -n {namespace} logs {name} --all-containers`"),
    ]
}

/// The commands that put objects back by hand, and the one that does it all once the reason is gone.
fn by_hand<'a>(
    cluster: &Cluster,
    before: &Before,
    spec: &KubernetesSpec,
    objects: impl Iterator<Item = &'a Object>,
) -> String {
    let commands: Vec<String> = objects
        .map(|object| {
            let name = named(&object.kind, &object.name);
            let words = match object.kind.as_str() {
                "Deployment" | "StatefulSet" | "DaemonSet" => format!("rollout undo {name}"),
                _ => format!("edit {name}"),
            };
            format!("`{}`", kubectl(cluster, object, &words))
        })
        .collect();
    format!(
        "production may be half new and half old: look at it now. When the reason named is gone, `{}` puts back all of it; by hand: {}",
        command("rollback", cluster, before, spec),
        commands.join(", ")
    )
}

/// A subcommand of our own about this deployment, complete.
pub(super) fn command(
    subcommand: &str,
    cluster: &Cluster,
    before: &Before,
    spec: &KubernetesSpec,
) -> String {
    let name = record::name(spec.name.as_deref(), &before.objects()).unwrap_or_default();
    format!(
        "ml-deploy {subcommand} --namespace={} --deployment-name={name}",
        cluster.namespace
    )
}

/// A cancel ended the requests.
pub(super) fn stopped(restored: &Restored, to: &str, rollback: &str) -> Diagnostic {
    let message = format!(
        "stopped in the middle of going back to {}: {}; not put back: {}",
        quoted(to),
        or_nothing(&restored.done),
        or_nothing(&restored.open)
    );
    Diagnostic::error(Code::Interrupted, message)
        .help(format!("run `{rollback}` to go on with it"))
        .evidence(live(restored))
}

/// A cancel ended the wait.
pub(super) fn interrupted(
    restored: &Restored,
    to: &str,
    why: &Failure,
    status: &str,
) -> Diagnostic {
    let why = why.findings().next();
    let why = why.map_or("", |finding| finding.message.as_str());
    let message = format!(
        "stopped after everything was put back to {}, before it was seen to serve ({}): {why}",
        quoted(to),
        or_nothing(&restored.done)
    );
    Diagnostic::error(Code::Interrupted, message)
        .help(format!("see whether it serves with `{status}`"))
}

fn or_nothing(lines: &[String]) -> String {
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join(", ")
    }
}

/// What is live now, as far as we know.
fn live(restored: &Restored) -> Vec<String> {
    let done = restored.done.iter().cloned();
    let open = restored
        .open
        .iter()
        .map(|label| format!("{label} is not put back"));
    let left = restored.left.iter().map(|left| format!("left: {left}"));
    done.chain(open).chain(left).collect()
}
