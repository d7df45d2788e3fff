//! Deployments: one target in, what is live out. Each target is a module that knows nothing of the others.

pub(crate) mod azureml;
pub(crate) mod docker;
pub(crate) mod kubernetes;
pub(crate) mod sagemaker;
