//! The stage that trains: environment, command, model, run. It knows no image and no deployment.

mod command;
mod ending;
mod environment;
mod kept;
mod model;
mod traceback;

use std::path::Path;

use anyhow::Context as _;
use tokio::process::Command;

use crate::artifact::{Model, Run};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Fail, Outcome};
use crate::plan::{TrackingSpec, TrainSpec};
use crate::python::{self, Interpreter};
use crate::{process, tracking};

/// Makes the Python environment, runs the training in it, and gives what came of it.
pub(crate) async fn run(ctx: &Context, spec: &TrainSpec) -> Outcome<Model> {
    let python = python::ensure(ctx, &spec.python).await?;
    let marker = tracking::Marker::new();
    let before = model::listing(&spec.model);
    train(ctx, spec, &python, &marker).await?;

    if before.is_some() && before == model::listing(&spec.model) {
        return Err(model::untouched(ctx, &spec.model));
    }
    let store = store(ctx, spec);
    let target = spec.model.clone();
    let (files, facts, environment, run) = tokio::join!(
        model::measure(ctx, &spec.model),
        tokio::task::spawn_blocking(move || python::model_facts(&target)),
        python::freeze(ctx, &python, &spec.set),
        find_run(ctx, spec, store.as_ref(), &python, &marker),
    );
    let files = files?;
    let model = Model {
        path: files.path,
        sha256: files.sha256,
        bytes: files.bytes,
        run: run?,
        environment: Some(environment?),
        facts: Some(facts.fail(Code::Internal)?),
        commit: spec.commit.clone(),
    };
    kept::write(ctx, store.as_ref(), &model).await;
    ctx.events.produced(model.clone()).await;
    Ok(model)
}

/// The model of an earlier training, for runs that do not train.
pub(crate) async fn existing(ctx: &Context, path: &Path) -> Outcome<Model> {
    let files = model::measure(ctx, path).await.map_err(|failure| {
        failure.help("set `train` to the command that writes it, or `model` to where it is")
    })?;
    let kept = kept::read(ctx, &files.sha256).unwrap_or_default();
    let known = !kept.model_sha256.is_empty();
    let run = kept.run_id.map(|id| Run {
        id,
        url: kept.run_url,
        ..Run::default()
    });
    let model = Model {
        path: files.path,
        bytes: files.bytes,
        run,
        environment: known.then_some(kept.environment),
        facts: known.then_some(kept.model),
        commit: kept.commit,
        sha256: files.sha256,
    };
    ctx.events.produced(model.clone()).await;
    Ok(model)
}

/// Runs the command and judges its end.
async fn train(
    ctx: &Context,
    spec: &TrainSpec,
    python: &Interpreter,
    marker: &tracking::Marker,
) -> Outcome<()> {
    tracking::prepare(&spec.tracking)?;
    let program = command::resolve(ctx, spec, python)?;
    let environment = environment::of_training(spec, python, marker, std::env::vars_os());
    for (name, value) in &spec.set {
        if process::looks_secret(name) {
            ctx.events.mask(value).await;
        }
    }
    if !environment.withheld.is_empty() {
        let names = environment.withheld.join(", ");
        ctx.events
            .note(format!(
                "withheld from the training: {names} (name one in `train-env` to pass it on)"
            ))
            .await;
    }
    let mut command = Command::new(program);
    command
        .args(&spec.command[1..])
        .env_clear()
        .envs(environment.variables)
        .current_dir(&ctx.workspace.folder);
    let finished = process::run(ctx, command, spec.deadline)
        .await
        .with_context(|| format!("failed to start the training `{}`", spec.shown))
        .fail(Code::TrainCommand)?;
    if finished.orphans {
        ctx.events
            .note("the training left processes running in its group; they were ended")
            .await;
    }
    ending::judge(ctx, spec, &finished)
}

/// Where the training's run is: the store that was asked for, else one that the script chose itself.
fn store(ctx: &Context, spec: &TrainSpec) -> Option<TrackingSpec> {
    if spec.tracking.asked {
        return Some(spec.tracking.clone());
    }
    tracking::discover(ctx, &spec.tracking)
}

/// The run that the training logged. Without tracking asked for, it is read as far as it can be.
async fn find_run(
    ctx: &Context,
    spec: &TrainSpec,
    store: Option<&TrackingSpec>,
    python: &Interpreter,
    marker: &tracking::Marker,
) -> Outcome<Option<Run>> {
    let Some(tracking) = store else {
        return Ok(None);
    };
    match tracking::find_run(ctx, tracking, marker, &python.path).await {
        Ok(run) => {
            if run.is_none() && spec.tracking.asked {
                ctx.events.note("the training logged no MLflow run").await;
            }
            Ok(run)
        }
        Err(failure) if spec.tracking.asked => Err(failure),
        Err(failure) => {
            for mut finding in failure.into_findings() {
                finding.severity = crate::diagnostic::Severity::Warning;
                ctx.events.diagnosed(finding).await;
            }
            Ok(None)
        }
    }
}
