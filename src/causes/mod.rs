//! Recognised causes: from a container's state, its events and the end of its log to one fragment of a sentence, a code
//! and what to change. It knows no cluster and no engine; only `place` looks into the workspace. Log text is data, never an instruction.

mod exception;
mod lines;
mod listen;
mod models;
mod modules;
mod network;
mod place;
mod probes;
#[cfg(test)]
mod probes_tests;
mod start;
mod traceback;

use exception::ours;
pub(crate) use place::resolve;

use serde_json::Value;

use self::traceback::{Frame, Traceback};
use crate::code::Code;

/// Longest fragment; an exception's message may be a page.
const MOST: usize = 240;

/// What is known of a container that does not serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// Its entry in `status.containerStatuses` or `status.initContainerStatuses`.
    pub(crate) container: &'a Value,
    pub(crate) pod: &'a Value,
    /// The end of its log, of the run that failed. Untrusted.
    pub(crate) log: &'a [String],
    /// `Reason: message` of events since what was applied. Untrusted.
    pub(crate) events: &'a [String],
}

/// A recognised cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// `None`: the code of the observation says it well enough.
    pub(crate) code: Option<Code>,
    /// A fragment for one sentence: `ModuleNotFoundError: No module named 'sklearn'`. May quote the log.
    pub(crate) what: String,
    /// What to change, where it is known better than the code's own help.
    pub(crate) help: Option<String>,
    /// Where to change it, best first.
    pub(crate) places: Vec<Place>,
}

/// A place as the cluster knows it; the workspace turns it into a file and a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A module that the image lacks: the user's own file, or a line of the requirements.
    Module(String),
    /// Where the versions of the image's libraries are written.
    Requirements,
    /// Frames of a traceback within the container, outermost first.
    Frames(Vec<Frame>),
    /// A field of the container in the manifest: `livenessProbe.httpGet.path`.
    Field(String),
}

impl Cause {
    fn new(code: impl Into<Option<Code>>, what: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            what: shorten(&what.into()),
            help: None,
            places: Vec::new(),
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn at(mut self, place: Place) -> Self {
        self.places.push(place);
        self
    }

    fn field(self, path: impl Into<String>) -> Self {
        self.at(Place::Field(path.into()))
    }
}

/// The cause, if it is one that we know. A fact of the runtime goes before the log; the last error of a log goes before
/// earlier ones; what an exit code usually means comes last.
pub(crate) fn recognise(seen: &Seen<'_>) -> Option<Cause> {
    let log = traceback::clean(seen.log);
    let seen = &Seen { log: &log, ..*seen };
    start::killed_for_memory(seen)
        .or_else(|| start::refused(seen))
        .or_else(|| {
            probes::decides(seen)
                .then(|| probes::recognise(seen))
                .flatten()
        })
        .or_else(|| last_error(seen))
        .or_else(|| {
            start::killed_by_probe(seen)
                .then(|| probes::recognise(seen))
                .flatten()
        })
        .or_else(|| start::exit_code(seen))
}

/// The last error in the log. What stands before the last line that says that the server listens is over.
fn last_error(seen: &Seen<'_>) -> Option<Cause> {
    let log = seen.log;
    let tracebacks = traceback::all(log);
    let mut index = log.len();
    while index > 0 {
        index -= 1;
        let line = &log[index];
        if let Some(at) = tracebacks
            .iter()
            .position(|one| (one.start..=one.end).contains(&index))
        {
            return Some(raised(seen, &tracebacks, at));
        }
        if let Some(cause) = lines::recognise(seen, index) {
            return Some(cause);
        }
        if listen::address(line).is_some() {
            return None;
        }
    }
    None
}

/// The cause of a traceback. One that only wraps another (`raise RuntimeError("no model")` in a handler) leaves the word
/// to the one that it was raised for.
fn raised(seen: &Seen<'_>, all: &[Traceback], at: usize) -> Cause {
    let last = &all[at];
    let cause = exception::recognise(seen, last);
    let (Some(kind), true) = (last.follows, at > 0) else {
        return cause;
    };
    let wraps = kind == traceback::Follows::Cause || last.raises;
    if cause.code.is_some() || cause.help.is_some() || !wraps {
        return cause;
    }
    let first = raised(seen, all, at - 1);
    if first.code.is_none() {
        return cause;
    }
    Cause {
        what: shorten(&format!("{} ({})", first.what, cause.what)),
        ..first
    }
}

/// A text of an object; empty when it is not there or no text.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

/// The container in the pod's specification.
fn specification<'a>(seen: &Seen<'a>) -> &'a Value {
    let name = text(seen.container, "/name");
    ["/spec/containers", "/spec/initContainers"]
        .into_iter()
        .filter_map(|list| seen.pod.pointer(list).and_then(Value::as_array))
        .flatten()
        .find(|container| text(container, "/name") == name)
        .unwrap_or(&Value::Null)
}

/// How the run ended whose log is looked at.
fn ended<'a>(seen: &Seen<'a>) -> Option<&'a Value> {
    seen.container
        .pointer("/state/terminated")
        .or_else(|| seen.container.pointer("/lastState/terminated"))
}

/// The memory limit of the container, as the manifest writes it.
fn memory_limit<'a>(seen: &Seen<'a>) -> Option<&'a str> {
    let limit = text(specification(seen), "/resources/limits/memory");
    Some(limit).filter(|limit| !limit.is_empty())
}

/// One line of at most `MOST` characters.
fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST {
        return line;
    }
    let head: String = line.chars().take(MOST).collect();
    format!("{}…", head.trim_end())
}

/// What stands between two marks.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    Some(found)
}

/// The first text in quotes of either kind.
fn quoted(text: &str) -> Option<&str> {
    let start = text.find(['\'', '"'])?;
    let mark = text[start..].chars().next()?;
    text[start + 1..].split(mark).next()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
