//! What each stage is told to do: resolved, validated values. Paths are absolute. Nothing here is read from the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::{AzureMlSpec, CloudCluster, SageMakerSpec};
use crate::cloud::Clouds;
use crate::code::Code;
use crate::predict::Form;
use crate::registry::{Plain, Reference};

/// How the training's Python environment is made.
#[derive(Clone, Debug)]
pub(crate) struct PythonSpec {
    /// Such as `3.11`; `None`: whatever the machine has.
    pub(crate) version: Option<String>,
    pub(crate) requirements: Requirements,
    /// PEP 508 strings on top of the file's.
    pub(crate) extra: Vec<String>,
    /// Add MLflow when the requirements lack it: the version asked for, or any.
    pub(crate) mlflow: Option<MlflowVersion>,
}

/// A version of MLflow to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MlflowVersion {
    Any,
    Exactly(String),
}

/// Where the requirements stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Requirements {
    /// No file: only the extra ones.
    None,
    /// A requirements.txt.
    File(PathBuf),
    /// The folder with pyproject.toml; `locked` when uv.lock stands beside it.
    Project { folder: PathBuf, locked: bool },
}

/// The training.
#[derive(Clone, Debug)]
pub(crate) struct TrainSpec {
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// Line of the configuration or name of the input it came from is not kept: it is shown as the user wrote it.
    pub(crate) shown: String,
    pub(crate) python: PythonSpec,
    /// Where the model is written.
    pub(crate) model: PathBuf,
    pub(crate) deadline: Option<Duration>,
    /// Variables set for the training.
    pub(crate) set: Vec<(String, SecretString)>,
    /// Names of variables passed on although they look secret.
    pub(crate) pass: Vec<String>,
    pub(crate) tracking: TrackingSpec,
    /// Commit of the sources, for the run's tags.
    pub(crate) commit: Option<String>,
}

/// Where runs are recorded.
#[derive(Clone, Debug)]
pub(crate) struct TrackingSpec {
    /// Whether the user asked for tracking; else the training's own choice is only read.
    pub(crate) asked: bool,
    pub(crate) uri: TrackingUri,
    pub(crate) experiment: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SecretString>,
    pub(crate) token: Option<SecretString>,
}

/// The kinds of tracking stores that MLflow knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrackingUri {
    /// `http://` or `https://`, without a trailing slash.
    Server(String),
    /// `sqlite:///` and the path of the database.
    Sqlite(PathBuf),
    /// Any other kind that MLflow itself reads: a folder, `file:`, `postgresql:`, `mysql:`, `mssql:`, `databricks`.
    Other(String),
}

/// The image build.
#[derive(Clone, Debug)]
pub(crate) struct BuildSpec {
    pub(crate) context: PathBuf,
    pub(crate) dockerfile: PathBuf,
    pub(crate) target: Option<String>,
    pub(crate) args: BTreeMap<String, String>,
    /// The user's labels; those of ours are added by the stage.
    pub(crate) labels: BTreeMap<String, String>,
    /// BuildKit secrets by id.
    pub(crate) secrets: BTreeMap<String, SecretString>,
    pub(crate) platform: Option<String>,
    pub(crate) cache_from: Vec<String>,
    /// Repository to tag; registry host included.
    pub(crate) repository: Reference,
    /// For base images in its registry.
    pub(crate) login: Option<RegistryLogin>,
    /// At least one.
    pub(crate) tags: Vec<String>,
    /// URL of the sources and commit, for OCI labels.
    pub(crate) source: Option<String>,
    pub(crate) commit: Option<String>,
    /// When the sources were made, for the OCI label: with the time of the build every build would be another image.
    pub(crate) created: Option<Timestamp>,
    /// Build (and, when a push follows, push) dependency layers while the training runs.
    pub(crate) early_layers: bool,
}

/// Who we are at registries. `DOCKER_CONFIG` is asked too; `registry::credentials` has the order.
#[derive(Clone, Debug)]
pub(crate) struct RegistryLogin {
    /// From the inputs.
    pub(crate) password: Option<RegistryPassword>,
    /// What the place gives its jobs.
    pub(crate) job: Option<RegistryPassword>,
    /// Logins that clouds hand out.
    pub(crate) clouds: Arc<Clouds>,
    /// Which registries are asked without TLS; the engine says so when it is opened.
    pub(crate) plain: Plain,
}

impl RegistryLogin {
    /// Whether the inputs give a password for this registry.
    pub(crate) fn has_password(&self, host: &str) -> bool {
        self.password
            .as_ref()
            .is_some_and(|password| password.host == host)
    }
}

/// A name and a password for one registry.
#[derive(Clone, Debug)]
pub(crate) struct RegistryPassword {
    /// The registry that it is for; no other one is ever given it.
    pub(crate) host: String,
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

/// How the image is compared with the training.
#[derive(Clone, Debug)]
pub(crate) struct ParitySpec {
    pub(crate) mode: ParityMode,
    pub(crate) allow: Vec<ParityAllow>,
}

/// What a difference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParityMode {
    /// What would be a warning blocks too.
    Strict,
    Safe,
    /// Everything is said, nothing blocks.
    Report,
    Off,
}

