//! What an image in a registry consists of, as reports show it: plain data.

use serde::{Deserialize, Serialize};

/// The pushed image, layer by layer, and the image that was live when it was pushed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Layers {
    /// Lowest first.
    pub(crate) layers: Vec<Layer>,
    /// `None` when nothing of the same repository was live.
    pub(crate) before: Option<Before>,
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
