//! Where environments and downloads are kept: the user's cache folder, else the workspace. An account without a home that it may
//! write to (a container agent that runs as a bare user id, with HOME=/) must be able to train too.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

/// The folder of our cache, which exists and can be written.
pub(super) async fn folder(ctx: &Context) -> Outcome<PathBuf> {
    let wanted = &ctx.workspace.cache;
    let Err(error) = usable(wanted) else {
        return Ok(wanted.clone());
    };
    if is_full(&error) {
        return Err(full(wanted));
    }
    let own = ctx.workspace.state.join("cache");
    let shown = ctx.workspace.relative(&own);
    match usable(&own) {
        Ok(()) => {
            ctx.events
                .note(format!(
                    "the cache `{}` cannot be written ({error}), so `{shown}` is used; ML_DEPLOY_CACHE names another",
                    wanted.display()
                ))
                .await;
            Ok(own)
        }
        Err(second) if is_full(&second) => Err(full(&own)),
        Err(second) => Err(Failure::new(
            Code::PythonMissing,
            format!(
                "failed to find a place for the Python environment: `{}`: {error}; `{shown}`: {second}",
                wanted.display()
            ),
        )
        .help("set ML_DEPLOY_CACHE to a folder that this account may write to")),
    }
}

/// The variables that give uv places to write to, where its own cannot be used. `set` tells what uv is told already.
pub(super) fn for_uv(cache: &Path, set: impl Fn(&str) -> bool) -> Vec<(&'static str, PathBuf)> {
    let home = || env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let below = |variable: &str, usual: &str| {
        env::var_os(variable).map_or_else(|| home().join(usual), PathBuf::from)
    };
    let places = [
        (
            "UV_CACHE_DIR",
            below("XDG_CACHE_HOME", ".cache").join("uv"),
            "uv",
        ),
        (
            "UV_PYTHON_INSTALL_DIR",
            below("XDG_DATA_HOME", ".local/share").join("uv/python"),
            "python",
        ),
    ];
    places
        .into_iter()
        .filter(|(name, usual, _)| !set(name) && usable(usual).is_err())
        .map(|(name, _, own)| (name, cache.join(own)))
        .collect()
}

/// Creates the folder if need be, and tries to write there.
fn usable(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    tempfile::tempfile_in(folder).map(drop)
}

fn is_full(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::StorageFull
}

/// There is no room for the environment.
pub(super) fn full(cache: &Path) -> Failure {
    Failure::new(
        Code::EnvironmentDiskFull,
        format!(
            "failed to make the Python environment in `{}`: no space left on device",
            cache.display()
        ),
    )
    .help("free space there, or set ML_DEPLOY_CACHE to a folder with more; uv keeps its own downloads in UV_CACHE_DIR")
}
