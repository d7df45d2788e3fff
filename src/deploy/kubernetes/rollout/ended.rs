//! How a container ended, and what of that is a pattern: no memory, no program, no module, again and again.

use serde_json::Value;

use super::container::{Container, ending};
use super::observation::{Observation, Seen};
use super::probes;
use super::rules::Rule;
use super::state::Tail;
use super::waiting::{short, starting};
use crate::cluster::{text, uid_of};

/// A container that ended, unless it runs again; a ready one only says where to count from.
pub(super) fn observe(seen: &Seen<'_>, container: Container<'_>, out: &mut Vec<Observation>) {
    let Some(end) = container.ended() else { return };
    if container.running() && !container.recovered(seen) {
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
        if !container.running() {
            out.push(starting(seen, container, reason, text(end, "/message")));
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
        ..container.sees(seen, rule, what)
    };
    let ending = ending(end);
    if !container.running() {
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
        out.push(sees(
            Rule::OutOfMemory,
            format!("{ending} — {limit}"),
            count,
        ));
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
    let again = match restarts {
        0 => String::new(),
        1 => " — CrashLoopBackOff, 1 restart".to_owned(),
        many => format!(" — CrashLoopBackOff, {many} restarts"),
    };
    let crash = format!("{ending}{again}{last}");
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
