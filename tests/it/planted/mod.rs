//! Secrets planted in every input and file that may hold one, and looked for in every place that somebody may read afterwards: as
//! they are, in base64 at each alignment, URL-encoded.

mod aws;
mod azure;
mod delivery;
mod google;
mod places;
mod plants;
mod site;

use crate::support::path_with_uv;

/// Programs of the clouds, which would do the work in place of ours.
const TOOLS: &[&str] = &[
    "aws",
    "aws-iam-authenticator",
    "docker-credential-ecr-login",
    "az",
    "kubelogin",
    "docker-credential-acr-env",
    "gcloud",
    "gke-gcloud-auth-plugin",
    "docker-credential-gcloud",
];

/// Fails when a run could find one.
fn no_tools() {
    for folder in path_with_uv().split(':') {
        for tool in TOOLS {
            let tool = std::path::Path::new(folder).join(tool);
            assert!(!tool.exists(), "{}", tool.display());
        }
    }
}
