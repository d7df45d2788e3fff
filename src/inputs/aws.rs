//! Inputs that say who we are at AWS, as its own actions call them.

use clap::Args;

/// Who we are at AWS.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AwsInputs {}
