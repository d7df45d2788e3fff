//! Docker's own configuration on this machine: the folder in which its client keeps logins, contexts and certificates.

use std::path::PathBuf;

/// `$DOCKER_CONFIG`, else `~/.docker`; `None` where there is no home.
pub(crate) fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker")))
}
