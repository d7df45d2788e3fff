//! Stores without a server, read by the training's own interpreter: a database file with the standard library alone, any
//! other kind with its MLflow.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::process::Command;

use super::run::FoundRun;
use crate::context::Context;
use crate::plan::{TrackingSpec, TrackingUri};
use crate::process;

/// Reads MLflow's tables; needs nothing but the standard library.
const SQLITE: &str = include_str!("read_sqlite.py");
/// Asks MLflow's own client.
const CLIENT: &str = include_str!("read_client.py");

/// The runs that are asked for: `tag NAME VALUE`, `run ID` or, latest first, `latest EXPERIMENT COUNT`.
pub(super) async fn runs(
    ctx: &Context,
    spec: &TrackingSpec,
    wanted: [&str; 3],
    python: &Path,
) -> anyhow::Result<Vec<FoundRun>> {
    let mut command = Command::new(python);
    command.args(["-I", "-c"]);
    match &spec.uri {
        // No database, no run.
        TrackingUri::Sqlite(path) if !path.exists() => return Ok(Vec::new()),
        TrackingUri::Sqlite(path) => command.arg(SQLITE).arg(path),
        // The URI may hold a password, and everybody on the machine can read a command line.
        TrackingUri::Other(uri) | TrackingUri::Server(uri) => {
            command.arg(CLIENT).env("MLFLOW_TRACKING_URI", uri)
        }
    };
    command
        .args(wanted)
        .current_dir(&ctx.workspace.folder)
        // A folder as store makes MLflow 3 stop unless it is told that this is meant.
        .env("MLFLOW_ALLOW_FILE_STORE", "true");
    for (name, value) in [
        ("MLFLOW_TRACKING_PASSWORD", &spec.password),
        ("MLFLOW_TRACKING_TOKEN", &spec.token),
    ] {
        if let Some(value) = value {
            command.env(name, value.expose_secret());
        }
    }
    if let Some(username) = &spec.username {
        command.env("MLFLOW_TRACKING_USERNAME", username);
    }
    let captured = process::capture(&ctx.cancel, command, Duration::from_secs(120)).await?;
    if !captured.status.success() {
        let last = captured
            .stderr
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty());
        anyhow::bail!(
            "reading the local store failed: {}",
            last.unwrap_or("no reason given")
        );
    }
    Ok(serde_json::from_slice(&captured.stdout)?)
}
