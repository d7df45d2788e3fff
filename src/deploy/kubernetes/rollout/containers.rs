//! What the statuses of a pod's containers say: images, configuration, starts, ends, probes.

use serde_json::Value;

use super::observation::{Observation, Seen};
use super::rules::Rule;
use super::state::Tail;
use super::{probes, pull};
use crate::cluster::{text, uid_of};

/// One container of a pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct Container<'a> {
    pub(super) pod: &'a Value,
    pub(super) status: &'a Value,
    pub(super) spec: &'a Value,
    /// It runs before the others and is meant to end.
    pub(super) init: bool,
}

impl<'a> Container<'a> {
    /// All containers of a pod that have a status, those of init first.
    pub(super) fn all(pod: &'a Value) -> impl Iterator<Item = Self> {
        [
            ("/status/initContainerStatuses", "/spec/initContainers"),
            ("/status/containerStatuses", "/spec/containers"),
        ]
        .into_iter()
        .flat_map(move |(statuses, specs)| {
            let found = pod.pointer(statuses).and_then(Value::as_array);
            found.into_iter().flatten().map(move |status| {
                let specs = pod.pointer(specs).and_then(Value::as_array);
                let mut named = specs.into_iter().flatten();
                let spec = named
                    .find(|spec| spec.get("name") == status.get("name"))
                    .unwrap_or(&Value::Null);
                // An init container that is restarted for ever is a sidecar.
                let init = statuses.contains("init") && text(spec, "/restartPolicy") != "Always";
                Self {
                    pod,
                    status,
                    spec,
                    init,
                }
            })
        })
    }

    pub(super) fn name(&self) -> &'a str {
        text(self.status, "/name")
    }

    pub(super) fn restarts(&self) -> u32 {
        let count = self.status.get("restartCount").and_then(Value::as_u64);
        u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX)
    }

    pub(super) fn ready(&self) -> bool {
        self.status.get("ready") == Some(&Value::Bool(true))
    }

    pub(super) fn running(&self) -> bool {
        self.status.pointer("/state/running").is_some()
    }

    fn waiting(&self) -> &'a str {
        text(self.status, "/state/waiting/reason")
    }

    /// How it ended last: this run, or the one before.
    pub(super) fn ended(&self) -> Option<&'a Value> {
        let of = |state: &str| self.status.pointer(state).filter(|end| end.is_object());
        of("/state/terminated").or_else(|| of("/lastState/terminated"))
    }

    /// Who it is, in a sentence.
    pub(super) fn label(&self) -> String {
        let kind = if self.init {
            "init container"
        } else {
            "container"
        };
        format!("{kind} `{}`", self.name())
    }

    /// An observation on this container.
    fn sees(&self, rule: Rule, what: impl std::fmt::Display) -> Observation {
        Observation {
            pod: uid_of(self.pod).to_owned(),
            container: self.name().to_owned(),
            healthy: self.ready(),
            ..Observation::of(rule, format!("{} {what}", self.label()))
        }
    }
}

/// How a container ended, in words: `exits 1`.
pub(super) fn ending(end: &Value) -> String {
    let code = end.get("exitCode").and_then(Value::as_i64);
    match (text(end, "/reason"), code) {
        ("OOMKilled", _) => "is killed for memory (OOMKilled)".to_owned(),
        (_, Some(code)) => format!("exits {code}"),
        (reason, None) => format!("ends: {reason}"),
    }
}

/// Observes every container of a pod.
pub(super) fn observe(seen: &Seen<'_>, pod: &Value, out: &mut Vec<Observation>) {
    for container in Container::all(pod) {
        let mut found = Vec::new();
        waiting(seen, container, &mut found);
        if found.is_empty() {
            ended(seen, container, &mut found);
        }
        probes::observe(seen, container, &mut found);
        out.append(&mut found);
    }
}

impl Container<'_> {
    /// For the module of probes.
    pub(super) fn observed(&self, rule: Rule, what: impl std::fmt::Display) -> Observation {
        self.sees(rule, what)
    }
}

fn waiting(seen: &Seen<'_>, container: Container<'_>, out: &mut Vec<Observation>) {
    let reason = container.waiting();
    let message = text(container.status, "/state/waiting/message");
    let plain = |rule: Rule| container.sees(rule, format!("cannot be made: {message} — {reason}"));
    match reason {
        "InvalidImageName" => out.push(container.sees(
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
            out.push(starting(container, reason, message));
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
        ..container.sees(rule, what)
    })
}

/// The last part of a chain of causes tells most.
fn short(said: &str) -> &str {
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
fn starting(container: Container<'_>, reason: &str, message: &str) -> Observation {
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
            rule,
            format!("cannot be started: {} — {reason}", short(message)),
        )
    }
}

