//! Inputs of targets that are an endpoint of a cloud, whichever cloud it is.

use std::time::Duration;

use clap::Args;

use super::value::duration;

/// The endpoint, and the machines behind it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EndpointInputs {
    /// Name of the endpoint; it is made when there is none
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Deployment to a cloud's endpoint"
    )]
    pub(crate) endpoint_name: Option<String>,
    /// Machine that serves, as the cloud calls it, such as ml.m5.large or Standard_DS3_v2
    #[arg(
        long,
        value_name = "TYPE",
        help_heading = "Deployment to a cloud's endpoint"
    )]
    pub(crate) instance_type: Option<String>,
    /// How many of them
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..), default_value = "1", help_heading = "Deployment to a cloud's endpoint")]
    pub(crate) instance_count: u32,
    /// How long a container may take until it answers its health path; by default SageMaker's own 8m (1m to 1h can be set), and 5m on
    /// Azure ML
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Deployment to a cloud's endpoint")]
    pub(crate) startup_timeout: Option<Duration>,
}
