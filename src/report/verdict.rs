//! How a run ended, as every reporter tells it.

use crate::code::Code;
use crate::failure::Failure;

/// How the run ended, in one word: the output `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failure,
    Cancelled,
    /// Nothing had changed; an earlier result still holds.
    Reused,
}

impl Status {
    /// The word in outputs and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Reused => "reused",
        }
    }
}

/// The end of the run.
#[derive(Debug)]
pub(crate) struct Verdict<'a> {
    pub(crate) status: Status,
    pub(crate) failure: Option<&'a Failure>,
    /// Exit status of the process.
    pub(crate) exit: u8,
    /// What was left half done, one line each; empty when everything is as it should be.
    pub(crate) left: &'a [String],
}

impl<'a> Verdict<'a> {
    /// All went well.
    pub(crate) fn success(status: Status) -> Self {
        Self {
            status,
            failure: None,
            exit: 0,
            left: &[],
        }
    }

    /// It did not; the failure's first finding decides the exit status, and whether this is a failure or a cancel.
    pub(crate) fn failure(failure: &'a Failure, left: &'a [String]) -> Self {
        let code = failure.code();
        let cancelled = matches!(code, Code::Interrupted | Code::Terminated);
        Self {
            status: if cancelled {
                Status::Cancelled
            } else {
                Status::Failure
            },
            failure: Some(failure),
            exit: code.exit(),
            left,
        }
    }
}
