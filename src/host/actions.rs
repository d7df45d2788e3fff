//! GitHub's runner: what its variables and the event's payload say of commit, pull request, run and API.
//! It knows names and files of the runner, not what is reported there.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Host, Kind, path_or};

/// What only GitHub knows; enough to report back to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actions {
    /// Base of the REST interface, such as `https://api.github.com`; on GitHub Enterprise another one.
    pub(crate) api: Option<String>,
    /// `owner/name`.
    pub(crate) repository: Option<String>,
    /// Number of the pull request that this run is for.
    pub(crate) pull_request: Option<u64>,
    /// The commit of the run: on a pull request the merge commit. Deployments that the job's `environment:` makes carry it.
    pub(crate) sha: Option<String>,
    pub(crate) run_id: Option<String>,
    /// Key of the job in the workflow's file.
    pub(crate) job: Option<String>,
    /// The step's `id`, or a name that the runner gave it.
    pub(crate) step: Option<String>,
    /// What is written there, the step's `post-entrypoint` finds in `STATE_…`.
    pub(crate) state: Option<PathBuf>,
}

/// Reads the runner's variables.
pub(super) fn host<'a>(get: impl Fn(&str) -> Option<&'a str>, folder: &Path) -> Host {
    let event = get("GITHUB_EVENT_PATH").and_then(|path| fs_err::read_to_string(path).ok());
    let event: Value = event
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let pull_request =
        get("GITHUB_EVENT_NAME").is_some_and(|name| name.starts_with("pull_request"));
    let asked = &event["pull_request"];
    let head = &asked["head"];
    let fork = head["repo"]["full_name"]
        .as_str()
        .is_some_and(|name| Some(name) != get("GITHUB_REPOSITORY"));
    let commit = head["sha"]
        .as_str()
        .filter(|_| pull_request)
        .or_else(|| get("GITHUB_SHA"));
    let owned = |name: &str| get(name).map(str::to_owned);
    let actions = Actions {
        api: owned("GITHUB_API_URL"),
        repository: owned("GITHUB_REPOSITORY"),
        pull_request: asked["number"].as_u64().filter(|_| pull_request),
        sha: owned("GITHUB_SHA"),
        run_id: owned("GITHUB_RUN_ID"),
        job: owned("GITHUB_JOB"),
        step: owned("GITHUB_ACTION"),
        state: owned("GITHUB_STATE").map(PathBuf::from),
    };
    Host {
        kind: Kind::GitHub,
        root: path_or(get("GITHUB_WORKSPACE"), folder),
        commit: commit.map(str::to_owned),
        source: get("GITHUB_SERVER_URL")
            .zip(get("GITHUB_REPOSITORY"))
            .map(|(server, name)| format!("{server}/{name}")),
        run_url: get("GITHUB_SERVER_URL")
            .zip(get("GITHUB_REPOSITORY"))
            .zip(get("GITHUB_RUN_ID"))
            .map(|((server, name), run)| format!("{server}/{name}/actions/runs/{run}")),
        pull_request,
        without_secrets: fork || get("GITHUB_ACTOR") == Some("dependabot[bot]"),
        output: owned("GITHUB_OUTPUT").map(PathBuf::from),
        summary: owned("GITHUB_STEP_SUMMARY").map(PathBuf::from),
        actions,
        ..Host::terminal(folder)
    }
}
