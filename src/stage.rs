//! How one stage runs: it says that it begins and how it ended, and it cannot outlive a cancel. It knows no stage by name.

use std::time::{Duration, Instant};

use crate::code::Code;
use crate::context::Context;
use crate::event::{End, EventKind, Stage};
use crate::failure::{Failure, Outcome};
use crate::plan::Plan;

/// How long a stage may take to clean up after it was told to stop.
const GRACE: Duration = Duration::from_millis(5_500);

/// How a run that did not fail came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    /// Nothing had changed.
    Reused,
}

/// Runs one stage: says that it begins and how it ended, and does not wait for it longer than `GRACE` after a cancel.
pub(crate) async fn stage<T>(
    plan: &Plan,
    ctx: &Context,
    stage: Stage,
    work: impl AsyncFnOnce(&Context) -> Outcome<T>,
) -> Outcome<T> {
    let ctx = ctx.stage(stage);
    if ctx.cancel.is_cancelled() {
        return Err(Failure::new(
            Code::Interrupted,
            format!("cancelled before stage {stage}"),
        ));
    }
    ctx.events.send(EventKind::Started(plan.what(stage))).await;
    let began = Instant::now();
    let overdue = async {
        ctx.cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let result = tokio::select! {
        result = work(&ctx) => result,
        () = overdue => Err(Failure::new(Code::Interrupted, format!("stage {stage} did not stop in time"))),
    };
    let end = match &result {
        Ok(_) => End::Succeeded,
        Err(_) if ctx.cancel.is_cancelled() => End::Cancelled,
        Err(_) => End::Failed,
    };
    ctx.events
        .send(EventKind::Finished {
            end,
            took: began.elapsed(),
        })
        .await;
    result
}
