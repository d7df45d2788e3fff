//! What an image in a registry consists of, as reports show it: plain data.

use serde::{Deserialize, Serialize};

/// The tag of layers that are kept for the next build and serve nobody.
pub(crate) const BASE_TAG: &str = "ml-deploy-base";

/// The pushed image, layer by layer, and the image that was live when it was pushed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Layers {
    /// Lowest first.
    pub(crate) layers: Vec<Layer>,
    /// `None` when nothing of the same repository was live.
    pub(crate) before: Option<Before>,
    /// Of an image that is not pushed, and has no compressed layers yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unpacked: Option<Unpacked>,
}

/// How large an image is once it is pulled, beside another one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Unpacked {
    pub(crate) bytes: u64,
    /// What it is compared with; `None` when nothing of the same repository was found.
    pub(crate) before: Option<UnpackedBefore>,
}

/// The image that is live, or was pushed last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct UnpackedBefore {
    pub(crate) image: String,
    pub(crate) live: bool,
    /// `None` when neither engine nor registry knows it.
    pub(crate) bytes: Option<u64>,
}

/// One layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(crate) digest: String,
    /// As the registry keeps it, compressed.
    pub(crate) bytes: u64,
    /// The instruction that made it; empty when the image does not say. Untrusted text.
    #[serde(default)]
    pub(crate) made_by: String,
}

/// The image that was live.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Before {
    /// By digest where that is known.
    pub(crate) image: String,
    pub(crate) layers: Vec<Layer>,
}
