//! Inputs of the target azureml, in the words of Azure's own documents.

use std::time::Duration;

use clap::Args;

use super::value::{boolean, duration};

/// An online endpoint of Azure Machine Learning, and how a new version takes over.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AzureMlInputs {
    /// Workspace of Azure Machine Learning that the endpoint is in
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Azure ML")]
    pub(crate) workspace: Option<String>,
    /// Longest time for one answer of the endpoint, at most 3m; 60s by default
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Deployment to Azure ML")]
    pub(crate) request_timeout: Option<Duration>,
    /// Requests that each machine answers at a time; more wait, or are refused with 429. Azure's own 1 by default
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Deployment to Azure ML")]
    pub(crate) max_concurrent_requests: Option<u32>,
    /// Keep the version that was replaced, without traffic, so that `ml-deploy rollback` takes seconds; its machines are paid for
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Deployment to Azure ML")]
    pub(crate) keep_old: bool,
    /// Traffic that moves to the new version at a time, such as 25%; by default all of it
    #[arg(long, value_name = "PERCENT", help_heading = "Deployment to Azure ML")]
    pub(crate) traffic_step: Option<String>,
}
