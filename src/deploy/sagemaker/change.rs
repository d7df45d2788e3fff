//! The steps to another configuration: what is there already, what is made, and the change itself. What comes of it is waited
//! for elsewhere.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::history;
use super::judge::{self, next_config, text};
use super::wait::{look, settled};
use super::wanted::Wanted;
use crate::cloud::{SageMaker, Thing};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::SageMakerSpec;

/// The endpoint, when nobody else is changing it. One that could not be made serves nobody, and SageMaker lets it only be
/// removed.
pub(super) async fn found(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    wanted: &Wanted,
    until: Instant,
) -> Outcome<Option<Value>> {
    let name = &spec.endpoint;
    let Some(mut described) = look(ctx, aws, name).await? else {
        return Ok(None);
    };
    let leaves = text(&described, "EndpointStatus") == "Deleting";
    if leaves || judge::busy(&described) && next_config(&described) != wanted.config {
        let status = text(&described, "EndpointStatus").to_owned();
        ctx.events
            .note(format!(
                "endpoint `{name}` is {status} by another run; waiting for it"
            ))
            .await;
        match settled(ctx, aws, spec, until).await? {
            Some(now) => described = now,
            None => return Ok(None),
        }
    }
    match text(&described, "EndpointStatus") {
        "Failed" => {
            if !history::is_ours(aws, spec, text(&described, "EndpointArn")).await? {
                return Err(Failure::new(
                    Code::EndpointFailed,
                    format!("endpoint `{name}` has failed and was not made by ml-deploy, so it is left alone"),
                )
                .help("delete it, or choose another `endpoint-name`"));
            }
            ctx.events
                .note(format!(
                    "endpoint `{name}` had failed and serves nobody: it is made anew"
                ))
                .await;
            aws.delete(Thing::Endpoint, name).await?;
            gone(ctx, aws, spec, until).await?;
            Ok(None)
        }
        "UpdateRollbackFailed" => Err(Failure::new(
            Code::EndpointFailed,
            format!("endpoint `{name}` is UpdateRollbackFailed: it may serve two configurations, and SageMaker lets it only be deleted"),
        )
        .help("delete the endpoint when its callers can do without it for some minutes, then run again")),
        _ => Ok(Some(described)),
    }
}

/// Waits until a removed endpoint is gone. What it says of itself meanwhile may be from before its removal.
async fn gone(ctx: &Context, aws: &SageMaker, spec: &SageMakerSpec, until: Instant) -> Outcome<()> {
    let name = &spec.endpoint;
    while let Some(left) = settled(ctx, aws, spec, until).await? {
        if Instant::now() >= until {
            let status = text(&left, "EndpointStatus");
            return Err(Failure::new(
                Code::EndpointFailed,
                format!("endpoint `{name}` was removed and is still there: {status}"),
            ));
        }
        pause(ctx, name).await?;
    }
    Ok(())
}

/// Waits a moment before something is looked at, or tried, again.
async fn pause(ctx: &Context, name: &str) -> Outcome<()> {
    beforehand(ctx, name, async {
        tokio::time::sleep(PAUSE).await;
        Ok(())
    })
    .await
}

/// Makes what is not there yet.
pub(super) async fn make(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    wanted: &Wanted,
) -> Outcome<()> {
    let work = async {
        for (thing, name, body) in [
            (Thing::Model, &wanted.model, &wanted.create_model),
            (Thing::Config, &wanted.config, &wanted.create_config),
        ] {
            if aws.describe(thing, name).await?.is_none() {
                aws.create(thing, name, body).await?;
            }
        }
        Ok(())
    };
    beforehand(ctx, &spec.endpoint, work).await
}

/// Work that changes nothing of what is live: a cancel does not wait for it.
pub(super) async fn beforehand<T>(
    ctx: &Context,
    name: &str,
    work: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => Err(unchanged(name)),
        done = work => done,
    }
}

fn unchanged(name: &str) -> Failure {
    Failure::new(
        Code::Interrupted,
        format!("stopped before endpoint `{name}` was changed"),
    )
}

/// Before something is looked at, or tried, again.
const PAUSE: Duration = Duration::from_secs(2);

/// A change of an endpoint.
pub(super) enum Change<'a> {
    /// It is made, with these tags.
    Make(&'a Value),
    /// It moves, watched as this says.
    Move(Option<Value>),
}

/// Begins to move the endpoint, or makes it. Not broken off half-way, so that it is known what was begun.
pub(super) async fn change(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    config: &str,
    change: Change<'_>,
) -> Outcome<()> {
    let name = &spec.endpoint;
    if ctx.cancel.is_cancelled() {
        return Err(unchanged(name));
    }
    let mut body = json!({"EndpointName": name, "EndpointConfigName": config});
    match change {
        Change::Move(watched) => {
            if let Some(watched) = watched {
                body["DeploymentConfig"] = watched;
            }
            let note = format!("updating endpoint `{name}` to configuration `{config}`");
            ctx.events.note(note).await;
            // An autoscaler, or another run, may have begun something since we looked.
            let until = Instant::now() + spec.deadline;
            while !aws.update(name, &body).await? {
                let note = format!("endpoint `{name}` is being changed by something else: waiting");
                ctx.events.note(note).await;
                pause(ctx, name).await?;
                settled(ctx, aws, spec, until).await?;
                if Instant::now() >= until {
                    let why = format!(
                        "endpoint `{name}` took no update for {} s: something else goes on changing it",
                        spec.deadline.as_secs()
                    );
                    return Err(Failure::new(Code::RolloutDeadline, why)
                        .help("look at what changes it, an autoscaler or another pipeline, then run again"));
                }
            }
            Ok(())
        }
        Change::Make(tags) => {
            body["Tags"] = tags.clone();
            let note = format!("creating endpoint `{name}` with configuration `{config}`");
            ctx.events.note(note).await;
            aws.create(Thing::Endpoint, name, &body).await
        }
    }
}
