//! Inputs: one definition (`flags`), three places they come from (flags, `INPUT_*`, `ml-deploy.yml`), one precedence (`layers`).

pub(crate) mod aws;
pub(crate) mod azure;
pub(crate) mod azureml;
pub(crate) mod cli;
pub(crate) mod cluster;
mod editor;
pub(crate) mod endpoint;
pub(crate) mod file;
pub(crate) mod flags;
pub(crate) mod google;
pub(crate) mod layers;
mod names;
mod pages;
pub(crate) mod parsed;
pub(crate) mod sagemaker;
pub(crate) mod schema;
pub(crate) mod targets;
mod typed;
pub(crate) mod value;
