//! What stages hand to each other and what reports are made of: plain data, no behaviour of any stage.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The Python environment that trained, as its own interpreter describes it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// `X.Y.Z`.
    pub(crate) python: String,
    /// `CPython`, `PyPy`, …
    pub(crate) implementation: String,
    /// Path of the interpreter.
    pub(crate) executable: String,
    /// `linux`, `darwin`, …
    pub(crate) system: String,
    /// `x86_64`, `aarch64`, …
    pub(crate) machine: String,
    /// `glibc 2.36`, `musl`, or empty when unknown.
    pub(crate) libc: String,
    /// Installed distributions, sorted by normalised name.
    pub(crate) distributions: Vec<Distribution>,
}

/// One installed distribution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) name: String,
    pub(crate) version: String,
    /// sha256 of its RECORD file in hex: the same files give the same hash. Empty when it has none.
    pub(crate) record_sha256: String,
}

/// A run as the tracking server knows it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) experiment_id: String,
    pub(crate) name: String,
    /// Where a person can look at it; `None` for a store without a server.
    pub(crate) url: Option<String>,
    /// Last value of each metric. Not-a-number and infinities are kept.
    pub(crate) metrics: BTreeMap<String, f64>,
    pub(crate) params: BTreeMap<String, String>,
    /// `models:/<id>` (MLflow 3) or `runs:/<run>/<path>` when the script logged a model.
    pub(crate) model_uri: Option<String>,
}

/// What the training made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Model {
    /// Absolute path of the model's file or folder.
    pub(crate) path: PathBuf,
    /// sha256 in hex over the sorted relative paths and contents of all its files.
    pub(crate) sha256: String,
    /// Size of all files in bytes.
    pub(crate) bytes: u64,
    pub(crate) run: Option<Run>,
    pub(crate) environment: Option<Environment>,
}

/// An image in the engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Image {
    /// `sha256:…` of the image's configuration.
    pub(crate) id: String,
    /// Repository without tag, for example `ghcr.io/org/name`.
    pub(crate) repository: String,
    /// Tags it carries, at least one.
    pub(crate) tags: Vec<String>,
    /// Uncompressed size in bytes.
    pub(crate) bytes: u64,
}

/// An image in a registry, its digest confirmed by the registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pushed {
    pub(crate) repository: String,
    /// First tag; `None` when only a digest was given.
    pub(crate) tag: Option<String>,
    /// `sha256:…` of the manifest.
    pub(crate) digest: String,
}

impl Pushed {
    /// `repository:tag@digest`, or `repository@digest`: what is deployed, and the output `image-ref`.
    pub(crate) fn reference(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}@{}", self.repository, self.digest),
            None => format!("{}@{}", self.repository, self.digest),
        }
    }
}

/// What is live after a deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Deployment {
    /// `kubernetes`, `docker`.
    pub(crate) target: String,
    /// What was changed, as `Kind/name` or a container's name.
    pub(crate) objects: Vec<String>,
    /// Where it answers, when that is known outside of the cluster.
    pub(crate) endpoint: Option<String>,
    /// The image that serves, pinned by digest where there is one.
    pub(crate) image: Option<String>,
    /// Kubernetes only.
    pub(crate) namespace: Option<String>,
    /// The pods themselves are asked and not their Service, which would also lead to older ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) direct: bool,
    /// Images of the workloads as they were applied; empty where the target is no cluster.
    #[serde(default)]
    pub(crate) containers: Vec<Container>,
}

/// The image that a container of a workload must run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    /// `Kind/name` of the workload.
    pub(crate) object: String,
    /// Name of the container in its pods.
    pub(crate) name: String,
    pub(crate) image: String,
}

/// One thing that was checked on what is live.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    /// `health`, `digest`, `golden row 3`.
    pub(crate) name: String,
    pub(crate) passed: bool,
    /// What was seen, in one line. Untrusted text.
    pub(crate) detail: String,
}

/// The verdict on what is live.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verification {
    pub(crate) checks: Vec<Check>,
}

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

/// What a deployment changes, compared with what is live.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Changes {
    /// Objects that are made, changed or removed; unchanged ones too.
    pub(crate) objects: Vec<Change>,
}

/// What happens to one object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Change {
    /// `Kind/name`.
    pub(crate) object: String,
    pub(crate) action: Action,
    /// Empty unless it is changed.
    pub(crate) fields: Vec<FieldChange>,
}

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Created,
    Changed,
    Unchanged,
    Removed,
}

/// A field that changes. Values of Secrets are never in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FieldChange {
    /// `spec.template.spec.containers[0].image`.
    pub(crate) path: String,
    /// As JSON; `None`: the field is new.
    pub(crate) before: Option<String>,
    /// As JSON; `None`: the field goes.
    pub(crate) after: Option<String>,
}

/// A failed deployment that was put back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RolledBack {
    /// What serves again, such as an image by digest; untrusted text.
    pub(crate) to: String,
}

/// Evidence that a failed rollout left: a file that `ml-deploy explain` reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bundle {
    /// Path relative to the workspace's root.
    pub(crate) path: String,
}

/// A result of a stage.
#[derive(Clone, Debug)]
pub(crate) enum Artifact {
    /// Boxed, because it carries the whole environment and the others are small.
    Model(Box<Model>),
    Image(Image),
    Pushed(Pushed),
    Deployment(Deployment),
    Verification(Verification),
    Changes(Changes),
    RolledBack(RolledBack),
    Bundle(Bundle),
    Trial(Box<Trial>),
}

macro_rules! artifact_from {
    ($($name:ident),*) => {$(
        impl From<$name> for Artifact {
            fn from(value: $name) -> Self {
                Self::$name(value)
            }
        }
    )*};
}
artifact_from!(
    Image,
    Pushed,
    Deployment,
    Verification,
    Changes,
    RolledBack,
    Bundle
);

impl From<Model> for Artifact {
    fn from(model: Model) -> Self {
        Self::Model(Box::new(model))
    }
}

impl From<Trial> for Artifact {
    fn from(trial: Trial) -> Self {
        Self::Trial(Box::new(trial))
    }
}
