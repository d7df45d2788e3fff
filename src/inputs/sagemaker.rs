//! Inputs of the target sagemaker alone.

use std::time::Duration;

use clap::Args;

use super::value::duration;

/// What an endpoint of SageMaker is told beside its name and machines.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SageMakerInputs {
    /// Role that the endpoint's containers run as: its ARN, or its name in the identity's account
    #[arg(long, value_name = "ROLE", help_heading = "Deployment to SageMaker")]
    pub(crate) execution_role: Option<String>,
    /// Serverless instead of `instance-type`: memory in MiB, 1024 to 6144 in steps of 1024
    #[arg(long, value_name = "MIB", help_heading = "Deployment to SageMaker")]
    pub(crate) serverless_memory: Option<u32>,
    /// Requests that a serverless endpoint answers at a time, 1 to 200
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=200), default_value = "5", help_heading = "Deployment to SageMaker")]
    pub(crate) serverless_concurrency: u32,
    /// Several production variants instead of one, one a line: `NAME instance-type=TYPE instance-count=NUMBER weight=NUMBER`; all
    /// serve the image of the run
    #[arg(long, value_name = "LIST", help_heading = "Deployment to SageMaker")]
    pub(crate) variants: Vec<String>,
    /// Name of the production variant
    #[arg(
        long,
        value_name = "NAME",
        default_value = "AllTraffic",
        help_heading = "Deployment to SageMaker"
    )]
    pub(crate) variant_name: String,
    /// Where SageMaker keeps requests and answers, s3://BUCKET/PREFIX; by default it keeps none
    #[arg(long, value_name = "URI", help_heading = "Deployment to SageMaker")]
    pub(crate) data_capture: Option<String>,
    /// Share of the requests that are kept
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100), default_value = "100", help_heading = "Deployment to SageMaker")]
    pub(crate) data_capture_percent: u32,
    /// How requests move to the new machines: all-at-once, `canary: 10%` or `linear: 20%`
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "all-at-once",
        help_heading = "Deployment to SageMaker"
    )]
    pub(crate) update_policy: String,
    /// How long each step of `update-policy` is watched before the next, up to 1h
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m", help_heading = "Deployment to SageMaker")]
    pub(crate) update_wait: Duration,
    /// CloudWatch alarms that make SageMaker go back by itself while requests move
    #[arg(long, value_name = "LIST", help_heading = "Deployment to SageMaker")]
    pub(crate) update_alarms: Vec<String>,
    /// Subnets in which the containers run; with them also images of registries that only this network reaches are taken
    #[arg(long, value_name = "LIST", help_heading = "Deployment to SageMaker")]
    pub(crate) vpc_subnets: Vec<String>,
    /// Security groups of the containers in those subnets
    #[arg(long, value_name = "LIST", help_heading = "Deployment to SageMaker")]
    pub(crate) vpc_security_groups: Vec<String>,
    /// Endpoint configurations of ours that are kept to go back to, beside the one that is live
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100), default_value = "3", help_heading = "Deployment to SageMaker")]
    pub(crate) keep_configs: u32,
}
