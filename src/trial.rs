//! How the trial of the built image is put together: what is recorded, how the manifests start it, and what its measurements
//! mean for them. The trial itself is a gate; the manifests belong to the deployment.

use std::time::Duration;

use crate::artifact::{Image, Launch, Trial};
use crate::context::Context;
use crate::deploy::kubernetes;
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Failure, Outcome};
use crate::gate::predictions::{self, Subject};
use crate::plan::{DeploySpec, Plan, TrialSpec};
use crate::predict::{self, Tolerance};
use crate::stage;

/// Tries the image, unless there is nothing to ask: a training may leave recorded predictions, or none. `at_most`: how long
/// it may take to become healthy, where that is less than the user gives it.
///
/// # Errors
/// Recorded predictions that cannot be read, and what the trial fails with.
pub(crate) async fn stage(
    plan: &Plan,
    ctx: &Context,
    engine: &Engine,
    image: &Image,
    at_most: Duration,
) -> Outcome<Option<Trial>> {
    let Some(spec) = &plan.trial else {
        return Ok(None);
    };
    let spec = &TrialSpec {
        deadline: spec.deadline.min(at_most),
        ..spec.clone()
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
    let launch = cluster.map_or_else(Launch::default, |cluster| kubernetes::launch(ctx, cluster));
    if launch.ends || recorded.is_none() && plan.verify.health_path.is_none() {
        return Ok(None);
    }
    let subject = Subject {
        image,
        verify: &plan.verify,
        trial: spec,
        launch: &launch,
        recorded: recorded.as_ref(),
        tolerance: Tolerance::of(&plan.model, plan.verify.rtol, plan.verify.atol),
    };
    stage::stage(plan, ctx, Stage::Predictions, async |ctx| {
        let trial = predictions::run(ctx, engine, subject).await?;
        let found = cluster.map(|cluster| kubernetes::measured(ctx, cluster, &trial));
        for finding in found.into_iter().flatten() {
            ctx.events.diagnosed(finding).await;
        }
        Ok(Some(trial))
    })
    .await
}
