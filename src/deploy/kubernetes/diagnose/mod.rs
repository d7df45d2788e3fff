//! What is wrong with the most telling pod, in one sentence: the cause in its log and events, the line to change, and the
//! lines that prove it. It judges nothing and asks no cluster: which pod, which container and which code is the verdict's
//! affair, and all that it looks at stands in the scene, so that a bundle is explained as the rollout was.

mod field;
mod pull;

use serde_json::Value;

use self::field::field;
use super::manifest::Object;
use super::rollout::{Finding, Happening, Late, Scene, Target, containers, restarts};
use crate::causes::{Cause, Seen, recognise, resolve};
use crate::cluster::{name_of, text};
use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::Diagnostic;

/// Lines of the log that are shown.
const LINES: usize = 30;
/// Events that are shown.
const EVENTS: usize = 15;

/// Where causes are looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    pub(super) workspace: &'a Workspace,
    /// What was applied: it knows the lines of the manifests. A bundle has none of it.
    pub(super) objects: &'a [Object],
    pub(super) scene: &'a Scene,
}

/// The verdict's sentence, made better.
struct Sentence<'a> {
    code: Code,
    /// ``container `model` exits 1 — CrashLoopBackOff``
    said: &'a str,
    /// ` (2 of 2 new pods, node n1)`; empty when it is not about several pods.
    share: &'a str,
}

/// A target that failed.
pub(super) fn failed(places: Places<'_>, target: &Target, finding: &Finding) -> Diagnostic {
    let sentence = Sentence {
        code: finding.code,
        said: &finding.cause,
        share: &finding.share,
    };
    conclude(places, target, &sentence, Some(finding))
}

/// A target that was not done in time, with what it seems to wait for.
pub(super) fn late(places: Places<'_>, late: &Late<'_>) -> Diagnostic {
    let sentence = Sentence {
        code: Code::RolloutDeadline,
        said: &late.cause,
        share: late.guess.map_or("", |guess| guess.share.as_str()),
    };
    conclude(places, late.target, &sentence, late.guess)
}

/// From what was seen to the sentence.
fn conclude(
    places: Places<'_>,
    target: &Target,
    verdict: &Sentence<'_>,
    finding: Option<&Finding>,
) -> Diagnostic {
    let culprit = finding.and_then(|finding| finding.culprit.as_ref());
    let pod = culprit.map(|culprit| &culprit.pod);
    let container = culprit.and_then(|culprit| culprit.container.as_deref());
    let log = culprit.map_or(&[][..], |culprit| places.scene.log(culprit));
    let events = places.scene.warnings(target, pod);
    let cause = pod
        .zip(container)
        .filter(|_| !is_before_start(verdict.code))
        .and_then(|(pod, container)| cause(pod, container, log, &events));
    let object = places.objects.iter().find(|object| target.is_of(object));
    let place = cause.as_ref().map(|cause| {
        resolve(cause, places.workspace, |path| {
            field(object?, container.unwrap_or_default(), path)
        })
    });
    let place = place.unwrap_or_default();
    let said = cause.as_ref().map(|cause| cause.what.as_str());
    let node = pod.map_or("", |pod| text(pod, "/spec/nodeName"));
    let code = cause.as_ref().and_then(|cause| cause.code);
    let code = code.filter(|cause| keeps(verdict.code, *cause));
    let message = format!("{}: {}", target.label(), sentence(verdict, said, node));
    let mut diagnostic = Diagnostic::error(code.unwrap_or(verdict.code), message)
        .at(place.at.or_else(|| target.at.clone()))
        .evidence(
            finding
                .map(|finding| finding.evidence.clone())
                .unwrap_or_default(),
        )
        .evidence(evidence(pod, container, log, &events));
    diagnostic.help = place.help.or(cause.and_then(|cause| cause.help));
    if diagnostic.help.is_none() && diagnostic.code == Code::PullDenied {
        diagnostic.help = pod.and_then(|pod| pull::advice(pod, container.unwrap_or_default()));
    }
    diagnostic
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

/// Whether the fault lies before the container's start, so that nothing of the container can tell it.
fn is_before_start(code: Code) -> bool {
    matches!(
        code,
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
    )
}

/// Looks for the cause in the container.
fn cause(pod: &Value, container: &str, log: &[String], events: &[&Happening]) -> Option<Cause> {
    let events: Vec<String> = events.iter().map(|event| event.said()).collect();
    let container = containers(pod).find(|one| text(one, "/name") == container)?;
    recognise(&Seen {
        container,
        pod,
        log,
        events: &events,
    })
}

/// Puts the cause in the place of the verdict's reason, and the node behind it when the share does not name it.
fn sentence(verdict: &Sentence<'_>, cause: Option<&str>, node: &str) -> String {
    let Sentence { said, share, .. } = *verdict;
    let head = said.split(" — ").next().unwrap_or(said);
    let said = match cause.filter(|cause| !head.contains(cause)) {
        Some(cause) => format!("{head} — {cause}"),
        None => said.to_owned(),
    };
    match (share, node) {
        ("", "") => said,
        ("", node) => format!("{said} (node {node})"),
        (share, _) => format!("{said}{share}"),
    }
}

/// Lines that prove it: where, in which state, what was logged, what was warned of.
fn evidence(
    pod: Option<&Value>,
    container: Option<&str>,
    log: &[String],
    events: &[&Happening],
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(pod) = pod {
        let node = text(pod, "/spec/nodeName");
        lines.push(if node.is_empty() {
            format!("pod {}", name_of(pod))
        } else {
            format!("pod {} on node {node}", name_of(pod))
        });
        lines.extend(containers(pod).flat_map(states));
    }
    let name = container.unwrap_or_default();
    let from = log.len().saturating_sub(LINES);
    lines.extend(log[from..].iter().map(|line| format!("log {name}: {line}")));
    let from = events.len().saturating_sub(EVENTS);
    lines.extend(events[from..].iter().map(|event| event.line()));
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
