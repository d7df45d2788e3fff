//! What the inputs say of clouds: who we are there, and which of their clusters and workspaces is meant.

mod google;
mod google_file;
pub(crate) mod pasted;
mod url;

use secrecy::SecretString;

pub(crate) use google::{
    GoogleCredentials, GoogleExternal, GoogleIdentity, GoogleKind, GooglePlace, GoogleSource,
    GoogleSpec, UNIVERSE,
};
pub(crate) use url::may_carry_secrets;

/// Identities that the inputs name; what they do not name comes from the surroundings.
#[derive(Clone, Debug, Default)]
pub(crate) struct CloudSpec {
    pub(crate) aws: AwsSpec,
    pub(crate) azure: AzureSpec,
    pub(crate) google: GoogleSpec,
}

/// Who we are at AWS.
#[derive(Clone, Debug, Default)]
pub(crate) struct AwsSpec {
    pub(crate) region: Option<String>,
    /// Name of the role to take, `arn:…`.
    pub(crate) role: Option<String>,
    pub(crate) keys: Option<AwsKeys>,
}

/// Keys of AWS.
#[derive(Clone, Debug)]
pub(crate) struct AwsKeys {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    pub(crate) session_token: Option<SecretString>,
}

/// Who we are at Azure.
#[derive(Clone, Debug, Default)]
pub(crate) struct AzureSpec {
    /// `None`: whatever identity the surroundings have.
    pub(crate) identity: Option<AzureIdentity>,
    pub(crate) subscription: Option<String>,
    pub(crate) environment: Option<AzureEnvironment>,
    /// URLs that `creds` names: who hands out tokens, and Resource Manager.
    pub(crate) authority: Option<String>,
    pub(crate) resource_manager: Option<String>,
}

/// An identity that the inputs name.
#[derive(Clone, Debug)]
pub(crate) enum AzureIdentity {
    /// A service principal with a secret.
    Secret {
        client_id: String,
        tenant_id: String,
        secret: SecretString,
    },
    /// An application that trusts the job's own token.
    Federated {
        client_id: String,
        tenant_id: String,
    },
}

/// One of Azure's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AzureEnvironment {
    Public,
    China,
    UsGovernment,
}

/// A cluster that is found through its cloud.
#[derive(Clone, Debug)]
pub(crate) enum CloudCluster {
    Aks(AksSpec),
    Eks(EksSpec),
    Gke(GkeSpec),
}

/// A cluster of Azure.
#[derive(Clone, Debug)]
pub(crate) struct AksSpec {
    pub(crate) resource_group: String,
    pub(crate) name: String,
    /// Use the cluster's own administrator instead of our identity.
    pub(crate) admin: bool,
}

/// A cluster of AWS, in the region of the identity.
#[derive(Clone, Debug)]
pub(crate) struct EksSpec {
    pub(crate) name: String,
}

/// A cluster of Google, in the project of the identity.
#[derive(Clone, Debug)]
pub(crate) struct GkeSpec {
    /// Region or zone.
    pub(crate) location: String,
    pub(crate) name: String,
}

/// A workspace of Azure Machine Learning, in the subscription of the identity.
#[derive(Clone, Debug)]
pub(crate) struct MlWorkspace {
    pub(crate) resource_group: String,
    pub(crate) name: String,
}
