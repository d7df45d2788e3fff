//! What is wrong with the most telling pod, in one sentence: the cause in its log and events, the line to change, and the
//! lines that prove it. It judges nothing: which pod, which container and which code is the verdict's affair.

mod field;
mod read;
mod secrets;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use self::field::field;
use self::read::{Source, Warning};
use super::manifest::Object;
use super::rollout::{Target, containers, restarts};
use crate::causes::{Cause, Seen, recognise, resolve};
use crate::cluster::{Cluster, name_of, text, uid_of};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Location};

/// Lines of the log that are shown.
const LINES: usize = 30;
/// Events that are shown.
const EVENTS: usize = 15;

/// Where the fault was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) target: &'a Target,
    /// What was applied: it knows the lines of the manifests.
    pub(super) objects: &'a [Object],
    /// Events that are older say nothing about it.
    pub(super) since: Timestamp,
}

/// What the verdict says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Culprit<'a> {
    /// The most telling pod; `None` when there is none, as with a quota.
    pub(super) pod: Option<&'a Value>,
    /// The container that fails; `None` when it is the pod itself, as with scheduling.
    pub(super) container: Option<&'a str>,
    /// Whether the run that failed is the one before the present one.
    pub(super) previous: bool,
    /// Code of the observation; a recognised cause has a better one.
    pub(super) code: Code,
    /// The verdict's sentence: ``container `model` exits 1 — CrashLoopBackOff (2 of 2 new pods)``.
    pub(super) cause: &'a str,
}

/// One sentence, and everything that supports it.
#[derive(Clone, Debug)]
pub(super) struct Diagnosis {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) at: Option<Location>,
    /// States, the log's last lines, events. Untrusted.
    pub(super) evidence: Vec<String>,
}

impl From<Diagnosis> for Diagnostic {
    fn from(found: Diagnosis) -> Self {
        let finding = Self::error(found.code, found.message)
            .at(found.at)
            .evidence(found.evidence);
        match found.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}

/// What no log may show, to be hidden before the first log is read.
pub(super) fn secrets(objects: &[Object]) -> Vec<SecretString> {
    secrets::values(objects)
}

/// A line of a foreign log, without the credentials of its URLs.
pub(super) fn plain(line: &str) -> String {
    secrets::without_credentials(line)
}

/// Reads what the cluster tells of the culprit and names the cause. It takes at most a few seconds and cannot fail: a pod
/// that is gone or a log that may not be read only makes it less telling.
pub(super) async fn diagnose(
    ctx: &Context,
    subject: &Subject<'_>,
    culprit: &Culprit<'_>,
) -> Diagnosis {
    let namespace = subject.target.namespace.as_str();
    let source = culprit
        .pod
        .zip(culprit.container)
        .map(|(pod, container)| Source {
            namespace,
            pod: name_of(pod),
            container,
            previous: culprit.previous,
        });
    let uids = involved(subject.target, culprit.pod);
    let (logs, warnings) = futures_util::join!(
        async {
            match source {
                Some(source) => read::log(subject.cluster, source).await,
                None => Vec::new(),
            }
        },
        read::warnings(subject.cluster, namespace, &uids, subject.since)
    );
    let logs = logs
        .iter()
        .map(|line| secrets::without_credentials(line))
        .collect();
    conclude(ctx, subject, culprit, logs, &warnings)
}

/// The pod, what owns it, and the workload.
fn involved(target: &Target, pod: Option<&Value>) -> Vec<String> {
    let mut uids = vec![target.uid.clone()];
    if let Some(pod) = pod {
        uids.push(uid_of(pod).to_owned());
        let owners = pod
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array);
        let owners = owners.into_iter().flatten();
        uids.extend(owners.map(|owner| text(owner, "/uid").to_owned()));
    }
    uids.retain(|uid| !uid.is_empty());
    uids
}

/// From what was read to the sentence.
fn conclude(
    ctx: &Context,
    subject: &Subject<'_>,
    culprit: &Culprit<'_>,
    logs: Vec<String>,
    warnings: &[Warning],
) -> Diagnosis {
    let target = subject.target;
    let cause = cause(culprit, &logs, warnings);
    let object = subject
        .objects
        .iter()
        .find(|object| object.kind == target.kind() && object.name == target.name);
    let place = cause.as_ref().map(|cause| {
        resolve(cause, &ctx.workspace, |path| {
            field(object?, culprit.container.unwrap_or_default(), path)
        })
    });
    let place = place.unwrap_or_default();
    let said = cause.as_ref().map(|cause| cause.what.as_str());
    let node = culprit.pod.map(|pod| text(pod, "/spec/nodeName"));
    Diagnosis {
        code: cause
            .as_ref()
            .and_then(|cause| cause.code)
            // That time is up is no verdict, whatever the pods wait for.
            .filter(|cause| keeps(culprit.code, *cause))
            .unwrap_or(culprit.code),
        message: format!(
            "{}: {}",
            target.label(),
            sentence(culprit.cause, said, node.unwrap_or_default())
        ),
        help: place.help.or(cause.and_then(|cause| cause.help)),
        at: place.at.or_else(|| target.at.clone()),
        evidence: evidence(culprit, &logs, warnings),
    }
}

