//! Proofs before something is made or pushed. Each is a stage of its own.

pub(crate) mod predictions;
