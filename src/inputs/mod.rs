//! Inputs: one definition (`flags`), three places they come from (flags, `INPUT_*`, `ml-deploy.yml`).

pub(crate) mod cli;
pub(crate) mod flags;
