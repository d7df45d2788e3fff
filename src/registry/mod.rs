//! Registries: references, credentials per registry, manifests and blobs. It knows no stage and no container engine.

mod challenge;
mod client;
mod credentials;
mod reference;

pub(crate) use client::{check_push, denied, digest};
pub(crate) use credentials::{Credentials, credentials};
pub(crate) use reference::{Reference, check_tag};
