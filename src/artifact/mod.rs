//! What stages hand to each other and what reports are made of: plain data, no behaviour of any stage.

mod chain;
mod freeze;
mod gates;
mod history;
mod layers;
mod parity;
mod proof;
mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use chain::{Chain, Claim, Link, Missing, Served, ServedPod};
pub(crate) use freeze::{FREEZE_PATH, FREEZE_TYPE, Freeze, ModelFacts, ModelFile, label};
pub(crate) use gates::{Champion, GateRule, GateVerdict, Gates, Measure};
pub(crate) use history::{History, PastRun};
pub(crate) use layers::{BASE_TAG, Before, Layer, Layers, Unpacked, UnpackedBefore};
pub(crate) use parity::{Parity, ParityLevel, ParityRow, ParityVerdict};
pub(crate) use proof::{Proof, ProofAnswers, ProofSide};
pub(crate) use trial::{Bounds, Bucket, Launch, Trial, WorstRow};

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
    /// Variables that change numbers although all versions are the same, such as `OMP_NUM_THREADS`.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
    /// Libraries that multiply matrices and share work among threads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) numerics: Vec<Numeric>,
    /// Installed distributions, sorted by normalised name.
    pub(crate) distributions: Vec<Distribution>,
}

/// One installed distribution.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) name: String,
    pub(crate) version: String,
    /// sha256 of its RECORD file in hex: the same files give the same hash. Empty when it has none.
    #[serde(default)]
    pub(crate) record_sha256: String,
    /// Names it is imported by: `sklearn`, or `google.protobuf` where several share the first part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) modules: Vec<String>,
    /// Normalised names of what it requires (`Requires-Dist`), without extras.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) requires: Vec<String>,
    /// Commit or hash when it was installed from a URL, `editable` for a folder of sources; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) source: String,
    /// `<version> in <folder>` of each copy further back on the path, which is never imported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shadows: Vec<String>,
    /// Path of a module of somebody else that is imported instead: `numpy.py` beside the server. Empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) hidden_by: String,
}

/// A library that numeric packages compute with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Numeric {
    /// `BLAS` or `OpenMP`.
    pub(crate) kind: String,
    /// `openblas`, `mkl_rt`, `gomp`, …
    pub(crate) library: String,
    /// Normalised name of the distribution that brings it, `conda` or `system`.
    pub(crate) by: String,
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
    /// Data that the run names as its inputs.
    #[serde(default)]
    pub(crate) datasets: Vec<Dataset>,
    /// Commit of the sources, as the run's tags say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    /// The pushed image that holds its model, as its tags say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    /// Where its artifacts lie; of use only to who reads the store.
    #[serde(skip)]
    pub(crate) artifact_uri: String,
}

/// Data that a run used, as MLflow records it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dataset {
    pub(crate) name: String,
    /// Same digest, same data.
    pub(crate) digest: String,
    /// What it was used for, such as `training` or `eval`; empty when the script did not say.
    pub(crate) context: String,
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
    /// What its files name; `None` when nobody looked.
    #[serde(default)]
    pub(crate) facts: Option<ModelFacts>,
    /// Commit of the sources that it was trained from.
    #[serde(default)]
    pub(crate) commit: Option<String>,
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
    /// `spec.template.spec.containers[model].image`: items of lists by name where they have one.
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

/// What is known of the model that serves at the moment, before its run is looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// `Kind/name`, or a container's name.
    pub(crate) object: String,
    /// The MLflow run that it was deployed from, as its annotations say, unless its image was changed since.
    pub(crate) run_id: Option<String>,
    /// Images that it really runs, by digest where that is known.
    pub(crate) images: Vec<String>,
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
    Gates(Gates),
    History(History),
    Layers(Layers),
    Parity(Parity),
    Proof(Proof),
    Trial(Box<Trial>),
    Chain(Chain),
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
    Bundle,
    Gates,
    History,
    Layers,
    Parity,
    Proof,
    Chain
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
