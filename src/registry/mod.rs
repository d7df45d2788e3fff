//! Registries: references, credentials per registry, manifests and blobs. It knows no stage and no container engine.

mod attachment;
mod challenge;
mod client;
mod credentials;
mod digest;
mod docker;

mod images;
mod labels;
mod layers;
mod login;
mod missing;
mod newest;
mod plain;
mod programs;
mod reference;
mod refusal;
mod right;
mod token;

pub(crate) use attachment::{Attached, Attachment, attach, attached};
pub(crate) use credentials::credentials;
pub(crate) use digest::digest;
pub(crate) use images::{OneImage, images};
pub(crate) use labels::labels;
pub(crate) use layers::layers;
pub(crate) use login::{Credentials, HUB};
pub(crate) use missing::make;
pub(crate) use newest::newest;
pub(crate) use plain::{Insecure, Plain};
pub(crate) use reference::{Reference, check_tag};
pub(crate) use refusal::denied;
pub(crate) use right::check_push;
