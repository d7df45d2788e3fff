//! Inputs that say who we are at Google, as its own actions call them.

use clap::Args;
use secrecy::SecretString;

/// Who we are at Google.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GoogleInputs {
    /// Credentials of Google, as JSON or its base64 form: a service account's key, or the file of a workload identity federation
    #[arg(long, value_name = "SECRET", value_parser = super::value::secret, help_heading = "Google Cloud")]
    pub(crate) credentials_json: Option<SecretString>,
    /// Provider of Google that trusts this job, as projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME: no secret is needed, only `id-token: write`
    #[arg(long, value_name = "NAME", help_heading = "Google Cloud")]
    pub(crate) workload_identity_provider: Option<String>,
    /// Service account of Google to act as with the provider; by default the job itself has the rights
    #[arg(long, value_name = "EMAIL", help_heading = "Google Cloud")]
    pub(crate) service_account: Option<String>,
    /// Project of Google; by default that of the credentials, else GOOGLE_CLOUD_PROJECT
    #[arg(long, value_name = "ID", help_heading = "Google Cloud")]
    pub(crate) project_id: Option<String>,
}
