//! What happens to what is live beside the job's own stages: a deployment becomes final or is undone, the last verified one
//! comes back, or is only described.

use crate::artifact::{Deployment, Pushed};
use crate::context::Context;
use crate::deploy::{azureml, docker, kubernetes, sagemaker};
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::Outcome;
use crate::plan::{DeploySpec, Plan};
use crate::stage::{Ended, stage};
use crate::verify;

/// What was deployed, until its verification decides.
pub(crate) enum Deployed {
    Kubernetes(Box<kubernetes::Rollout>),
    Docker(Deployment),
    AzureMl(Box<azureml::Rollout>),
    SageMaker(Box<sagemaker::Rollout>),
}

impl Deployed {
    /// What it becomes when it is verified.
    pub(crate) fn deployment(&self) -> &Deployment {
        match self {
            Self::Kubernetes(rollout) => rollout.deployment(),
            Self::Docker(deployment) => deployment,
            Self::AzureMl(rollout) => rollout.deployment(),
            Self::SageMaker(rollout) => rollout.deployment(),
        }
    }

    /// What verification is to look at first.
    pub(crate) fn judged(&self) -> Deployment {
        match self {
            Self::Kubernetes(rollout) => rollout.judged(),
            Self::Docker(deployment) => deployment.clone(),
            Self::AzureMl(rollout) => rollout.judged(),
            Self::SageMaker(rollout) => rollout.deployment().clone(),
        }
    }
}

/// Makes a verified deployment final, and undoes one that does not verify.
///
/// # Errors
/// The verification's failure, with what was done about it.
pub(crate) async fn settle(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    deployed: Option<Deployed>,
    pushed: Option<&Pushed>,
    verified: Outcome<()>,
) -> Outcome<()> {
    let ctx = &ctx.stage(Stage::Deploy);
    match (deployed, &plan.deploy, engine) {
        (Some(Deployed::Kubernetes(rollout)), Some(DeploySpec::Kubernetes(spec)), _) => {
            if let Err(failure) = verified {
                return Err(kubernetes::undo(ctx, spec, &rollout, failure).await);
            }
            let recheck =
                async |live: &Deployment| verify_stage(plan, ctx, None, Some(live), pushed).await;
            kubernetes::finish(ctx, spec, *rollout, recheck).await
        }
        (Some(Deployed::Docker(_)), Some(DeploySpec::Docker(spec)), Some(engine)) => {
            if let Err(failure) = verified {
                return Err(docker::undo(ctx, engine, spec, failure).await);
            }
            docker::finish(ctx, engine, spec).await;
            Ok(())
        }
        (Some(Deployed::AzureMl(rollout)), Some(DeploySpec::AzureMl(spec)), _) => {
            if let Err(failure) = verified {
                return Err(azureml::undo(ctx, spec, &rollout, failure).await);
            }
            let recheck =
                async |live: &Deployment| verify_stage(plan, ctx, None, Some(live), pushed).await;
            azureml::finish(ctx, spec, &rollout, recheck).await
        }
        (Some(Deployed::SageMaker(rollout)), Some(DeploySpec::SageMaker(spec)), _) => {
            if let Err(failure) = verified {
                return Err(sagemaker::undo(ctx, spec, &rollout, failure).await);
            }
            sagemaker::finish(ctx, spec, &rollout).await;
            Ok(())
        }
        _ => verified,
    }
}

/// Goes back to the last verified deployment, and verifies that it answers. Recorded predictions are those of the sources
/// at hand, not of the model that comes back, so they are not asked.
///
/// # Errors
/// As a deployment; nothing to go back to is one too.
pub(crate) async fn rollback(plan: &Plan, ctx: &Context) -> Outcome<Ended> {
    let work = async |ctx: &Context| {
        Ok(match &plan.deploy {
            Some(DeploySpec::Kubernetes(spec)) => {
                let rollout = kubernetes::rollback(ctx, spec).await?;
                Some(Deployed::Kubernetes(Box::new(rollout)))
            }
            Some(DeploySpec::SageMaker(spec)) => {
                let rollout = sagemaker::rollback(ctx, spec).await?;
                Some(Deployed::SageMaker(Box::new(rollout)))
            }
            Some(DeploySpec::AzureMl(spec)) => {
                let rollout = azureml::rollback(ctx, spec).await?;
                Some(Deployed::AzureMl(Box::new(rollout)))
            }
            _ => None,
        })
    };
    if !plan.runs(Stage::Deploy) {
        return Ok(Ended::Done);
    }
    let Some(deployed) = stage(plan, ctx, Stage::Deploy, work).await? else {
        return Ok(Ended::Done);
    };
    let verified = verify_stage(plan, ctx, None, Some(&deployed.judged()), None).await;
    settle(plan, ctx, None, Some(deployed), None, verified).await?;
    Ok(Ended::Done)
}

/// Says what is live; it changes nothing.
///
/// # Errors
/// What is not healthy, and what the access fails with.
pub(crate) async fn status(plan: &Plan, ctx: &Context) -> Outcome<Ended> {
    let work = async |ctx: &Context| match &plan.deploy {
        Some(DeploySpec::Kubernetes(spec)) => kubernetes::status(ctx, spec).await,
        Some(DeploySpec::SageMaker(spec)) => sagemaker::status(ctx, spec).await,
        Some(DeploySpec::AzureMl(spec)) => azureml::status(ctx, spec).await,
        _ => Ok(()),
    };
    if plan.deploy.is_some() {
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
