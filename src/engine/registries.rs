//! What the engine says of registries.

use super::connect::Engine;
use crate::registry::Insecure;

impl Engine {
    /// Which registries it asks without TLS; none when it does not say.
    pub(crate) async fn insecure_registries(&self) -> Insecure {
        let told = self.docker.info().await.ok();
        let Some(told) = told.and_then(|info| info.registry_config) else {
            return Insecure::default();
        };
        let indexes = told.index_configs.unwrap_or_default().into_iter();
        let insecure = indexes.filter(|(_, index)| index.secure == Some(false));
        Insecure {
            names: insecure.map(|(name, _)| name).collect(),
            networks: told.insecure_registry_cidrs.unwrap_or_default(),
        }
    }
}
