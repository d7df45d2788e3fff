//! Inputs that say who we are at Google, as its own actions call them.

use clap::Args;

/// Who we are at Google.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GoogleInputs {}
