//! What can be known before anything is changed: the workspace, the rights, the endpoint, the machines, and who pulls the image.

use super::before::{self, Before};
use super::work::Work;
use crate::cloud::azure_ml::{Size, Workspace};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::AzureMlSpec;
use crate::registry::Reference;

/// Rights that a deployment needs below `Microsoft.MachineLearningServices/workspaces/onlineEndpoints/`.
const RIGHTS: [&str; 6] = [
    "read",
    "write",
    "listKeys/action",
    "deployments/read",
    "deployments/write",
    "deployments/delete",
];

/// Checks what the deployment will touch. What may not be asked is no finding: the deployment itself meets it again.
pub(crate) async fn preflight(
    ctx: &Context,
    spec: &AzureMlSpec,
    image: Option<&Reference>,
) -> Vec<Diagnostic> {
    let work = Work::new(ctx, spec);
    let workspace = match work.stoppable(work.ml.workspace()).await {
        Ok(workspace) => workspace,
        // Without it nothing else can be asked.
        Err(failure) => return failure.into_findings(),
    };
    let (before, mut findings) = tokio::join!(
        work.stoppable(before::read(&work)),
        machines(&work, &workspace)
    );
    match before {
        Ok(before) => {
            findings.splice(0..0, rights(&work, before.written().is_some()).await);
            told(&work, &workspace, &before, image).await;
        }
        Err(failure) => findings.extend(failure.into_findings()),
    }
    findings
}

/// Rights that no role of the identity holds. Resource Manager says so itself, to whoever may read there. A role may hold for the
/// endpoint alone.
async fn rights(work: &Work<'_>, is_there: bool) -> Vec<Diagnostic> {
    let endpoint = is_there.then_some(work.spec.endpoint.as_str());
    let Ok(permissions) = work.stoppable(work.ml.permissions(endpoint)).await else {
        return Vec::new();
    };
    let missing: Vec<String> = RIGHTS
        .iter()
        .map(|right| {
            format!("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/{right}")
        })
        .filter(|right| !permissions.allow(right))
        .collect();
    let Some(first) = missing.first() else {
        return Vec::new();
    };
    let others = match missing.len() - 1 {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    let message = format!(
        "the identity lacks the right `{first}`{others} in Azure ML workspace `{}`",
        work.spec.workspace.name
    );
    let finding = Diagnostic::error(Code::CloudDenied, message);
    vec![finding.help(work.ml.give()).evidence(missing)]
}

/// Machines that there are none of, or too few.
async fn machines(work: &Work<'_>, workspace: &Workspace) -> Vec<Diagnostic> {
    let spec = work.spec;
    let asked = work.ml.size(&workspace.location, &spec.instance_type);
    let found = match work.stoppable(asked).await {
        Ok(Ok(found)) => enough(spec, &workspace.location, &found),
        Ok(Err(nearest)) => Some(unknown(spec, &workspace.location, &nearest)),
        // Only some roles may ask that.
        Err(_) => None,
    };
    found.into_iter().collect()
}

fn unknown(spec: &AzureMlSpec, location: &str, nearest: &[String]) -> Diagnostic {
    let message = format!(
        "input `instance-type` is `{}`, which region `{location}` does not have",
        spec.instance_type
    );
    let finding = Diagnostic::error(Code::InputInvalid, message);
    match nearest.first() {
        Some(_) => finding.help(format!("the nearest there are: {}", nearest.join(", "))),
        None => finding,
    }
}

/// The new deployment stands beside the old one for a time, so its machines come on top.
fn enough(spec: &AzureMlSpec, location: &str, size: &Size) -> Option<Diagnostic> {
    let needed = size.cores * u64::from(spec.instance_count);
    let free = size.free?;
    let message = |what: &str| {
        format!(
            "{} x `{}` {what} {needed} cores of `{}`, and the quota in region `{location}` has {free} left",
            spec.instance_count, spec.instance_type, size.family
        )
    };
    if free < needed {
        return Some(
            Diagnostic::error(Code::QuotaExceeded, message("need"))
                .help("ask for more quota of Azure Machine Learning (Azure portal, Quotas), remove deployments that are not needed, or choose another `instance-type`"),
        );
    }
    // Azure keeps a fifth for upgrades, for most types.
    (free * 5 < needed * 6).then(|| {
        Diagnostic::warning(Code::QuotaExceeded, message("need")).help(
            "Azure mostly takes a fifth more than asked for, for upgrades: ask for more quota before it says no",
        )
    })
}

/// What a person should know and no check can decide.
async fn told(work: &Work<'_>, workspace: &Workspace, before: &Before, image: Option<&Reference>) {
    let spec = work.spec;
    let how = if before.written().is_some() {
        "is there"
    } else {
        "is not there and will be made; its name must be the only one in the region"
    };
    let region = &workspace.location;
    let network = if workspace.private {
        "; the workspace is reached through its private network only"
    } else {
        ""
    };
    work.ctx
        .events
        .note(format!(
            "endpoint `{}` {how} (workspace `{}`, region `{region}`{network})",
            spec.endpoint, spec.workspace.name
        ))
        .await;
    let own = workspace
        .registry
        .as_ref()
        .map(|name| format!("{name}.azurecr."));
    let host = image.map(Reference::host).unwrap_or_default();
    if !host.is_empty() && !own.is_some_and(|own| host.starts_with(&own)) {
        work.ctx
            .events
            .note(format!(
                "the endpoint pulls from `{host}`, which is not the workspace's own registry: it must be public, or the endpoint's identity needs the role AcrPull there"
            ))
            .await;
    }
}
