//! What the inputs say of managed endpoints.

use std::sync::Arc;
use std::time::Duration;

use super::{OnFailure, OnFirstFailure};
use crate::cloud::Clouds;
use crate::cloud::spec::MlWorkspace;

/// A deployment to an online endpoint of Azure Machine Learning.
#[derive(Clone, Debug)]
pub(crate) struct AzureMlSpec {
    pub(crate) clouds: Arc<Clouds>,
    pub(crate) workspace: MlWorkspace,
    pub(crate) endpoint: String,
    /// Empty where nothing is deployed: `status` and `rollback`.
    pub(crate) instance_type: String,
    pub(crate) instance_count: u32,
    pub(crate) environment: Vec<(String, String)>,
    /// Port that the container listens on.
    pub(crate) port: u16,
    /// Path that Azure asks whether the container lives and is ready.
    pub(crate) health_path: String,
    pub(crate) predict_path: Option<String>,
    pub(crate) request_timeout: Duration,
    /// Requests that each machine answers at a time; `None`: as many as Azure says.
    pub(crate) concurrency: Option<u32>,
    /// How long a container may take until it answers its health path.
    pub(crate) startup: Duration,
    pub(crate) keep_old: bool,
    /// Share of the traffic that moves at a time, 1 to 100.
    pub(crate) step: u8,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_first_failure: OnFirstFailure,
    pub(crate) deadline: Duration,
    pub(crate) commit: Option<String>,
}

impl AzureMlSpec {
    /// No machine that Azure ML offers for endpoints has another processor.
    pub(crate) const ARCHITECTURE: &str = "amd64";
}
