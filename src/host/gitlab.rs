//! What GitLab CI tells of commit and merge request. It reads variables and nothing else.

use std::path::Path;

use secrecy::SecretString;

use super::{Host, Kind, path_or, without_login};

/// Where a note about this run belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MergeRequest {
    /// Address of GitLab's interface, with its version.
    pub(crate) api: String,
    /// Number of the project that the merge request belongs to; a fork's pipeline may run in another one.
    pub(crate) project: String,
    /// Number within the project.
    pub(crate) number: String,
    /// Name of the job.
    pub(crate) job: String,
}

/// The host of a job.
pub(super) fn host<'a>(get: impl Fn(&str) -> Option<&'a str>, folder: &Path) -> Host {
    let pull_request = get("CI_PIPELINE_SOURCE") == Some("merge_request_event");
    // On merged results the job's commit exists nowhere else.
    let head = get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| get("CI_COMMIT_SHA"));
    let from = get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID");
    Host {
        kind: Kind::GitLab,
        root: path_or(get("CI_PROJECT_DIR"), folder),
        commit: head.map(str::to_owned),
        source: get("CI_PROJECT_URL").map(without_login),
        run_url: get("CI_JOB_URL").map(str::to_owned),
        pull_request,
        without_secrets: from.is_some() && from != get("CI_MERGE_REQUEST_PROJECT_ID"),
        merge_request: merge_request(&get),
        gitlab_token: get("GITLAB_TOKEN").map(SecretString::from),
        ..Host::terminal(folder)
    }
}

fn merge_request<'a>(get: &impl Fn(&str) -> Option<&'a str>) -> Option<MergeRequest> {
    let project = get("CI_MERGE_REQUEST_PROJECT_ID").or_else(|| get("CI_PROJECT_ID"))?;
    Some(MergeRequest {
        api: get("CI_API_V4_URL")?.to_owned(),
        project: project.to_owned(),
        number: get("CI_MERGE_REQUEST_IID")?.to_owned(),
        job: get("CI_JOB_NAME").unwrap_or("ml-deploy").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_request_is_known_with_its_head_and_its_place() {
        let vars = [
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
            ("CI_COMMIT_SHA", "merged"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "head"),
            ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "8"),
            ("CI_MERGE_REQUEST_PROJECT_ID", "7"),
            ("CI_MERGE_REQUEST_IID", "3"),
            ("CI_API_V4_URL", "https://gitlab.example/api/v4"),
            ("CI_JOB_NAME", "check"),
        ];
        let get = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, v)| *v);
        let found = host(get, Path::new("/"));
        assert!(found.pull_request && found.without_secrets);
        assert_eq!(found.commit.as_deref(), Some("head"));
        let place = found.merge_request.unwrap();
        assert_eq!(
            (
                place.project.as_str(),
                place.number.as_str(),
                place.job.as_str()
            ),
            ("7", "3", "check")
        );
        let branch = host(
            |name| (name == "CI_COMMIT_SHA").then_some("c"),
            Path::new("/"),
        );
        assert_eq!(
            (
                branch.merge_request,
                branch.pull_request,
                branch.without_secrets
            ),
            (None, false, false)
        );
        assert_eq!(branch.commit.as_deref(), Some("c"));
    }
}
