//! What a container waits for: its image, its configuration, its start.

use super::container::Container;
use super::observation::{Observation, Seen};
use super::pull;
use super::rules::Rule;
use crate::cluster::{text, uid_of};

/// Observes a container that waits.
pub(super) fn observe(seen: &Seen<'_>, container: Container<'_>, out: &mut Vec<Observation>) {
    let reason = container.waiting();
    let message = text(container.status, "/state/waiting/message");
    let plain =
        |rule: Rule| container.sees(seen, rule, format!("cannot be made: {message} — {reason}"));
    match reason {
        "InvalidImageName" => out.push(container.sees(
            seen,
            Rule::ImageNameInvalid,
            format!("has an image name that cannot be parsed: {message} — {reason}"),
        )),
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "SignatureValidationFailed"
        | "ImageInspectError"
        | "RegistryUnavailable" => {
            out.extend(pulling(seen, container, reason, message));
        }
        "CreateContainerConfigError" => out.extend(configuration(seen, message).map(plain)),
        "CreateContainerError" if message.contains("no command specified") => {
            out.push(plain(Rule::CommandMissing));
        }
        "CreateContainerError" => out.push(plain(Rule::CreateFailed)),
        "RunContainerError" | "StartError" | "ContainerCannotRun" => {
            out.push(starting(seen, container, reason, message));
        }
        _ => {}
    }
}

/// A pull that failed. The back-off says little in older clusters; then the event has the text.
fn pulling(
    seen: &Seen<'_>,
    container: Container<'_>,
    reason: &str,
    message: &str,
) -> Option<Observation> {
    // The template's spelling: the runtime's own lacks what it could not resolve.
    let image = match text(container.spec, "/image") {
        "" => text(container.status, "/image"),
        image => image,
    };
    let told = match reason {
        "ErrImageNeverPull" => Some(Rule::ImageNeverPulled),
        "SignatureValidationFailed" => Some(Rule::SignatureInvalid),
        "ImageInspectError" | "RegistryUnavailable" => Some(Rule::PullUnknown),
        _ => None,
    };
    let events = seen.state.events(uid_of(container.pod), seen.applied);
    let failed = events.iter().rev().find(|event| {
        event.reason == "Failed"
            && event.message.contains("pull image")
            && (event.container.is_empty() || event.container == container.name())
    });
    let event = failed.map_or("", |event| event.message.as_str());
    let old = seen.is_old(container.pod);
    // A back-off from before our apply says nothing: the image may be there by now.
    let own = if old || message.is_empty() {
        ""
    } else {
        message
    };
    let said = match (told, own, event) {
        (Some(_), _, _) => message,
        (None, own, event) if pull::rule(own) == Rule::PullUnknown && !event.is_empty() => event,
        (None, "", "") => return None,
        (None, own, _) => own,
    };
    let rule = told.unwrap_or_else(|| pull::rule(said));
    let digest = text(
        seen.object,
        "/spec/template/metadata/annotations/ml-deploy~1digest",
    );
    let ours = !digest.is_empty() && image.ends_with(digest);
    let (rule, what) = match rule {
        Rule::ImageAbsent if ours => (
            Rule::PushedImageAbsent,
            format!(
                "asks for image `{image}`, which this run pushed and the node does not find: it asks another registry than we pushed to, or somebody removed it — {reason}"
            ),
        ),
        Rule::ImageAbsent => (
            rule,
            format!("asks for image `{image}`, which is not found — {reason}"),
        ),
        Rule::ImageNeverPulled => (
            rule,
            format!(
                "asks for image `{image}`, which the node does not have and may not pull (`imagePullPolicy: Never`) — {reason}"
            ),
        ),
        rule => (
            rule,
            format!("cannot pull image `{image}`: {} — {reason}", short(said)),
        ),
    };
    let counted = failed.filter(|event| event.first >= seen.applied);
    Some(Observation {
        count: counted.map_or(0, |event| event.count),
        occurrence: (reason == "ErrImagePull").then(|| reason.to_owned()),
        ..container.sees(seen, rule, what)
    })
}

/// The last part of a chain of causes tells most.
pub(super) fn short(said: &str) -> &str {
    const LONGEST: usize = 240;
    let start = said.len().saturating_sub(LONGEST);
    let said = &said[said.ceil_char_boundary(start)..];
    match start {
        0 => said,
        _ => said.split_once(": ").map_or(said, |(_, rest)| rest),
    }
}

/// Which rule a refused configuration falls under; none while the node's cache is only late.
fn configuration(seen: &Seen<'_>, message: &str) -> Option<Rule> {
    if message.contains("failed to sync") {
        return None;
    }
    if message.contains("runAsNonRoot") || message.contains("runAsUser") {
        return Some(Rule::ConfigurationRefused);
    }
    let missing = message.contains("not found") || message.contains("couldn't find key");
    Some(match missing {
        true => missing_configuration(seen, message),
        false => Rule::ConfigurationUnknown,
    })
}

/// A Secret or ConfigMap that is not there: for good, unless this deployment has something that may write it.
pub(super) fn missing_configuration(seen: &Seen<'_>, message: &str) -> Rule {
    let may_come = seen.targets.iter().any(|target| {
        let group = &target.resource.group;
        let named = message.contains(&format!("\"{}\"", target.name))
            || message.ends_with(&format!("/{}", target.name));
        let custom = group.contains('.') && !group.ends_with(".k8s.io");
        custom || (matches!(target.kind(), "Secret" | "ConfigMap") && named)
    });
    match may_come {
        true => Rule::ConfigurationAwaited,
        false => Rule::ConfigurationMissing,
    }
}

/// A container that the runtime did not start.
pub(super) fn starting(
    seen: &Seen<'_>,
    container: Container<'_>,
    reason: &str,
    message: &str,
) -> Observation {
    let words = message.to_lowercase();
    let program = words.contains("exec")
        && [
            "executable file not found",
            "no such file or directory",
            "permission denied",
            "is a directory",
        ]
        .iter()
        .any(|sign| words.contains(sign));
    let rule = if words.contains("exec format error") {
        Rule::WrongProcessor
    } else if program {
        Rule::ProgramAbsent
    } else {
        Rule::StartFailed
    };
    Observation {
        count: container.restarts().saturating_add(1),
        ..container.sees(
            seen,
            rule,
            format!("cannot be started: {} — {reason}", short(message)),
        )
    }
}
