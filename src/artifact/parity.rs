//! The image compared with the training: plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The environment that serves, and the model in the image, compared with those of the training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parity {
    pub(crate) verdict: ParityVerdict,
    /// `strict`, `safe`, `report`.
    pub(crate) mode: String,
    /// The interpreter that serves, as it is called in the image. Untrusted text.
    pub(crate) interpreter: Option<String>,
    /// How it was found.
    pub(crate) found: Option<String>,
    /// Packages that the model needs, each with the reason.
    pub(crate) bearing: BTreeMap<String, String>,
    /// Worst first.
    pub(crate) rows: Vec<ParityRow>,
    /// Path of the constraints file, relative to the workspace's root.
    pub(crate) constraints: Option<String>,
}

/// The whole comparison in a word: the output `parity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ParityVerdict {
    Pass,
    Warn,
    Fail,
}

impl ParityVerdict {
    /// The word in outputs and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// How much a difference matters. Lesser ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ParityLevel {
    Info,
    Warn,
    Block,
}

/// One difference. All of it is untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParityRow {
    pub(crate) level: ParityLevel,
    /// Slug of the code.
    pub(crate) code: String,
    /// Package, or what else differs.
    pub(crate) subject: String,
    pub(crate) trained: String,
    pub(crate) served: String,
    /// Why it matters to this model.
    pub(crate) why: String,
    /// What to change; empty when there is nothing to do.
    pub(crate) fix: String,
    /// The entry of `parity-allow` that lets it pass, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) allowed: Option<String>,
}
