//! What the engine tells of containers from outside: which ones carry a label, and how much memory one uses.

use std::collections::HashMap;

use anyhow::Context as _;
use bollard::query_parameters::{ListContainersOptionsBuilder, StatsOptionsBuilder};
use futures_util::TryStreamExt as _;

use super::connect::Engine;

impl Engine {
    /// All containers with a label, running or not: id and the label's value.
    pub(crate) async fn labelled(&self, label: &str) -> anyhow::Result<Vec<(String, String)>> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let found = self.docker.list_containers(Some(options)).await;
        let found = found.with_context(|| format!("failed to list containers with `{label}`"))?;
        let one = |container: bollard::models::ContainerSummary| {
            let value = container.labels?.remove(label)?;
            Some((container.id?, value))
        };
        Ok(found.into_iter().filter_map(one).collect())
    }

    /// Bytes of memory that a container uses now, or at most until now where the kernel tells. Files that are only cached
    /// do not count, as in `docker stats`. `None` when nothing is told, as of a container that has ended.
    pub(crate) async fn memory(&self, container: &str) -> anyhow::Result<Option<u64>> {
        let options = StatsOptionsBuilder::new()
            .stream(false)
            .one_shot(true)
            .build();
        let mut stats = std::pin::pin!(self.docker.stats(container, Some(options)));
        let stats = stats
            .try_next()
            .await
            .with_context(|| format!("failed to read the memory of `{container}`"))?;
        let Some(memory) = stats.and_then(|stats| stats.memory_stats) else {
            return Ok(None);
        };
        let kept = memory.stats.unwrap_or_default();
        let cached = kept
            .get("total_inactive_file")
            .or_else(|| kept.get("inactive_file"));
        let used = memory
            .usage
            .map(|used| used.saturating_sub(cached.copied().unwrap_or_default()));
        Ok(used)
    }
}
