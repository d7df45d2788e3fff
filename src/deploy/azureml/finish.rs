//! A verified deployment takes the traffic over, step by step, and what it replaces goes.

use super::before::{Tags, is_ours};
use super::remove::{REMOVAL, remove};
use super::undo::{retreat, undo};
use super::work::Work;
use super::{How, Rollout, traffic};
use crate::artifact::Deployment;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::AzureMlSpec;

/// Moves the traffic, reads it back, and removes what was replaced. `recheck` verifies: after each step the new deployment, at the
/// end the endpoint as everybody asks it.
///
/// # Errors
/// `TrafficUnmoved`, or what `recheck` finds; the traffic is moved back then, and after a cancel on the way too.
pub(crate) async fn finish(
    ctx: &Context,
    spec: &AzureMlSpec,
    rollout: &Rollout,
    recheck: impl AsyncFn(&Deployment) -> Outcome<()>,
) -> Outcome<()> {
    let work = Work::new(ctx, spec);
    let mut moving = false;
    if rollout.how != How::Serves
        && let Err(failure) = take_over(&work, rollout, &mut moving, recheck).await
    {
        return Err(match moving && ctx.cancel.is_cancelled() {
            true => retreat(ctx, spec, rollout, failure).await,
            false => undo(ctx, spec, rollout, failure).await,
        });
    }
    let live = match rollout.deployment.endpoint {
        Some(_) => rollout.deployment.clone(),
        // Only now a new endpoint says where it answers.
        None => Deployment {
            endpoint: work
                .ml
                .endpoint(&spec.endpoint)
                .await?
                .and_then(|one| one.scoring),
            ..rollout.deployment.clone()
        },
    };
    ctx.events.produced(live).await;
    if rollout.how == How::Made {
        tidy(&work.within(REMOVAL), rollout).await;
    }
    Ok(())
}

/// `moving` becomes true before anything is asked of Azure.
async fn take_over(
    work: &Work<'_>,
    rollout: &Rollout,
    moving: &mut bool,
    recheck: impl AsyncFn(&Deployment) -> Outcome<()>,
) -> Outcome<()> {
    let before = rollout.before.traffic();
    let steps = traffic::steps(&before, &rollout.name, work.spec.step);
    let last = steps.len();
    for (turn, wanted) in (1..).zip(&steps) {
        if work.cancel.is_cancelled() {
            return Err(Failure::new(
                Code::Interrupted,
                format!(
                    "stopped before the traffic moved to {}",
                    traffic::shown(wanted)
                ),
            ));
        }
        *moving = true;
        let tags = match turn == last {
            true => rollout.before.remembered(),
            false => Tags::new(),
        };
        traffic::set(work, wanted, &tags).await?;
        let judged = if turn < last {
            rollout.judged()
        } else {
            rollout.deployment.clone()
        };
        recheck(&judged).await?;
    }
    Ok(())
}

/// Removes what was replaced, unless it is to be kept or is not ours. The new one serves, so nothing here fails the run.
async fn tidy(work: &Work<'_>, rollout: &Rollout) {
    let live = rollout.before.live().map(|live| live.name.as_str());
    for old in &rollout.before.deployments {
        if old.name == rollout.name {
            continue;
        }
        let replaced = live == Some(old.name.as_str());
        if !is_ours(old) || matches!(old.state.as_str(), "Creating" | "Deleting") {
            if replaced {
                say(
                    work,
                    format!(
                        "deployment `{}` stays, without traffic: ml-deploy has not made it",
                        old.name
                    ),
                )
                .await;
            }
        } else if replaced && work.spec.keep_old {
            say(work, format!("deployment `{}` is kept, without traffic, for `ml-deploy rollback` (`keep-old`)", old.name)).await;
        } else if let Err(why) = remove(work, &old.name).await {
            let message = format!("deployment `{}` is left, without traffic: {why}", old.name);
            let finding = Diagnostic::warning(Code::EndpointFailed, message)
                .help("the next run removes it; until then its machines are paid for");
            work.ctx.events.diagnosed(finding).await;
        }
    }
}

async fn say(work: &Work<'_>, text: String) {
    work.ctx.events.note(text).await;
}
