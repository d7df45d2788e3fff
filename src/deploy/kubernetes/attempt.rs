//! A deployment on its way: what is applied and where, and what was live before. Plain data.

use super::manifest::Object;
use super::record::Release;
use super::rollout::Target;
use super::undo::Before;
use crate::artifact::Deployment;
use crate::cluster::Cluster;

/// A deployment on its way.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What is to be verified.
    pub(super) deployment: Deployment,
    pub(super) cluster: Cluster,
    pub(super) objects: Vec<Object>,
    pub(super) before: Before,
    pub(super) release: Release,
    /// What the API server answered to the objects; empty while they are not all applied.
    pub(super) applied: Vec<Target>,
}
