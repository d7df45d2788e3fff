//! Inputs that name a cluster of a cloud, as the clouds' own actions call them.

use clap::Args;

/// Which cluster of which cloud; instead of `kubeconfig`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ClusterInputs {
    /// Name of a cluster of AKS (with `resource-group`), GKE (with `location`) or EKS (with neither); instead of `kubeconfig`
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Kubernetes")]
    pub(crate) cluster_name: Option<String>,
    /// Resource group of the AKS cluster, or of the Azure ML workspace
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Kubernetes")]
    pub(crate) resource_group: Option<String>,
    /// Use the AKS cluster's own administrator instead of the identity's rights
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = super::value::boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "Deployment to Kubernetes")]
    pub(crate) admin: bool,
    /// Region or zone of the GKE cluster
    #[arg(long, value_name = "NAME", help_heading = "Deployment to Kubernetes")]
    pub(crate) location: Option<String>,
}
