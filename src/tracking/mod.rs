//! Where runs are recorded: MLflow's servers and stores. It knows their protocols, and no stage.

mod artifacts;
mod client;
mod history;
mod local;
mod models;
mod preflight;
mod registered;
mod run;
mod uri;
pub(crate) mod wandb;

use std::fs;
use std::path::Path;

use anyhow::Context as _;

pub(crate) use artifacts::{get, put};
pub(crate) use history::history;
pub(crate) use models::{Version, by_alias, register, tag_run, take_alias};
pub(crate) use preflight::preflight;
pub(crate) use registered::{Registered, Wanted, registered};
pub(crate) use uri::{credentials, parse};

use crate::artifact::Run;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Fail, Outcome};
use crate::plan::{TrackingSpec, TrackingUri};

/// Random text that MLflow puts on every run which the training starts, whatever the script does. By it they are found.
#[derive(Clone, Debug)]
pub(crate) struct Marker(String);

impl Marker {
    /// The tag that carries it.
    pub(crate) const TAG: &str = "ml-deploy.marker";

    pub(crate) fn new() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Makes what a store needs before a training can write to it: the folder of a database file.
pub(crate) fn prepare(spec: &TrackingSpec) -> Outcome<()> {
    if let (true, TrackingUri::Sqlite(path)) = (spec.asked, &spec.uri)
        && let Some(folder) = path.parent()
    {
        return fs::create_dir_all(folder)
            .with_context(|| {
                format!(
                    "failed to create `{}` for the tracking store",
                    folder.display()
                )
            })
            .fail(Code::TrackingFailed);
    }
    Ok(())
}

/// The store that MLflow uses when nobody names one: `MLFLOW_TRACKING_URI`, else `mlflow.db` (3.x) or `mlruns` (2.x) in the
/// working directory, when it is there.
pub(crate) fn discover(ctx: &Context, spec: &TrackingSpec) -> Option<TrackingSpec> {
    let folder = &ctx.workspace.folder;
    let named = std::env::var("MLFLOW_TRACKING_URI")
        .ok()
        .filter(|uri| !uri.is_empty());
    let uri = match named {
        Some(uri) => match parse(&uri).ok()? {
            TrackingUri::Sqlite(path) => TrackingUri::Sqlite(folder.join(path)),
            other => other,
        },
        None if folder.join("mlflow.db").is_file() => TrackingUri::Sqlite(folder.join("mlflow.db")),
        None if folder.join("mlruns").is_dir() => {
            TrackingUri::Other(folder.join("mlruns").display().to_string())
        }
        None => return None,
    };
    Some(TrackingSpec {
        uri,
        ..spec.clone()
    })
}

/// The run that the training with this marker logged; the outermost and latest one when there are several, `None` when it
/// logged nothing. `python` is the training's interpreter: only it can read a store that is not a server.
pub(crate) async fn find_run(
    ctx: &Context,
    spec: &TrackingSpec,
    marker: &Marker,
    python: &Path,
) -> Outcome<Option<Run>> {
    let (found, server) = match &spec.uri {
        TrackingUri::Server(url) => (
            client::marked_runs(ctx, url, spec, marker).await,
            Some(url.as_str()),
        ),
        _ => {
            let tag = ["tag", Marker::TAG, marker.as_str()];
            (local::runs(ctx, spec, tag, python).await, None)
        }
    };
    let runs = found
        .context("failed to read the training's run back")
        .fail(Code::TrackingFailed)?;
    let count = runs.iter().filter(|run| run.parent().is_none()).count();
    let Some(chosen) = run::choose(runs) else {
        return Ok(None);
    };
    let chosen = chosen.into_run(server);
    if count > 1 {
        ctx.events
            .note(format!(
                "the training logged {count} runs; `{}` is taken, the latest that finished",
                chosen.name
            ))
            .await;
    }
    Ok(Some(chosen))
}

/// The run with this id; `None` when the store does not have it. `python` is an interpreter that can read a store which is
/// not a server.
///
/// # Errors
/// A store that cannot be asked.
pub(crate) async fn run(
    ctx: &Context,
    spec: &TrackingSpec,
    id: &str,
    python: Option<&Path>,
) -> anyhow::Result<Option<Run>> {
    if let TrackingUri::Server(url) = &spec.uri {
        let found = client::Server::open(ctx, url, spec)?.run(id).await?;
        return Ok(found.map(|run| run.into_run(Some(url))));
    }
    let python = python.context(
        "a store without a server is read by the training's Python, and nothing was trained here",
    )?;
    let found = local::runs(ctx, spec, ["run", id, ""], python).await?;
    Ok(found.into_iter().next().map(|run| run.into_run(None)))
}
