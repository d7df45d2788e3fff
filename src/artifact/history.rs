//! What the last runs of the experiment measured, as reports show it: plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Measure;

/// The last runs of an experiment, oldest first; this job's own is among them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) runs: Vec<PastRun>,
}

/// One run and what it measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PastRun {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Where a person can look at it; `None` for a store without a server.
    pub(crate) url: Option<String>,
    /// Last value of each metric.
    pub(crate) metrics: BTreeMap<String, Measure>,
}
