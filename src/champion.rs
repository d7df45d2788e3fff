//! The job's dealings with the champion: the candidate is judged against it, and becomes it when it is verified.

use crate::artifact::{Live, Model, Pushed};
use crate::code::Code;
use crate::context::Context;
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::Outcome;
use crate::gate::metrics::{self, Before, Serving, Verified};
use crate::plan::Plan;
use crate::stage::stage;
use crate::target;

/// Looks at files of metrics before the training, to know afterwards which of them are its own.
pub(crate) fn before(plan: &Plan) -> Before {
    let trains = plan.runs(Stage::Train) && plan.train.is_some();
    metrics::before(&plan.gates, &plan.workspace.folder, trains)
}

/// Whether the model is good enough to be built into an image.
///
/// # Errors
/// A finding for each rule that does not pass.
pub(crate) async fn gate(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    model: Option<&Model>,
    before: &Before,
) -> Outcome<()> {
    if !plan.runs(Stage::Gates) {
        return Ok(());
    }
    stage(plan, ctx, Stage::Gates, async |ctx| {
        let serving = Serving {
            live: live(plan, ctx, engine).await,
            login: Some(&plan.login),
        };
        metrics::run(ctx, &plan.gates, model, before, serving).await
    })
    .await
}

/// A model that is verified becomes the champion.
pub(crate) async fn crown(
    plan: &Plan,
    ctx: &Context,
    model: Option<&Model>,
    pushed: Option<&Pushed>,
) {
    if plan.runs(Stage::Deploy) && plan.runs(Stage::Verify) {
        let verified = Verified {
            model,
            pushed,
            login: Some(&plan.login),
        };
        metrics::record(&ctx.stage(Stage::Verify), &plan.gates, verified).await;
    }
}

/// What serves where the plan deploys to, also when this run does not deploy.
pub(crate) async fn live(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
) -> Outcome<Option<Live>> {
    match &plan.deploy {
        None => Ok(None),
        Some(spec) => target::serving(ctx, spec, engine, Code::ChampionUnreadable).await,
    }
}
