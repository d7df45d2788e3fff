//! Who we are at Azure, and what it hands out for it: logins of registries, kubeconfigs and tokens of clusters.

mod aks;
mod arm;
mod denial;
mod identity;
mod managed;
pub(crate) mod ml;
mod registry;
mod sovereign;

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use self::identity::Identity;
use self::registry::Known;
use super::Surroundings;
use crate::cloud::spec::AzureSpec;

/// The identity at Azure, and its services.
pub(super) struct Azure {
    spec: AzureSpec,
    around: Surroundings,
    identity: Identity,
    /// Logins by the registry's host.
    registries: Mutex<BTreeMap<String, Known>>,
}

impl Azure {
    pub(super) fn new(spec: AzureSpec, around: Surroundings) -> Self {
        Self {
            identity: Identity::new(&spec, around.clone()),
            spec,
            around,
            registries: Mutex::default(),
        }
    }
}
