//! The one place where the target of a deployment is chosen: all other files say what is to be done, and this one who does it.
//! It decides nothing about when.

use futures_util::future::BoxFuture;

use crate::artifact::{Deployment, Image, Live, Pushed};
use crate::code::Code;
use crate::context::Context;
use crate::deploy::{azureml, docker, kubernetes, sagemaker};
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Fail as _, Failure, Outcome};
use crate::plan::{AzureMlSpec, DeploySpec, DockerSpec, KubernetesSpec, Plan, SageMakerSpec, Task};

/// What was deployed, until its verification decides.
pub(crate) enum Deployed<'a> {
    Kubernetes(&'a KubernetesSpec, Box<kubernetes::Rollout>),
    Docker(&'a DockerSpec, &'a Engine, Deployment),
    AzureMl(&'a AzureMlSpec, Box<azureml::Rollout>),
    SageMaker(&'a SageMakerSpec, Box<sagemaker::Rollout>),
}

/// What is deployed, and where it comes from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// As the engine has it, when this run has built it.
    pub(crate) image: Option<&'a Image>,
    pub(crate) pushed: Option<&'a Pushed>,
    /// The MLflow run of its model.
    pub(crate) run_id: Option<&'a str>,
}

/// What the target can say before anything is changed; `None` when it is not concerned.
pub(crate) fn preflight<'a>(
    plan: &'a Plan,
    ctx: &'a Context,
) -> Option<BoxFuture<'a, Vec<Diagnostic>>> {
    let (deploys, proposed) = (plan.runs(Stage::Deploy), plan.host.pull_request);
    let named = plan.image_ref.as_ref();
    let image = named.or(plan.push.as_ref().map(|push| &push.repository));
    Some(match plan.deploy.as_ref()? {
        // A pull request deploys nothing, but its manifests are tried all the same when the cluster can be reached.
        DeploySpec::Kubernetes(spec) if deploys || proposed && spec.cluster.is_told() => {
            let verify = (plan.runs(Stage::Verify) || proposed).then_some(&plan.verify);
            Box::pin(kubernetes::preflight(ctx, spec, verify, named))
        }
        DeploySpec::Kubernetes(spec) if proposed => {
            Box::pin(kubernetes::on_paper(ctx, spec, named))
        }
        DeploySpec::AzureMl(spec) if deploys => Box::pin(azureml::preflight(ctx, spec, image)),
        DeploySpec::SageMaker(spec) if deploys && plan.task == Task::Run => {
            Box::pin(sagemaker::preflight(ctx, spec, image, named.is_some()))
        }
        _ => return None,
    })
}

/// Deploys. What fails on the way is undone by the target itself.
///
/// # Errors
/// Those of the target.
pub(crate) async fn deploy<'a>(
    ctx: &Context,
    spec: &'a DeploySpec,
    engine: Option<&'a Engine>,
    origin: Origin<'_>,
) -> Outcome<Deployed<'a>> {
    let Origin {
        image,
        pushed,
        run_id,
    } = origin;
    Ok(match spec {
        DeploySpec::Kubernetes(spec) => {
            let rollout = kubernetes::run(ctx, spec, pushed, run_id).await?;
            Deployed::Kubernetes(spec, Box::new(rollout))
        }
        DeploySpec::Docker(spec) => {
            let Some(engine) = engine else {
                return Err(Failure::new(
                    Code::Internal,
                    "no engine was opened for target docker",
                ));
            };
            let deployment = docker::run(ctx, engine, spec, image, pushed, run_id).await?;
            Deployed::Docker(spec, engine, deployment)
        }
        DeploySpec::AzureMl(spec) => {
            let rollout = azureml::run(ctx, spec, pushed, run_id).await?;
            Deployed::AzureMl(spec, Box::new(rollout))
        }
        DeploySpec::SageMaker(spec) => {
            let rollout = sagemaker::run(ctx, spec, pushed, run_id).await?;
            Deployed::SageMaker(spec, Box::new(rollout))
        }
    })
}

