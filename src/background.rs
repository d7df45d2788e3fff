//! What a report shows around the run's own results: what the experiment's last runs measured, and what an image consists of
//! beside the one that is live. Everything here is bounded, and what fails is only noted.

use std::path::Path;
use std::time::Duration;

use crate::artifact::Model;
use crate::context::Context;
use crate::event::Stage;
use crate::failure::chain;
use crate::plan::Plan;
use crate::tracking;

/// Nobody waits longer for what only decorates the report.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes what the last runs of the model's experiment measured.
pub(crate) async fn history(plan: &Plan, ctx: &Context, model: Option<&Model>) {
    let Some((model, run)) = model.and_then(|model| Some((model, model.run.as_ref()?))) else {
        return;
    };
    let ctx = ctx.stage(Stage::Train);
    let mut store = plan.gates.tracking.clone();
    if !store.asked
        && let Some(found) = tracking::discover(&ctx, &store)
    {
        store = found;
    }
    let environment = model.environment.as_ref();
    let python = environment.map(|environment| Path::new(environment.executable.as_str()));
    let asked = tracking::history(&ctx, &store, &run.experiment_id, python);
    let why = match within(asked, &ctx).await {
        Ok(history) => return ctx.events.produced(history).await,
        Err(why) => why,
    };
    ctx.events
        .note(format!(
            "the experiment's last runs are not shown in the report: {why}"
        ))
        .await;
}

async fn within<T>(
    work: impl Future<Output = anyhow::Result<T>>,
    ctx: &Context,
) -> Result<T, String> {
    let seconds = PATIENCE.as_secs();
    tokio::select! {
        done = tokio::time::timeout(PATIENCE, work) => match done {
            Ok(done) => done.map_err(|error| chain(&error)),
            Err(_) => Err(format!("no answer within {seconds} s")),
        },
        () = ctx.cancel.cancelled() => Err("the run was cancelled".to_owned()),
    }
}
