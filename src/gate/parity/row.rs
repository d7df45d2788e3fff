//! One row of the table of differences.

use crate::artifact::ParityLevel as Level;
use crate::code::Code;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) level: Level,
    pub(super) code: Code,
    pub(super) subject: String,
    pub(super) trained: String,
    pub(super) served: String,
    pub(super) why: String,
}

impl Row {
    pub(super) fn new(
        level: Level,
        code: Code,
        subject: &str,
        versions: (&str, &str),
        why: impl Into<String>,
    ) -> Self {
        Self {
            level,
            code,
            subject: subject.to_owned(),
            trained: versions.0.to_owned(),
            served: versions.1.to_owned(),
            why: why.into(),
        }
    }
}

/// What stands in a column when there is nothing.
pub(super) const NONE: &str = "—";
