//! Inputs that say who we are at Azure, as its own actions call them.

use clap::Args;
use secrecy::SecretString;

/// Who we are at Azure.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AzureInputs {
    /// Service principal of Azure with a secret: JSON with clientId, clientSecret, tenantId and subscriptionId, as azure/login takes it
    #[arg(long, value_name = "SECRET", value_parser = super::flags::secret, help_heading = "Azure")]
    pub(crate) creds: Option<SecretString>,
    /// Application (or user-assigned identity) of Azure that trusts this job: no secret is needed, only `id-token: write`
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) client_id: Option<String>,
    /// Tenant of that application
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) tenant_id: Option<String>,
    /// Subscription of Azure; by default the one in `creds`, else AZURE_SUBSCRIPTION_ID
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) subscription_id: Option<String>,
    /// Cloud of Azure: AzureCloud, AzureChinaCloud or AzureUSGovernment; by default the one of AZURE_AUTHORITY_HOST, else AzureCloud
    #[arg(long, value_name = "NAME", help_heading = "Azure")]
    pub(crate) azure_environment: Option<String>,
}
