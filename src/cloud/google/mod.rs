//! Who we are at Google, and what it hands out for it: logins of registries, addresses and tokens of clusters.

mod denial;
mod endpoints;
mod exchange;
mod gke;
mod identity;
mod jwt;
mod metadata;
mod registry;
mod token;
mod way;

use self::identity::Identity;
use super::Surroundings;
use crate::cloud::spec::GoogleSpec;

/// The identity at Google, and its services.
pub(super) struct Google {
    around: Surroundings,
    identity: Identity,
}

impl Google {
    pub(super) fn new(spec: GoogleSpec, around: Surroundings) -> Self {
        Self {
            identity: Identity::new(spec, around.clone()),
            around,
        }
    }
}
