//! What happens to what is live beside the job's own stages: a deployment becomes final or is undone, the last verified one
//! comes back, or is only described.

use crate::artifact::{Deployment, Pushed};
use crate::context::Context;
use crate::deploy::kubernetes;
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::Outcome;
use crate::plan::{DeploySpec, Plan};
use crate::stage::{Ended, stage};
use crate::target::{self, Deployed};
use crate::verify;

/// Makes a verified deployment final, and undoes one that does not verify.
///
/// # Errors
/// The verification's failure, with what was done about it.
pub(crate) async fn settle(
    plan: &Plan,
    ctx: &Context,
    deployed: Option<Deployed<'_>>,
    pushed: Option<&Pushed>,
    verified: Outcome<()>,
) -> Outcome<()> {
    let ctx = &ctx.stage(Stage::Deploy);
    match (deployed, verified) {
        (None, verified) => verified,
        (Some(deployed), Err(failure)) => Err(deployed.undo(ctx, failure).await),
        (Some(deployed), Ok(())) => {
            let recheck =
                async |live: &Deployment| verify_stage(plan, ctx, None, Some(live), pushed).await;
            deployed.finish(ctx, recheck).await
        }
    }
}

/// Goes back to the last verified deployment, and verifies that it answers. Recorded predictions are those of the sources
/// at hand, not of the model that comes back, so they are not asked.
///
/// # Errors
/// As a deployment; nothing to go back to is one too.
pub(crate) async fn rollback(plan: &Plan, ctx: &Context) -> Outcome<Ended> {
    let Some(spec) = plan.deploy.as_ref().filter(|_| plan.runs(Stage::Deploy)) else {
        return Ok(Ended::Done);
    };
    let work = async |ctx: &Context| target::roll_back(ctx, spec).await;
    let Some(deployed) = stage(plan, ctx, Stage::Deploy, work).await? else {
        return Ok(Ended::Done);
    };
    let verified = verify_stage(plan, ctx, None, Some(&deployed.judged()), None).await;
    settle(plan, ctx, Some(deployed), None, verified).await?;
    Ok(Ended::Done)
}

/// Says what is live; it changes nothing.
///
/// # Errors
/// What is not healthy, and what the access fails with.
pub(crate) async fn status(plan: &Plan, ctx: &Context) -> Outcome<Ended> {
    if let Some(spec) = &plan.deploy {
        let work = async |ctx: &Context| target::status(ctx, spec).await;
        stage(plan, ctx, Stage::Verify, work).await?;
    }
    Ok(Ended::Done)
}

/// Checks what is live: what this run deployed, else what the manifests name.
///
/// # Errors
/// All checks that failed.
pub(crate) async fn verify_stage(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<()> {
    let Some(spec) = plan.deploy.as_ref().filter(|_| plan.runs(Stage::Verify)) else {
        return Ok(());
    };
    let checks = async |ctx: &Context| {
        // Without a deployment in this run, what the manifests name is checked as it is live.
        let live = match (deployment, spec) {
            (None, DeploySpec::Kubernetes(spec)) => Some(kubernetes::live(ctx, spec).await?),
            _ => None,
        };
        let deployment = deployment.or(live.as_ref());
        verify::run(ctx, plan, spec, engine, deployment, pushed).await
    };
    stage(plan, ctx, Stage::Verify, checks).await.map(drop)
}
