//! Inputs and host become a `Plan`: resolved, validated, printable. What runs is decided here, once.

mod endpoints;
mod gates;
mod readable;
mod resolve;
mod rules;
mod sagemaker;
mod show;
mod spec;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use endpoints::*;
pub(crate) use gates::{FirstDeploy, GateSpec, Margin, Op, Rule, Side, Test};
pub(crate) use resolve::{Places, resolve, secret_values};
pub(crate) use sagemaker::{Capacity, Capture, Network, SageMakerSpec, UpdatePolicy, Variant};
pub(crate) use spec::*;

use crate::cloud::Clouds;
pub(crate) use crate::cloud::spec::*;
use crate::context::Workspace;
use crate::event::Stage;
use crate::host::Host;
use crate::registry::Reference;

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// The job, or some of its stages.
    Run,
    /// Go back to the last verified deployment.
    Rollback,
    /// Say what is live.
    Status,
    /// Compare an image with what trained.
    Parity,
    /// Say what belongs together.
    Trace,
}

/// Everything the run will do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) task: Task,
    pub(crate) workspace: Workspace,
    pub(crate) host: Host,
    /// Stages that run, in order; preflight always does.
    pub(crate) stages: Vec<Stage>,
    /// Stages that do not, and why.
    pub(crate) left_out: Vec<(Stage, String)>,
    /// Inputs that are set and for another target: nothing comes of them.
    pub(crate) unused: Vec<String>,
    pub(crate) train: Option<TrainSpec>,
    /// Where the model is, trained in this run or before.
    pub(crate) model: PathBuf,
    pub(crate) gates: GateSpec,
    pub(crate) build: Option<BuildSpec>,
    pub(crate) parity: ParitySpec,
    pub(crate) push: Option<PushSpec>,
    /// Present also when the stage does not run: preflight checks it on pull requests too.
    pub(crate) deploy: Option<DeploySpec>,
    pub(crate) verify: VerifySpec,
    /// `None`: the image is not tried before it is pushed.
    pub(crate) trial: Option<TrialSpec>,
    pub(crate) image_ref: Option<Reference>,
    /// For every registry that is asked, whatever is pushed.
    pub(crate) login: RegistryLogin,
    pub(crate) clouds: Arc<Clouds>,
    pub(crate) report: PathBuf,
    pub(crate) reuse: bool,
    pub(crate) timeout: Option<Duration>,
}

impl Plan {
    /// Whether the stage runs.
    pub(crate) fn runs(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }
}
