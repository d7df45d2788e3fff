//! Registries: references, credentials per registry, manifests and blobs. It knows no stage and no container engine.

mod attachment;
mod challenge;
mod client;
mod credentials;
mod images;
mod labels;
mod layers;
mod missing;
mod newest;
mod reference;
mod refusal;

pub(crate) use attachment::{Attached, Attachment, attach, attached};
pub(crate) use client::{check_push, digest};
pub(crate) use credentials::{Credentials, credentials};
pub(crate) use images::{OneImage, images};
pub(crate) use labels::labels;
pub(crate) use layers::layers;
pub(crate) use missing::make;
pub(crate) use newest::newest;
pub(crate) use reference::{Reference, check_tag};
pub(crate) use refusal::denied;
