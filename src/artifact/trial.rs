//! The container of the built image that is tried before the push: how it is started, and what was seen of it.

use serde::{Deserialize, Serialize};

/// How the manifests start the container of the built image, as far as it can be done without a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) env: Vec<(String, String)>,
    /// Instead of the image's ENTRYPOINT.
    pub(crate) entrypoint: Option<Vec<String>>,
    /// Instead of the image's CMD.
    pub(crate) command: Option<Vec<String>>,
    /// Ports that the container declares.
    pub(crate) ports: Vec<u16>,
    /// What only the cluster has: `Secret wine-key`, `volume models`, `a GPU`.
    pub(crate) lacks: Vec<String>,
    /// It is a job, which serves nobody.
    pub(crate) ends: bool,
}

/// What was seen of a container of the built image that was started before the push.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Trial {
    /// From the start of the container until it was healthy, in milliseconds.
    pub(crate) start_ms: u64,
    /// At most so long after it became healthy the first recorded request was sent: the pause in which nobody asked for its
    /// health, and the time from its answer to the request. `None` without recorded predictions.
    pub(crate) replay_within_ms: Option<f64>,
    /// From the first request until its answer, in milliseconds; `None` without recorded predictions.
    pub(crate) first_answer_ms: Option<f64>,
    /// Half of the answers came within this time.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    /// Most memory that was seen in use, in MiB.
    pub(crate) peak_memory_mib: Option<u64>,
    /// `MLflow`, `JSON`, …
    pub(crate) protocol: Option<String>,
    /// File of the recorded predictions, relative to the workspace's root.
    pub(crate) file: Option<String>,
    pub(crate) tolerance: Option<Bounds>,
    /// Rows that were asked, those that were not as recorded, and those that only varied a little from answer to answer.
    pub(crate) rows: usize,
    pub(crate) wrong: usize,
    pub(crate) noisy: usize,
    /// The row that is furthest from what was recorded.
    pub(crate) worst: Option<WorstRow>,
    /// How far numbers are from the recorded ones.
    pub(crate) differences: Vec<Bucket>,
    /// The largest difference of two numbers.
    pub(crate) largest: Option<f64>,
    /// How far two answers to the same request were apart at most.
    pub(crate) noise: Option<f64>,
}

/// Bounds within which numbers are the same: `|a − b| ≤ atol + rtol·|b|`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bounds {
    pub(crate) rtol: f64,
    pub(crate) atol: f64,
}

/// A row that is not as recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorstRow {
    /// Counted from 1.
    pub(crate) row: usize,
    /// In one line. Untrusted text.
    pub(crate) what: String,
}

/// How many numbers are so far from the recorded ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Bucket {
    /// Share of the recorded value; `None`: anything above the bucket before.
    pub(crate) up_to: Option<f64>,
    pub(crate) count: u64,
}