/// A container that ended, unless it runs again; a ready one only says where to count from.
fn ended(seen: &Seen<'_>, container: Container<'_>, out: &mut Vec<Observation>) {
    let Some(end) = container.ended() else { return };
    if container.running() && !container.ready() {
        return;
    }
    let code = end.get("exitCode").and_then(Value::as_i64).unwrap_or(-1);
    let reason = text(end, "/reason");
    let restarts = container.restarts();
    let pod = uid_of(container.pod);
    let run = text(end, "/containerID");
    if matches!(
        reason,
        "StartError" | "ContainerCannotRun" | "RunContainerError"
    ) {
        if !container.ready() {
            out.push(starting(container, reason, text(end, "/message")));
        }
        return;
    }
    let always = !matches!(
        text(container.pod, "/spec/restartPolicy"),
        "Never" | "OnFailure"
    );
    if code == 0 && (container.init || !always) {
        return;
    }
    let tail = seen.state.log(pod, container.name(), run);
    let said = format!(
        "{}{}",
        text(end, "/message"),
        tail.map(text_of).unwrap_or_default()
    );
    let sees = |rule: Rule, what: String, count: u32| Observation {
        count,
        occurrence: Some(run.to_owned()),
        previous: container.status.pointer("/state/terminated").is_none(),
        ..container.sees(rule, what)
    };
    let ending = ending(end);
    if !container.ready() {
        if said.to_lowercase().contains("exec format error") {
            out.push(sees(Rule::WrongProcessor, format!("{ending} — exec format error: it is built for another processor than the node has"), 1));
        } else if matches!(code, 126 | 127) {
            out.push(sees(
                Rule::ProgramAbsent,
                format!("{ending} — its command is not there or may not be executed"),
                1,
            ));
        } else if let Some(line) = import_error(&said) {
            let rule = if container.init {
                Rule::InitImportFailed
            } else {
                Rule::ImportFailed
            };
            out.push(sees(rule, format!("{ending} — {line}"), 1));
        }
    }
    // A Job's failures are counted by its controller, and a bare pod's end by its phase.
    if seen.target.kind() == "Job" || text(container.pod, "/spec/restartPolicy") == "Never" {
        return;
    }
    if reason == "OOMKilled" {
        let both = ["/state/terminated/reason", "/lastState/terminated/reason"]
            .iter()
            .filter(|at| text(container.status, at) == "OOMKilled")
            .count();
        let count = if restarts >= 2 {
            2
        } else {
            u32::try_from(both).unwrap_or(1)
        };
        let limit = match text(container.spec, "/resources/limits/memory") {
            "" => "no limit of its own, so the node's memory was full".to_owned(),
            limit => format!("limit {limit}"),
        };
        out.push(sees(Rule::OutOfMemory, format!("{ending}, {limit}"), count));
        return;
    }
    // What a probe kills ends for the probe's reason.
    if probes::kills(seen, container) > 0 {
        return;
    }
    if code == 0 {
        out.push(sees(
            Rule::Exited,
            "ends with exit status 0 although it is to serve: its command runs once".to_owned(),
            restarts.saturating_add(1),
        ));
        return;
    }
    let last = tail
        .and_then(|tail| last_line(tail))
        .map(|line| format!(", last line: {}", short(line)))
        .unwrap_or_default();
    let crash = format!("{ending} — CrashLoopBackOff, {restarts} restarts{last}");
    let (any, alike) = match container.init {
        true => (Rule::InitCrashed, Rule::InitCrashedAlike),
        false => (Rule::Crashed, Rule::CrashedAlike),
    };
    let counted = |rule: Rule| Observation {
        occurrence: None,
        ..sees(rule, crash.clone(), restarts)
    };
    if is_alike(seen.state.tails(pod, container.name()), run) {
        out.push(counted(alike));
    }
    out.push(counted(any));
}

/// Whether the last two runs ended with the same status and the same last line, numbers left out: times differ.
fn is_alike(tails: &[Tail], run: &str) -> bool {
    let [before, last] = tails else { return false };
    let line = |tail: &Tail| {
        let words = last_line(tail).unwrap_or_default().split_whitespace();
        let kept = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
        kept.map(str::to_owned).collect::<Vec<_>>()
    };
    last.run == run && before.exit == last.exit && line(before) == line(last)
}

fn last_line(tail: &Tail) -> Option<&str> {
    let mut lines = tail.lines.iter().rev().map(|line| line.trim());
    lines.find(|line| !line.is_empty())
}

fn text_of(tail: &Tail) -> String {
    tail.lines
        .iter()
        .fold(String::new(), |text, line| text + "\n" + line)
}

/// The line of a failed Python import: a module does not come by waiting.
fn import_error(said: &str) -> Option<&str> {
    let mut lines = said.lines().map(str::trim);
    lines
        .find(|line| line.starts_with("ModuleNotFoundError: ") || line.starts_with("ImportError: "))
}
