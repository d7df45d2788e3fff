//! Registries: references, credentials per registry, manifests and blobs. It knows no stage and no container engine.

mod credentials;
mod reference;

pub(crate) use credentials::{Credentials, credentials};
pub(crate) use reference::Reference;
