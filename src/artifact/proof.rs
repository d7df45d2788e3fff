//! What environment and predictions say together about the built image: plain data.

use serde::{Deserialize, Serialize};

/// The conclusion before the push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    pub(crate) environment: ProofSide,
    pub(crate) predictions: ProofAnswers,
    /// The package, or what else differs, that is to blame most likely. Untrusted text.
    pub(crate) guilty: Option<String>,
    /// What the image does: `the image predicts otherwise than recorded`.
    pub(crate) seen: String,
    /// What follows from the environment, as the second half of a sentence. Untrusted text.
    pub(crate) why: String,
}

impl Proof {
    /// The whole in one sentence. Untrusted text.
    pub(crate) fn sentence(&self) -> String {
        format!("{}: {}", self.seen, self.why)
    }
}

/// The environment that serves, compared with the one that trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProofSide {
    Same,
    Other,
    Unknown,
}

/// What the container answered to recorded requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProofAnswers {
    /// As recorded.
    Same,
    /// Other predictions than were recorded.
    Other,
    /// No predictions: the container does not start, or answers errors.
    Failed,
    /// Nothing was asked, or nobody recorded what the answers should be.
    Unknown,
}