/// Goes back to the deployment that was verified before the live one; `None`: the target keeps no record of any.
///
/// # Errors
/// Those of the target; nothing to go back to is one too.
pub(crate) async fn roll_back<'a>(
    ctx: &Context,
    spec: &'a DeploySpec,
) -> Outcome<Option<Deployed<'a>>> {
    Ok(Some(match spec {
        DeploySpec::Kubernetes(spec) => {
            let rollout = kubernetes::rollback(ctx, spec).await?;
            Deployed::Kubernetes(spec, Box::new(rollout))
        }
        DeploySpec::AzureMl(spec) => {
            let rollout = azureml::rollback(ctx, spec).await?;
            Deployed::AzureMl(spec, Box::new(rollout))
        }
        DeploySpec::SageMaker(spec) => {
            let rollout = sagemaker::rollback(ctx, spec).await?;
            Deployed::SageMaker(spec, Box::new(rollout))
        }
        DeploySpec::Docker(_) => return Ok(None),
    }))
}

/// Says what is live.
///
/// # Errors
/// What is not healthy, and what the access fails with.
pub(crate) async fn status(ctx: &Context, spec: &DeploySpec) -> Outcome<()> {
    match spec {
        DeploySpec::Kubernetes(spec) => kubernetes::status(ctx, spec).await,
        DeploySpec::AzureMl(spec) => azureml::status(ctx, spec).await,
        DeploySpec::SageMaker(spec) => sagemaker::status(ctx, spec).await,
        DeploySpec::Docker(_) => Ok(()),
    }
}

/// What serves there, whoever deployed it; `None`: nothing of ours does. An engine is opened when none is given.
///
/// # Errors
/// Those of the target; an engine's with this code.
pub(crate) async fn serving(
    ctx: &Context,
    spec: &DeploySpec,
    engine: Option<&Engine>,
    code: Code,
) -> Outcome<Option<Live>> {
    match (spec, engine) {
        (DeploySpec::Kubernetes(spec), _) => kubernetes::serving(ctx, spec).await,
        (DeploySpec::AzureMl(spec), _) => azureml::serving(ctx, spec).await,
        (DeploySpec::SageMaker(spec), _) => sagemaker::serving(spec).await,
        (DeploySpec::Docker(spec), Some(engine)) => docker::serving(engine, spec).await.fail(code),
        (DeploySpec::Docker(spec), None) => {
            let engine = Engine::connect().await?;
            docker::serving(&engine, spec).await.fail(code)
        }
    }
}

impl Deployed<'_> {
    /// What it becomes when it is verified.
    pub(crate) fn deployment(&self) -> &Deployment {
        match self {
            Self::Kubernetes(_, rollout) => rollout.deployment(),
            Self::Docker(_, _, deployment) => deployment,
            Self::AzureMl(_, rollout) => rollout.deployment(),
            Self::SageMaker(_, rollout) => rollout.deployment(),
        }
    }

    /// What verification is to look at first: where the new version stands beside the old one, that one alone.
    pub(crate) fn judged(&self) -> Deployment {
        match self {
            Self::Kubernetes(_, rollout) => rollout.judged(),
            Self::AzureMl(_, rollout) => rollout.judged(),
            Self::Docker(..) | Self::SageMaker(..) => self.deployment().clone(),
        }
    }

    /// Makes it final. `recheck` verifies what takes the requests over only now.
    ///
    /// # Errors
    /// Those of the target, and what `recheck` finds.
    pub(crate) async fn finish(
        self,
        ctx: &Context,
        recheck: impl AsyncFn(&Deployment) -> Outcome<()>,
    ) -> Outcome<()> {
        match self {
            Self::Kubernetes(spec, rollout) => {
                kubernetes::finish(ctx, spec, *rollout, recheck).await
            }
            Self::Docker(spec, engine, _) => {
                docker::finish(ctx, engine, spec).await;
                Ok(())
            }
            Self::AzureMl(spec, rollout) => azureml::finish(ctx, spec, &rollout, recheck).await,
            Self::SageMaker(spec, rollout) => {
                sagemaker::finish(ctx, spec, &rollout).await;
                Ok(())
            }
        }
    }

    /// Puts back what was live before. Returns the failure with what was done about it.
    pub(crate) async fn undo(self, ctx: &Context, failure: Failure) -> Failure {
        match self {
            Self::Kubernetes(spec, rollout) => kubernetes::undo(ctx, spec, &rollout, failure).await,
            Self::Docker(spec, engine, _) => docker::undo(ctx, engine, spec, failure).await,
            Self::AzureMl(spec, rollout) => azureml::undo(ctx, spec, &rollout, failure).await,
            Self::SageMaker(spec, rollout) => sagemaker::undo(ctx, spec, &rollout, failure).await,
        }
    }
}
