//! How a new container takes the place of the old one, and how the old one comes back.

use tokio::time::Instant;

use super::Names;
use super::start::{answers, start};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::{ContainerSpec, Engine};
use crate::failure::{Fail, Failure, Outcome, chain};
use crate::plan::DockerSpec;

/// Seconds that a container gets to stop by itself.
const STOP: u16 = 3;

/// A person must look: neither the new nor the old container serves.
const NOT_PUT_BACK: Code = Code::RollbackFailed;

/// Undoes what an interrupted run may have left.
pub(super) async fn tidy(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    names: &Names,
) -> anyhow::Result<()> {
    engine.remove_container(&names.next).await?;
    if engine.inspect_container(&names.previous).await?.is_none() {
        return Ok(());
    }
    // Both are there: a swap was broken off before the new one was known to answer. Only if it does, it may stay.
    let serves = match engine.inspect_container(&names.now).await? {
        Some(now) => tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => {
                anyhow::bail!("stopped before it was known whether `{}` answers; the next run looks again", names.now);
            }
            serves = answers(spec, &now) => serves,
        },
        None => false,
    };
    if serves {
        return engine.remove_container(&names.previous).await;
    }
    ctx.events
        .note(format!(
            "an earlier run was interrupted; `{}` is put back",
            names.now
        ))
        .await;
    restore(engine, names).await
}

/// Starts the image beside the old container, on a port that the engine chooses, until it has answered.
pub(super) async fn try_out(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    names: &Names,
    container: &ContainerSpec,
    deadline: Instant,
) -> Outcome<()> {
    // Without an old container there is nothing to protect.
    if !exists(engine, &names.now).await? {
        return Ok(());
    }
    let mut trial = container.clone();
    trial.name.clone_from(&names.next);
    trial.restart = false;
    trial.ports.truncate(1);
    for port in &mut trial.ports {
        "127.0.0.1".clone_into(&mut port.address);
        port.host = 0;
    }
    let tried = start(ctx, engine, spec, &trial, deadline).await;
    let removed = engine.remove_container(&names.next).await;
    tried?;
    ctx.events
        .note("the new container answers beside the old one; it takes its place now")
        .await;
    removed.fail(Code::ContainerFailed)
}

async fn exists(engine: &Engine, name: &str) -> Outcome<bool> {
    let found = engine.inspect_container(name).await;
    Ok(found.fail(Code::ContainerFailed)?.is_some())
}

/// The old container steps aside and the new one takes its ports. When that does not answer the old one comes back; when it
/// does, the old one waits until the new one is verified.
pub(super) async fn swap(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    names: &Names,
    container: &ContainerSpec,
    deadline: Instant,
) -> Outcome<String> {
    let replaced = exists(engine, &names.now).await?;
    let work = async {
        if ctx.cancel.is_cancelled() {
            return Err(Failure::new(
                Code::Interrupted,
                format!("stopped before `{}` was replaced", names.now),
            ));
        }
        if replaced {
            engine
                .rename_container(&names.now, &names.previous)
                .await
                .fail(Code::ContainerFailed)?;
            engine
                .stop_container(&names.previous, STOP)
                .await
                .fail(Code::ContainerFailed)?;
        }
        start(ctx, engine, spec, container, deadline).await
    };
    match work.await {
        Ok(endpoint) => Ok(endpoint),
        Err(failure) if replaced => match restore(engine, names).await {
            Ok(()) => {
                ctx.events
                    .note(format!("`{}` runs the previous image again", names.now))
                    .await;
                Err(failure)
            }
            Err(error) => Err(not_put_back(names, &error, failure)),
        },
        Err(failure) => {
            // Nothing was there before, and a container that crashes for ever is of no use to anybody.
            drop(engine.remove_container(&names.now).await);
            Err(failure)
        }
    }
}

/// Neither the new nor the old container serves.
pub(super) fn not_put_back(names: &Names, error: &anyhow::Error, failure: Failure) -> Failure {
    let message = format!(
        "`{}` is down, and the previous container could not be put back: {}",
        names.now,
        chain(error)
    );
    let help = format!(
        "remove `{}`, rename `{}` to it, and start it",
        names.now, names.previous
    );
    let mut findings = vec![Diagnostic::error(NOT_PUT_BACK, message).help(help)];
    findings.extend(failure.into_findings());
    Failure::all(findings).unwrap_or_else(|| Failure::new(NOT_PUT_BACK, "no finding"))
}

/// Puts the previous container back under its name and starts it.
pub(super) async fn restore(engine: &Engine, names: &Names) -> anyhow::Result<()> {
    if engine.inspect_container(&names.previous).await?.is_none() {
        // It never stepped aside.
        return Ok(());
    }
    engine.remove_container(&names.now).await?;
    engine.rename_container(&names.previous, &names.now).await?;
    engine.start_container(&names.now).await
}
