//! The step's `post-entrypoint`: closes what a killed main step has left open, which it finds in `STATE_…`. The runner starts it
//! under a name of its own, because an entry point has no arguments. Nothing that goes wrong here fails the job.

use std::path::{Path, PathBuf};

use crate::engine::{Engine, RUN};
use crate::failure::chain;
use crate::host::{Host, ownership};
use crate::report;
use crate::reporting::Reporting;

/// The name under which this program is the `post-entrypoint`.
const NAME: &str = "ml-deploy-post";

/// Whether this process is the `post-entrypoint`.
pub(crate) fn asked() -> bool {
    let name = std::env::args_os().next().map(PathBuf::from);
    name.as_deref().and_then(Path::file_name) == Some(NAME.as_ref())
}

/// Closes everything; the exit status is always 0.
pub(crate) async fn run() -> u8 {
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let host = Host::detect(&env, &folder);
    let state = |key: &str| {
        let name = format!("STATE_{key}");
        let found = env.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    let place = Reporting::new(&host, &[], &env).place(&host);
    let secrets: Vec<_> = place.iter().map(|place| place.token.clone()).collect();
    let mut said = Vec::new();
    if let Some(mark) = state("run") {
        said.extend(containers(&mark).await);
    }
    if state("deployment").or(state("check")).is_some()
        && let Some(place) = place
    {
        said.extend(report::close(place, state).await);
    }
    // A step that ended by itself has done this already, and there is nothing to do.
    ownership::hand_over(&host.root);
    report::lines(&secrets, &said)
}

/// Removes the containers that must not outlive the process with this mark.
async fn containers(mark: &str) -> Vec<String> {
    // A job that builds nothing may have no engine at all.
    let Ok(engine) = Engine::connect().await else {
        return Vec::new();
    };
    let mut said = Vec::new();
    let all = match engine.labelled(RUN).await {
        Ok(all) => all,
        Err(error) => return vec![chain(&error)],
    };
    for (id, _) in all.iter().filter(|(_, value)| value == mark) {
        let short = id.get(..12).unwrap_or(id);
        match engine.remove_container(id).await {
            Ok(()) => said.push(format!(
                "removed container {short}, which the step had left"
            )),
            Err(error) => said.push(chain(&error)),
        }
    }
    said
}
