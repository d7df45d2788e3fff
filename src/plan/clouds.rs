//! What the inputs say of clouds: who we are there, and which of their clusters is meant.

use secrecy::SecretString;

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

/// Who we are at Google.
#[derive(Clone, Debug, Default)]
pub(crate) struct GoogleSpec {}

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

/// A cluster of Google.
#[derive(Clone, Debug)]
pub(crate) struct GkeSpec {
    /// `None`: that of the identity.
    pub(crate) project: Option<String>,
    /// Region or zone.
    pub(crate) location: String,
    pub(crate) name: String,
}

/// Whether a secret may be sent there: over TLS, or within this machine.
pub(crate) fn may_carry_secrets(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || url.scheme() == "http" && here
}
