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
        if let Some(why) = inputs.aws_region.as_deref().and_then(no_region) {
            self.invalid("aws-region", why);
        }
        if let Some(id) = &inputs.aws_access_key_id
            && let Some(why) = no_key(id)
        {
            self.invalid("aws-access-key-id", why);
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
            // Without either it is EKS; whoever says who they are at another cloud alone has forgotten where the cluster is.
            (None, None) => {
                let inputs = self.inputs;
                let (aws, azure, google) = (&inputs.aws, &inputs.azure, &inputs.google);
                let at_aws = aws.role_to_assume.is_some()
                    || aws.aws_access_key_id.is_some()
                    || aws.aws_region.is_some();
                let at_azure = azure.creds.is_some() || azure.client_id.is_some();
                let at_google = google.credentials_json.is_some()
                    || google.workload_identity_provider.is_some();
                match (at_aws, at_azure, at_google) {
                    (false, true, false) => self.missing(
                        "resource-group",
                        "`cluster-name` and an identity of Azure are set, and a cluster of AKS is in one",
                    ),
                    (false, false, true) => self.missing(
                        "location",
                        "`cluster-name` and an identity of Google are set, and a cluster of GKE is in one, such as europe-west4",
                    ),
                    _ => {}
                }
                Some(CloudCluster::Eks(EksSpec { name }))
            }
        }
    }
}

/// Why a text is no region of AWS, such as `eu-west-1` or `us-gov-east-1`. New regions are of the same form.
fn no_region(text: &str) -> Option<String> {
    let fits = |text: &str| {
        let mut parts: Vec<&str> = text.split('-').collect();
        let number = parts.pop().unwrap_or_default();
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        digits(number) && parts.len() > 1 && parts.iter().all(word)
    };
    if fits(text) {
        return None;
    }
    let zone = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let mut hyphen = text.to_owned();
    hyphen.insert(
        text.trim_end_matches(|c: char| c.is_ascii_digit()).len(),
        '-',
    );
    let meant = [zone, &hyphen, &text.to_lowercase()].map(str::to_owned);
    let meant = meant.into_iter().find(|meant| fits(meant));
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?"));
    Some(format!(
        "is `{text}`, which is no region of AWS, such as eu-west-1{}",
        meant.unwrap_or_default()
    ))
}

/// Why a text is no ID of a key. It is not shown: it may be the secret.
fn no_key(text: &str) -> Option<&'static str> {
    if text.starts_with(['"', '\'']) {
        Some("has quotes around it; leave them out")
    } else if text.contains(['/', '+', '=']) {
        Some("looks like the key's secret, which belongs into `aws-secret-access-key`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_of_one_form_and_what_was_meant_is_named() {
        for good in [
            "eu-west-1",
            "us-gov-east-1",
            "us-isob-east-1",
            "eusc-de-east-1",
            "ap-southeast-12",
        ] {
            assert_eq!(no_region(good), None, "{good}");
        }
        for (wrong, meant) in [
            ("eu-west1", "`eu-west-1`?"),
            ("eu-west-1a", "`eu-west-1`?"),
            ("EU-West-1", "`eu-west-1`?"),
            ("Ireland", "such as eu-west-1"),
            ("eu-west-1/x", "such as eu-west-1"),
            ("europe", "such as eu-west-1"),
        ] {
            let why = no_region(wrong).unwrap();
            assert!(why.ends_with(meant), "{why}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_the_key_is_told_and_not_shown() {
        assert_eq!(no_key("AKIAIOSFODNN7EXAMPLE"), None);
        for wrong in [
            "\"AKIAIOSFODNN7EXAMPLE\"",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ] {
            assert!(!no_key(wrong).unwrap().contains("EXAMPLE"));
        }
    }
}
