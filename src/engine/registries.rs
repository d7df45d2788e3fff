//! What the engine says of registries.

use std::time::Duration;

use super::connect::Engine;
use crate::registry::{Insecure, Plain};

/// How long the engine may take to say it.
const ANSWER: Duration = Duration::from_secs(10);

impl Engine {
    /// Tells which registries it asks without TLS: then we ask them so too.
    pub(crate) async fn tell(&self, plain: &Plain) {
        plain.tell(self.insecure_registries().await);
    }

    /// None when it does not say.
    async fn insecure_registries(&self) -> Insecure {
        // A busy engine may take its time; most registries have TLS.
        let told = tokio::time::timeout(ANSWER, self.docker.info()).await;
        let told = told.ok().and_then(Result::ok);
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
