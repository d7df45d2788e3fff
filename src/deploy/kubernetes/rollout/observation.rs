//! What observers say and what the judge makes of it: plain data between the modules of a rollout.

use jiff::Timestamp;
use serde_json::Value;

use super::rules::Rule;
use super::state::State;
use super::target::Target;
use crate::cluster::text;
use crate::code::Code;

/// Everything that an observer looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) state: &'a State,
    /// The target, and all targets of this deployment.
    pub(super) target: &'a Target,
    pub(super) targets: &'a [Target],
    /// The target as it is live.
    pub(super) object: &'a Value,
    /// What is older says nothing about what was applied.
    pub(super) applied: Timestamp,
    pub(super) now: Timestamp,
}

impl Seen<'_> {
    /// Whether an object was there before our apply.
    pub(super) fn is_old(&self, object: &Value) -> bool {
        text(object, "/metadata/creationTimestamp")
            .parse::<Timestamp>()
            .is_ok_and(|made| made < self.applied)
    }
}

/// How far an object is, by its own status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There; what a person should know all the same.
    Done(Vec<String>),
    /// Not there; what it waits for.
    Going(String),
}

impl Progress {
    /// There, and nothing to say.
    pub(super) fn done() -> Self {
        Self::Done(Vec::new())
    }
}

/// Something of a rule that was seen on one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) rule: Rule,
    /// Uid of the pod; empty when it is about the target itself.
    pub(super) pod: String,
    /// Empty when it is about no container.
    pub(super) container: String,
    /// The cause, without how many pods have it.
    pub(super) text: String,
    /// How often, as far as the cluster counts it.
    pub(super) count: u32,
    /// Names one occurrence: when it changes or comes back, that is one more.
    pub(super) occurrence: Option<String>,
    /// Whether the evidence is in the log of the run before.
    pub(super) previous: bool,
    /// The pod is older than our apply.
    pub(super) old: bool,
    /// The container recovered: the count starts here.
    pub(super) healthy: bool,
}

impl Observation {
    /// About the target itself.
    pub(super) fn of(rule: Rule, text: impl Into<String>) -> Self {
        Self {
            rule,
            pod: String::new(),
            container: String::new(),
            text: text.into(),
            count: 0,
            occurrence: None,
            previous: false,
            old: false,
            healthy: false,
        }
    }
}

/// A verdict on one target.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::deploy::kubernetes) enum Verdict {
    /// Not finished.
    Progressing {
        /// What it waits for.
        what: String,
        /// When to judge again although nothing changed.
        next_check: Option<Timestamp>,
        /// What seems to be wrong.
        hypothesis: Option<Box<Finding>>,
    },
    /// What was applied is what serves.
    Succeeded {
        /// What a person should know all the same.
        warnings: Vec<String>,
    },
    /// No waiting will help.
    Failed(Box<Finding>),
}

/// What is wrong, with what proves it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::deploy::kubernetes) struct Finding {
    pub(in crate::deploy::kubernetes) code: Code,
    /// The rule behind it.
    pub(super) rule: Rule,
    /// One sentence, without how many pods have it.
    pub(in crate::deploy::kubernetes) cause: String,
    /// How many, and what they hold up: ` (2 of 2 new pods, node n1)`. Empty when it is not about pods of many.
    pub(in crate::deploy::kubernetes) share: String,
    /// Where to look for evidence.
    pub(in crate::deploy::kubernetes) culprit: Option<Culprit>,
    /// Since when, how often, what would have been waited for, events. Untrusted text.
    pub(in crate::deploy::kubernetes) evidence: Vec<String>,
    /// First sight.
    pub(in crate::deploy::kubernetes) since: Timestamp,
}

impl Finding {
    /// The whole sentence.
    pub(in crate::deploy::kubernetes) fn sentence(&self) -> String {
        format!("{}{}", self.cause, self.share)
    }
}

/// The pod that tells most.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::deploy::kubernetes) struct Culprit {
    /// As the API server gave it, trimmed.
    pub(in crate::deploy::kubernetes) pod: Value,
    /// `None`: it is about the pod as a whole.
    pub(in crate::deploy::kubernetes) container: Option<String>,
    /// Whether the log of the run before tells it.
    pub(in crate::deploy::kubernetes) previous: bool,
}

/// A target that was not done in time.
#[derive(Clone, Debug)]
pub(in crate::deploy::kubernetes) struct Late<'a> {
    pub(in crate::deploy::kubernetes) target: &'a Target,
    /// One sentence: what it waits for, and what most likely is wrong, without how many pods have it.
    pub(in crate::deploy::kubernetes) cause: String,
    pub(in crate::deploy::kubernetes) guess: Option<&'a Finding>,
}
