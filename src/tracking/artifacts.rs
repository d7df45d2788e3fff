//! Small files among a run's artifacts, through the tracking server whatever lies behind it, or in the folder of a local
//! store. Source of the routes: `mlflow/server/__init__.py`, the same in 2.x and 3.x.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::client::Server;
use crate::artifact::Run;
use crate::context::Context;
use crate::plan::{TrackingSpec, TrackingUri};

/// Logs a file with a run, in place of one of the same path.
///
/// # Errors
/// A server that refuses or cannot be asked, a folder that cannot be written, and a store that is neither.
pub(crate) async fn put(
    ctx: &Context,
    spec: &TrackingSpec,
    run: &Run,
    path: &str,
    content: Vec<u8>,
) -> anyhow::Result<()> {
    if let TrackingUri::Server(url) = &spec.uri {
        let server = Server::open(ctx, url, spec)?;
        return server.upload(&run.id, path, content).await;
    }
    let place = folder(&ctx.workspace.folder, run)?.join(path);
    if let Some(folder) = place.parent() {
        fs_err::create_dir_all(folder)?;
    }
    Ok(fs_err::write(place, content)?)
}

/// A file that was logged with a run; `None` when it has none of that path.
///
/// # Errors
/// As `put`.
pub(crate) async fn get(
    ctx: &Context,
    spec: &TrackingSpec,
    run: &Run,
    path: &str,
) -> anyhow::Result<Option<Vec<u8>>> {
    if let TrackingUri::Server(url) = &spec.uri {
        let server = Server::open(ctx, url, spec)?;
        // Asked for a file that is not there, servers answer as for a defect of theirs.
        let above = Path::new(path).parent().and_then(Path::to_str);
        let query = [
            ("run_id", run.id.as_str()),
            ("path", above.unwrap_or_default()),
        ];
        let listed = server.get("artifacts/list", &query).await?;
        let files = listed
            .as_ref()
            .and_then(|listed| listed["files"].as_array());
        let named = |one: &Value| one["path"].as_str() == Some(path);
        if !files.is_some_and(|files| files.iter().any(named)) {
            return Ok(None);
        }
        return server.download(&run.id, path).await;
    }
    match fs_err::read(folder(&ctx.workspace.folder, run)?.join(path)) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The folder of a run's artifacts, where the store is on this machine. A relative one lies in the folder of the training.
fn folder(training: &Path, run: &Run) -> anyhow::Result<PathBuf> {
    let uri = run.artifact_uri.as_str();
    let uri = uri.strip_prefix("file://").unwrap_or(uri);
    if uri.contains("://") {
        let kind = uri.split("://").next().unwrap_or_default();
        bail!(
            "its artifacts lie in a store of the kind `{kind}`, which only MLflow itself can reach"
        );
    }
    let path = Some(uri).filter(|uri| !uri.is_empty());
    path.map(|path| training.join(path))
        .context("the store does not say where its artifacts lie")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_this_machine_are_known() {
        let run = |uri: &str| Run {
            artifact_uri: uri.to_owned(),
            ..Run::default()
        };
        for uri in ["/w/mlruns/1/a/artifacts", "file:///w/mlruns/1/a/artifacts"] {
            let expected = Path::new("/w/mlruns/1/a/artifacts");
            assert_eq!(folder(Path::new("/t"), &run(uri)).unwrap(), expected);
        }
        let relative = folder(Path::new("/t"), &run("./mlruns/1")).unwrap();
        assert_eq!(relative, Path::new("/t/mlruns/1"));
        let bucket = folder(Path::new("/t"), &run("s3://bucket/1")).unwrap_err();
        assert!(bucket.to_string().contains("`s3`"));
        assert!(folder(Path::new("/t"), &run("")).is_err());
    }
}
