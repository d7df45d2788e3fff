//! What belongs together from a commit to the pods that serve it, and who says so: plain data.

use serde::{Deserialize, Serialize};

/// A link of the chain, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Link {
    Commit,
    Run,
    Version,
    Image,
    Deployment,
    Pod,
}

impl Link {
    /// Every link, in order.
    pub(crate) const ALL: &[Self] = &[
        Self::Commit,
        Self::Run,
        Self::Version,
        Self::Image,
        Self::Deployment,
        Self::Pod,
    ];

    /// The word in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Run => "run",
            Self::Version => "version",
            Self::Image => "image",
            Self::Deployment => "deployment",
            Self::Pod => "pod",
        }
    }
}

/// The chain from one of its ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Chain {
    /// What was asked for.
    pub(crate) asked: String,
    pub(crate) claims: Vec<Claim>,
    pub(crate) missing: Vec<Missing>,
}

/// Something that a link is. All of it is untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) link: Link,
    pub(crate) value: String,
    /// What more is known of it.
    pub(crate) detail: Option<String>,
    /// Who says so, such as `the image's label`.
    pub(crate) by: Vec<String>,
}

/// A link of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Missing {
    pub(crate) link: Link,
    /// Why. Untrusted text.
    pub(crate) why: String,
}

/// Something that serves, with what it says of where it came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    /// `Kind/name`, or a container.
    pub(crate) object: String,
    /// Where it is, in words: `namespace ml`, `the engine`.
    pub(crate) place: String,
    pub(crate) commit: Option<String>,
    pub(crate) run_id: Option<String>,
    /// Digest that it was deployed with.
    pub(crate) digest: Option<String>,
    pub(crate) pods: Vec<ServedPod>,
}

/// One pod, or the container itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServedPod {
    pub(crate) name: String,
    pub(crate) ready: bool,
    /// What its containers run, as references, by digest where the pod or the node says it.
    pub(crate) images: Vec<String>,
}
