//! What becomes of an endpoint that did not become what it should, or did not verify: the configuration before serves again,
//! or it is left or removed as the inputs say. A cancel never begins a rollback.

use std::time::SystemTime;

use tokio::time::Instant;

use super::change::{Change, change};
use super::finish::warn;
use super::judge::{Goal, text};
use super::prune::discard;
use super::wait::{Waited, settled, wait};
use super::{Before, Rollout};
use crate::artifact::RolledBack;
use crate::cloud::{SageMaker, Thing};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::{OnFailure, OnFirstFailure, SageMakerSpec};

/// Undoes a deployment that serves and did not verify. Returns the failure with what was done about it.
pub(crate) async fn undo(
    ctx: &Context,
    spec: &SageMakerSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    let aws = spec.clouds.sagemaker();
    let name = &spec.endpoint;
    if !rollout.changed && rollout.before.is_none() {
        return failure.also("; nothing was changed");
    }
    if ctx.cancel.is_cancelled() {
        return failure.also(format!(
            "; endpoint `{name}` serves `{}`, not verified",
            rollout.config
        ));
    }
    let Some(before) = &rollout.before else {
        return first(ctx, &aws, spec, rollout, failure).await;
    };
    if spec.on_failure == OnFailure::Keep {
        let note = "what failed is left as it is (`on-failure: keep`); `ml-deploy rollback` goes back to the last verified configuration";
        ctx.events.note(note).await;
        return failure;
    }
    match back(ctx, &aws, spec, before).await {
        Ok(()) => {
            let failure = rolled_back(ctx, spec, before, failure).await;
            tidy(ctx, &aws, spec, &rollout.config).await;
            failure
        }
        Err(why) => not_back(ctx, spec, before, why, failure),
    }
}

/// A deployment that never came to serve. Where SageMaker has gone back by itself there is nothing to undo; that is said.
pub(super) async fn not_there(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    if !rollout.changed && rollout.before.is_none() {
        return failure.also("; nothing was changed");
    }
    match (&rollout.before, failure.code()) {
        // SageMaker cannot be told to stop, and a cancel undoes nothing.
        (_, Code::Interrupted | Code::RolloutDeadline | Code::RollbackFailed) => failure,
        (Some(before), Code::EndpointOldConfig) => {
            if spec.on_failure == OnFailure::Rollback {
                tidy(ctx, aws, spec, &rollout.config).await;
            }
            rolled_back(ctx, spec, before, failure).await
        }
        (Some(before), _) => down(aws, spec, before, failure).await,
        (None, _) => first(ctx, aws, spec, rollout, failure).await,
    }
}

/// An update mostly leaves something that serves. Where it does not, a person must know: SageMaker takes no further update.
async fn down(aws: &SageMaker, spec: &SageMakerSpec, before: &Before, failure: Failure) -> Failure {
    let described = aws.describe(Thing::Endpoint, &spec.endpoint).await;
    let described = described.ok().flatten().unwrap_or_default();
    let status = text(&described, "EndpointStatus");
    if !["Failed", "OutOfService"].contains(&status) {
        return failure;
    }
    let said = format!(
        "endpoint `{}` is {status} and serves nobody; `{}` was live before",
        spec.endpoint, before.config
    );
    let broken = Diagnostic::error(Code::RollbackFailed, said)
        .help("delete the endpoint, which is all that SageMaker allows, and run again");
    failure.led_by(broken)
}

/// Moves the endpoint back and waits for it.
async fn back(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    before: &Before,
) -> Outcome<()> {
    let deadline = Instant::now() + spec.deadline;
    let since = SystemTime::now();
    // What is wrong already need not be watched on its way out.
    change(ctx, aws, spec, &before.config, Change::Move(None)).await?;
    let waited = Waited {
        goal: Goal::earlier(&before.config),
        deadline,
        since,
        alarms: &[],
    };
    wait(ctx, aws, spec, waited).await.map(drop)
}

/// What failed serves nobody any more: its configuration and model go, unless they were verified by an earlier run.
pub(super) async fn tidy(ctx: &Context, aws: &SageMaker, spec: &SageMakerSpec, name: &str) {
    match discard(aws, spec, name).await {
        Ok(true) => {
            let note = format!("removed configuration `{name}`, which was never verified");
            ctx.events.note(note).await;
        }
        Ok(false) => {}
        Err(failure) => {
            let what = format!("configuration `{name}`, which failed, is left");
            warn(ctx, &what, &failure).await;
        }
    }
}

async fn rolled_back(
    ctx: &Context,
    spec: &SageMakerSpec,
    before: &Before,
    failure: Failure,
) -> Failure {
    let to = before.name().to_owned();
    let said = format!(
        "endpoint `{}` serves configuration `{}` again: `{to}`",
        spec.endpoint, before.config
    );
    ctx.events.note(said.clone()).await;
    ctx.events.produced(RolledBack { to }).await;
    failure.also(format!("; {said}"))
}

fn not_back(
    ctx: &Context,
    spec: &SageMakerSpec,
    before: &Before,
    why: Failure,
    failure: Failure,
) -> Failure {
    let said = format!(
        "endpoint `{}` could not be put back to configuration `{}`: {}",
        spec.endpoint,
        before.config,
        why.message()
    );
    if ctx.cancel.is_cancelled() {
        return failure.also(format!("; {said}"));
    }
    let broken = Diagnostic::error(Code::RollbackFailed, said).help(format!(
        "see the endpoint's page in the SageMaker console; `ml-deploy rollback` with `endpoint-name: {}` tries again",
        spec.endpoint
    ));
    let mut findings = failure.led_by(broken).into_findings();
    findings.extend(why.into_findings());
    Failure::all(findings).unwrap_or_else(|| Failure::new(Code::RollbackFailed, "no finding"))
}

/// Nothing served before.
async fn first(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    let name = &spec.endpoint;
    if spec.on_first_failure != OnFirstFailure::Remove {
        return failure.also(format!(
            "; nothing was live before: endpoint `{name}` is left to be looked at, and costs until it is removed"
        ));
    }
    let removed = async {
        let until = Instant::now() + spec.deadline;
        settled(ctx, aws, spec, until).await?;
        aws.delete(Thing::Endpoint, name).await
    };
    match removed.await {
        Ok(()) => {
            tidy(ctx, aws, spec, &rollout.config).await;
            failure.also(format!(
                "; nothing was live before: endpoint `{name}` is removed"
            ))
        }
        Err(why) => failure.also(format!(
            "; nothing was live before, and endpoint `{name}` could not be removed: {}",
            why.message()
        )),
    }
}
