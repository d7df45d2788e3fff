//! How the trial of the built image is put together: what is recorded, how the manifests start it, and what its measurements
//! mean for them. The trial itself is a gate; the manifests belong to the deployment.

use crate::artifact::{Image, Launch, Trial};
use crate::context::Context;
use crate::deploy::{azureml, kubernetes, sagemaker};
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Failure, Outcome};
use crate::gate::predictions::{self, Subject};
use crate::plan::{DeploySpec, Plan};
use crate::predict::{self, Tolerance};
use crate::stage;

/// Tries the image, unless there is nothing to ask: a training may leave recorded predictions, or none.
///
/// # Errors
/// Recorded predictions that cannot be read, and what the trial fails with.
pub(crate) async fn stage(
    plan: &Plan,
    ctx: &Context,
    engine: &Engine,
    image: &Image,
) -> Outcome<Option<Trial>> {
    let Some(spec) = &plan.trial else {
        return Ok(None);
    };
    let recorded = predict::find(
        &ctx.workspace,
        plan.verify.golden.as_deref(),
        &plan.verify.form,
        &plan.model,
    );
    let recorded = match recorded.map_err(Failure::all) {
        Ok(recorded) => recorded,
        Err(Some(failure)) => return Err(failure),
        Err(None) => None,
    };
    let cluster = match &plan.deploy {
        Some(DeploySpec::Kubernetes(cluster)) => Some(cluster),
        _ => None,
    };
    let endpoint = match &plan.deploy {
        Some(DeploySpec::SageMaker(endpoint)) => Some(endpoint),
        _ => None,
    };
    let launch = match (cluster, endpoint) {
        (Some(cluster), _) => kubernetes::launch(ctx, cluster),
        (_, Some(endpoint)) => sagemaker::launch(endpoint),
        _ => Launch::default(),
    };
    if launch.ends || recorded.is_none() && plan.verify.health_path.is_none() {
        return Ok(None);
    }
    let subject = Subject {
        image,
        verify: &plan.verify,
        trial: spec,
        launch: &launch,
        recorded: recorded.as_ref(),
        contract: endpoint.and(plan.verify.predict_path.as_deref()),
        tolerance: Tolerance::of(&plan.model, plan.verify.rtol, plan.verify.atol),
    };
    stage::stage(plan, ctx, Stage::Predictions, async |ctx| {
        match &plan.deploy {
            Some(DeploySpec::SageMaker(spec)) => sagemaker::built(spec, engine, &image.id).await?,
            Some(DeploySpec::AzureMl(_)) => azureml::built(engine, &image.id).await?,
            _ => {}
        }
        let trial = predictions::run(ctx, engine, subject).await?;
        let found = cluster.map(|cluster| kubernetes::measured(ctx, cluster, &trial));
        for finding in found.into_iter().flatten() {
            ctx.events.diagnosed(finding).await;
        }
        Ok(Some(trial))
    })
    .await
}
