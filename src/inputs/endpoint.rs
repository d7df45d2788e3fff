//! Inputs that every managed endpoint has, whichever cloud it is in.

use clap::Args;

/// The endpoint, and what it runs on.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct EndpointInputs {
    /// Name of the managed endpoint; it is made when it is not there
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Deployment to managed endpoints"
    )]
    pub(crate) endpoint_name: Option<String>,
    /// Type of its machines, as the cloud calls it, such as Standard_DS3_v2 or ml.m5.large
    #[arg(
        long,
        value_name = "TYPE",
        help_heading = "Deployment to managed endpoints"
    )]
    pub(crate) instance_type: Option<String>,
    /// Number of its machines; 1 by default
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Deployment to managed endpoints")]
    pub(crate) instance_count: Option<u32>,
}
