//! Inputs that say who we are at Azure, as its own actions call them.

use clap::Args;

/// Who we are at Azure.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AzureInputs {}
