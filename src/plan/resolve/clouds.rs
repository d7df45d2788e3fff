//! The part of the plan about clouds: identities that the inputs name, and which cluster of which cloud is meant.

use std::sync::Arc;

use super::super::*;
use super::{Places, Resolver};
use crate::cloud::Clouds;

impl Resolver<'_> {
    /// The clouds' identities. Nothing is asked of them here.
    pub(super) fn clouds(&mut self, places: &Places) -> Arc<Clouds> {
        let spec = CloudSpec {
            aws: self.aws(),
            azure: self.azure(),
            google: self.google(),
        };
        Clouds::new(spec, &places.environment)
    }

    fn aws(&mut self) -> AwsSpec {
        let inputs = self.inputs.aws.clone();
        if let Some(role) = &inputs.role_to_assume
            && !role.starts_with("arn:")
        {
            self.invalid(
                "role-to-assume",
                "is not the full name of a role, `arn:aws:iam::ACCOUNT:role/NAME`",
            );
        }
        let keys = match (inputs.aws_access_key_id, inputs.aws_secret_access_key) {
            (Some(id), Some(secret)) => Some(AwsKeys {
                id,
                secret,
                session_token: inputs.aws_session_token,
            }),
            (Some(_), None) => {
                self.missing("aws-secret-access-key", "`aws-access-key-id` is set");
                None
            }
            (None, Some(_)) => {
                self.missing("aws-access-key-id", "`aws-secret-access-key` is set");
                None
            }
            (None, None) => None,
        };
        AwsSpec {
            region: inputs.aws_region,
            role: inputs.role_to_assume,
            keys,
        }
    }

    /// The cluster that is found through its cloud, when the inputs name one.
    pub(super) fn cluster(&mut self) -> Option<CloudCluster> {
        let inputs = self.inputs.cluster.clone();
        let Some(name) = inputs.cluster_name else {
            let named = [
                ("location", inputs.location.is_some()),
                // A workspace of Azure ML is in one too.
                (
                    "resource-group",
                    inputs.resource_group.is_some() && self.inputs.azureml.workspace.is_none(),
                ),
                ("admin", inputs.admin),
            ];
            if let Some((name, _)) = named.iter().find(|(_, is_set)| *is_set) {
                self.missing("cluster-name", &format!("`{name}` is set"));
            }
            return None;
        };
        if self.inputs.kubeconfig.is_some() {
            self.both(
                "cluster-name",
                "kubeconfig",
                "only one of them can say which cluster is meant",
            );
        }
        if inputs.admin && inputs.resource_group.is_none() {
            self.invalid(
                "admin",
                "is for clusters of AKS, which need `resource-group`",
            );
        }
        match (inputs.resource_group, inputs.location) {
            (Some(_), Some(_)) => {
                self.both(
                    "location",
                    "resource-group",
                    "the first is for GKE, the second for AKS",
                );
                None
            }
            (Some(resource_group), None) => Some(CloudCluster::Aks(AksSpec {
                resource_group,
                name,
                admin: inputs.admin,
            })),
            (None, Some(location)) => Some(CloudCluster::Gke(GkeSpec { location, name })),
            (None, None) => Some(CloudCluster::Eks(EksSpec { name })),
        }
    }
}