/// Whether a cause is more telling than what was observed. That time is up is no verdict, whatever the pods wait for; and
/// a container that was never started has no mistake of its own, except a program for another processor.
fn keeps(observed: Code, cause: Code) -> bool {
    match observed {
        Code::RolloutDeadline => false,
        Code::ContainerConfig | Code::ContainerCreate | Code::ContainerStart => {
            cause == Code::ExecFormat
        }
        _ => true,
    }
}

/// Looks for the cause in the container, unless the fault lies before its start.
fn cause(culprit: &Culprit<'_>, logs: &[String], warnings: &[Warning]) -> Option<Cause> {
    let before = matches!(
        culprit.code,
        Code::ImageNotFound
            | Code::ImageNameInvalid
            | Code::PullDenied
            | Code::PullPlatform
            | Code::PullFailed
            | Code::Unschedulable
            | Code::MountFailed
            | Code::SandboxFailed
            | Code::PodDenied
            | Code::QuotaExceeded
            | Code::PodEvicted
            | Code::PodGone
    );
    let (pod, container) = culprit.pod.zip(culprit.container).filter(|_| !before)?;
    let events: Vec<String> = warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.reason, warning.message))
        .collect();
    let container = containers(pod).find(|one| text(one, "/name") == container)?;
    recognise(&Seen {
        container,
        pod,
        log: logs,
        events: &events,
    })
}

/// Puts the cause in the place of the verdict's reason, and the node behind its counts.
fn sentence(verdict: &str, cause: Option<&str>, node: &str) -> String {
    let (said, counts) = match verdict.rsplit_once(" (") {
        Some((said, counts)) if counts.ends_with(')') && counts.contains("pod") => {
            (said, counts.trim_end_matches(')'))
        }
        _ => (verdict, ""),
    };
    let head = said.split(" — ").next().unwrap_or(said);
    let said = match cause.filter(|cause| !head.contains(cause)) {
        Some(cause) => format!("{head} — {cause}"),
        None => said.to_owned(),
    };
    let node = if node.is_empty() || counts.contains("node") {
        String::new()
    } else {
        format!("node {node}")
    };
    match (counts.is_empty(), node.is_empty()) {
        (true, true) => said,
        (true, false) => format!("{said} ({node})"),
        (false, true) => format!("{said} ({counts})"),
        (false, false) => format!("{said} ({counts}, {node})"),
    }
}

/// Lines that prove it: where, in which state, what was logged, what was warned of.
fn evidence(culprit: &Culprit<'_>, logs: &[String], warnings: &[Warning]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(pod) = culprit.pod {
        let node = text(pod, "/spec/nodeName");
        lines.push(if node.is_empty() {
            format!("pod {}", name_of(pod))
        } else {
            format!("pod {} on node {node}", name_of(pod))
        });
        lines.extend(containers(pod).flat_map(states));
    }
    let name = culprit.container.unwrap_or_default();
    let from = logs.len().saturating_sub(LINES);
    lines.extend(
        logs[from..]
            .iter()
            .map(|line| format!("log {name}: {line}")),
    );
    let from = warnings.len().saturating_sub(EVENTS);
    lines.extend(
        warnings[from..]
            .iter()
            .map(|warning| format!("event {warning}")),
    );
    lines
}

/// The states of a container that say something.
fn states(container: &Value) -> Vec<String> {
    let name = text(container, "/name");
    let mut lines = Vec::new();
    for pointer in [
        "/state/waiting",
        "/state/terminated",
        "/lastState/terminated",
    ] {
        let Some(state) = container.pointer(pointer) else {
            continue;
        };
        let code = state
            .get("exitCode")
            .map(|code| format!(", exit code {code}"))
            .unwrap_or_default();
        let said = format!(
            "container {name}: {}{code} {}",
            text(state, "/reason"),
            text(state, "/message")
        );
        lines.push(said.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    match restarts(container) {
        0 => {}
        1 => lines.push(format!("container {name}: 1 restart")),
        many => lines.push(format!("container {name}: {many} restarts")),
    }
    lines
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
