//! The stages that stop a model before it costs anything more. Each check knows its own subject, no other stage and no
//! deployment.

pub(crate) mod matrix;
pub(crate) mod metrics;
pub(crate) mod parity;
pub(crate) mod predictions;