impl ParityMode {
    /// The word in inputs and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Safe => "safe",
            Self::Report => "report",
            Self::Off => "off",
        }
    }
}

/// A difference that somebody has decided to live with for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParityAllow {
    /// Normalised name of a package, or what else a row is about, such as `python`.
    pub(crate) subject: String,
    /// Versions, or `*`.
    pub(crate) trained: String,
    pub(crate) served: String,
    /// Last day on which it counts, UTC.
    pub(crate) until: jiff::civil::Date,
    /// The entry as it was written: its reason is for people.
    pub(crate) text: String,
}

/// The push.
#[derive(Clone, Debug)]
pub(crate) struct PushSpec {
    pub(crate) repository: Reference,
    pub(crate) tags: Vec<String>,
    pub(crate) login: Option<RegistryLogin>,
    /// Make the repository when it is missing, where that has to be done before a push.
    pub(crate) create: bool,
}

/// The deployment.
#[derive(Clone, Debug)]
pub(crate) enum DeploySpec {
    Kubernetes(KubernetesSpec),
    Docker(DockerSpec),
    AzureMl(Box<AzureMlSpec>),
    SageMaker(Box<SageMakerSpec>),
}

/// How to reach the cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterSpec {
    /// The cluster of a cloud, instead of a kubeconfig.
    pub(crate) cloud: Option<CloudCluster>,
    pub(crate) clouds: Arc<Clouds>,
    /// Text, base64 or path, as given.
    pub(crate) kubeconfig: Option<SecretString>,
    pub(crate) context: Option<String>,
    /// Whether every secret is empty in this run, which is why there may be no kubeconfig.
    pub(crate) without_secrets: bool,
}

impl ClusterSpec {
    /// Whether the inputs say which cluster is meant, and this run can have what it takes to reach it.
    pub(crate) fn is_told(&self) -> bool {
        self.kubeconfig.is_some() || self.cloud.is_some() && !self.without_secrets
    }
}

/// A deployment to Kubernetes.
#[derive(Clone, Debug)]
pub(crate) struct KubernetesSpec {
    pub(crate) cluster: ClusterSpec,
    /// Files, folders, globs as given.
    pub(crate) manifests: Vec<String>,
    /// Folder that they are relative to.
    pub(crate) folder: PathBuf,
    pub(crate) namespace: Option<String>,
    pub(crate) allow_namespaces: bool,
    pub(crate) force_conflicts: bool,
    /// Name under which it is recorded in its namespace; `None`: that of the first workload.
    pub(crate) name: Option<String>,
    pub(crate) strategy: Strategy,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_first_failure: OnFirstFailure,
    /// Remove what an earlier deployment of the same name applied and this one no longer lists.
    pub(crate) prune: bool,
    /// Graces that replace those of the table of rules.
    pub(crate) tolerate: Vec<(Code, Duration)>,
    pub(crate) deadline: Duration,
    /// Path and port that are asked after a rollback.
    pub(crate) health_path: Option<String>,
    pub(crate) port: Option<u16>,
    /// Repository whose images are pinned to the digest; `None`: manifests are applied as they are.
    pub(crate) repository: Option<Reference>,
    pub(crate) commit: Option<String>,
}

/// How a new version takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// The workload's own strategy.
    Rolling,
    /// A second workload behind the same Service takes a share of the requests until it is verified.
    Canary {
        /// Share of the replicas, 1 to 99.
        percent: u8,
    },
    /// A second workload beside the first; the Service is switched when it is verified.
    BlueGreen,
}

/// What happens to what is live when a rollout or its verification fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Rollback,
    Keep,
}

/// What happens when there is nothing to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFirstFailure {
    Keep,
    ScaleDown,
    Remove,
}

/// A deployment to the local engine.
#[derive(Clone, Debug)]
pub(crate) struct DockerSpec {
    pub(crate) name: String,
    pub(crate) ports: Vec<PublishedPort>,
    pub(crate) environment: Vec<(String, String)>,
    /// Container port that answers; `None`: the image's EXPOSE, else 8080.
    pub(crate) port: Option<u16>,
    pub(crate) health_path: Option<String>,
    pub(crate) deadline: Duration,
    pub(crate) commit: Option<String>,
    pub(crate) login: Option<RegistryLogin>,
}

/// A port of a container, reachable from the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishedPort {
    pub(crate) address: String,
    pub(crate) host: u16,
    pub(crate) container: u16,
}

/// How the built image is tried before the push.
#[derive(Clone, Debug)]
pub(crate) struct TrialSpec {
    /// Variables of the container, before those of the manifests.
    pub(crate) environment: Vec<(String, String)>,
    /// How long it may take to become healthy.
    pub(crate) deadline: Duration,
}

/// The checks on what is live, which are those of the trial before the push too.
#[derive(Clone, Debug)]
pub(crate) struct VerifySpec {
    pub(crate) health_path: Option<String>,
    pub(crate) predict_path: Option<String>,
    pub(crate) golden: Option<PathBuf>,
    /// How its rows become requests.
    pub(crate) form: Form,
    pub(crate) port: Option<u16>,
    /// Tolerances of numbers; `None`: those of the model's kind.
    pub(crate) rtol: Option<f64>,
    pub(crate) atol: Option<f64>,
}
