//! The stages that stop a model before it costs anything more. They know the model and its image, no deployment.

pub(crate) mod metrics;
