//! What can be known before anything is changed: the workspace, the rights, the endpoint, the machines, and who pulls the image.

use super::NO_PLACE;
use super::before::{self, Before};
use super::work::Work;
use crate::cloud::azure_ml::{Auth, Endpoint, Size, Workspace};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::AzureMlSpec;
use crate::registry::Reference;

/// What a deployment needs below `Microsoft.MachineLearningServices/workspaces/onlineEndpoints/`, but for asking the endpoint.
const RIGHTS: [&str; 5] = [
    "read",
    "write",
    "deployments/read",
    "deployments/write",
    "deployments/delete",
];

/// What a deployment needs in the workspace, to make the image an environment. A role may hold it for environments, or for
/// their versions alone.
const ENVIRONMENTS: [[&str; 2]; 2] = [
    ["environments/read", "environments/versions/read"],
    ["environments/write", "environments/versions/write"],
];

/// What proves at the endpoint that we may ask it.
fn asking(auth: Auth) -> &'static str {
    match auth {
        Auth::Key => "listKeys/action",
        Auth::Workspace => "token/action",
        Auth::Directory => "score/action",
    }
}

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
    // One that is being changed now is waited for when it is time to deploy.
    let (before, size) = tokio::join!(
        work.stoppable(before::read(&work)),
        work.stoppable(work.ml.size(&workspace.location, &spec.instance_type))
    );
    let (before, mut findings) = match before {
        Ok(before) => {
            let found = rights(&work, before.written()).await;
            told(&work, &workspace, &before, image).await;
            (before, found)
        }
        Err(failure) => (Before::default(), failure.into_findings()),
    };
    findings.extend(no_place(&before));
    findings.extend(match size {
        Ok(Ok(size)) => {
            let freed = freed(spec, &before, &size);
            enough(spec, &workspace.location, &size, freed)
        }
        Ok(Err(nearest)) => Some(unknown(spec, &workspace.location, &nearest)),
        // Only some roles may ask that.
        Err(_) => None,
    });
    findings
}

/// No name for the new deployment; what Azure is busy with may have ended by then.
fn no_place(before: &Before) -> Option<Diagnostic> {
    let none = before.place().err()?;
    let finding = if none.passes {
        Diagnostic::warning
    } else {
        Diagnostic::error
    };
    Some(finding(Code::EndpointFailed, none.why).help(NO_PLACE))
}

/// Rights that no role of the identity holds. Resource Manager says so itself, to whoever may read there. A role may hold for the
/// endpoint alone; environments belong to the workspace.
async fn rights(work: &Work<'_>, there: Option<&Endpoint>) -> Vec<Diagnostic> {
    let name = there.map(|_| work.spec.endpoint.as_str());
    let (endpoint, workspace) = tokio::join!(
        work.stoppable(work.ml.permissions(name)),
        work.stoppable(work.ml.permissions(None))
    );
    // A new one is made with a key.
    let auth = there.map_or(Auth::Key, |endpoint| endpoint.auth);
    // What may not be asked is not missing.
    let mut missing = Vec::new();
    if let Ok(permissions) = endpoint {
        let needed = RIGHTS.into_iter().chain([asking(auth)]);
        let needed = needed.map(|right| below_workspace(&format!("onlineEndpoints/{right}")));
        missing.extend(needed.filter(|right| !permissions.allow(right)));
    }
    if let Ok(permissions) = workspace {
        let needed = ENVIRONMENTS.map(|either| either.map(below_workspace));
        let lacks = |either: &[String; 2]| !either.iter().any(|right| permissions.allow(right));
        missing.extend(needed.into_iter().filter(lacks).map(|[right, _]| right));
    }
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

fn below_workspace(right: &str) -> String {
    format!("Microsoft.MachineLearningServices/workspaces/{right}")
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

/// Cores of the deployment that goes before the new one is made; only of the same type is it known how many.
fn freed(spec: &AzureMlSpec, before: &Before, size: &Size) -> u64 {
    let place = before.place().ok().filter(|place| place.occupied);
    let goes = place.and_then(|place| before.deployments.iter().find(|one| one.name == place.name));
    goes.filter(|one| one.instance_type.eq_ignore_ascii_case(&spec.instance_type))
        .map_or(0, |one| one.instances * size.cores)
}

/// The new deployment stands beside the old one for a time, so its machines come on top.
fn enough(spec: &AzureMlSpec, location: &str, size: &Size, freed: u64) -> Option<Diagnostic> {
    let needed = size.cores * u64::from(spec.instance_count);
    let free = size.free? + freed;
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
    let how = match before.written() {
        _ if before.is_to_be_made() => {
            "is not there and will be made; its name must be the only one in the region".to_owned()
        }
        Some(one) if one.is_changing() => {
            format!(
                "is {}, by somebody else: the deployment waits until that has ended",
                one.state
            )
        }
        _ => "is there".to_owned(),
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
    let host = image.map(Reference::host).unwrap_or_default();
    if !host.is_empty() && !workspace.owns(host) {
        work.ctx
            .events
            .note(format!(
                "the endpoint pulls from `{host}`, which is not the workspace's own registry: it must be public, or the endpoint's identity needs the role AcrPull there"
            ))
            .await;
    }
}
