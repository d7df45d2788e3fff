//! What every task begins with: the objects of the manifests, the cluster that they go to, and the name of the deployment.

use super::manifest::{self, Object};
use super::record;
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// The objects of the manifests.
pub(super) fn load(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Vec<Object>> {
    manifest::load(spec, &ctx.workspace).map_err(all)
}

/// The cluster that they go to.
pub(super) async fn connect(spec: &KubernetesSpec, objects: &[Object]) -> Outcome<Cluster> {
    Cluster::connect(&spec.cluster, manifest::namespace(spec, objects).as_deref()).await
}

/// Findings as one failure.
pub(super) fn all(findings: Vec<Diagnostic>) -> Failure {
    Failure::all(findings)
        .unwrap_or_else(|| Failure::new(Code::ApplyFailed, "the API server gave no reason"))
}

/// The cluster and the name of what is asked about: from the input, else from the manifests.
pub(super) async fn open(
    ctx: &Context,
    spec: &KubernetesSpec,
) -> Outcome<(Cluster, String, Vec<Object>)> {
    let objects = if spec.manifests.is_empty() {
        Vec::new()
    } else {
        load(ctx, spec)?
    };
    let cluster = connect(spec, &objects).await?;
    let name = record::name(spec.name.as_deref(), &objects).ok_or_else(|| {
        Failure::new(
            Code::InputMissing,
            "input `deployment-name` is not set, and there are no manifests to take it from",
        )
    })?;
    Ok((cluster, name, objects))
}
