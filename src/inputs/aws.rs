//! Inputs that say who we are at AWS, as its own actions call them.

use clap::Args;
use secrecy::SecretString;

use super::value::{boolean, secret};

/// Who we are at AWS.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AwsInputs {
    /// Region, such as eu-west-1; by default that of AWS_REGION or of the profile. A registry's is in its name
    #[arg(long, value_name = "REGION", help_heading = "AWS")]
    pub(crate) aws_region: Option<String>,
    /// Role to take, as arn:aws:iam::ACCOUNT:role/NAME: with the keys below, else with the job's own token (id-token: write)
    #[arg(long, value_name = "ARN", help_heading = "AWS")]
    pub(crate) role_to_assume: Option<String>,
    /// Key; without one and without a role, what the environment, ~/.aws, the container or the machine offers
    #[arg(long, value_name = "KEY", help_heading = "AWS")]
    pub(crate) aws_access_key_id: Option<String>,
    /// Secret of the key
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "AWS")]
    pub(crate) aws_secret_access_key: Option<SecretString>,
    /// Session token of a key that lives for a time
    #[arg(long, value_name = "SECRET", value_parser = secret, help_heading = "AWS")]
    pub(crate) aws_session_token: Option<SecretString>,
    /// Make the repository in ECR when it is missing
    #[arg(long, value_name = "BOOL", default_value = "false", value_parser = boolean, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set, help_heading = "AWS")]
    pub(crate) create_repository: bool,
}
