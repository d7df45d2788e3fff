//! What reporters are told: made of the host, of inputs where they can be read, and of the bare environment where they cannot.

use std::path::Path;

use secrecy::SecretString;

use crate::host::{Actions, Host, Kind};
use crate::inputs::flags::{GithubReports, Inputs, reports};
use crate::inputs::layers::early_value;
use crate::report::{GithubFiles, GitlabPlace, Place, Settings, Wanted};

/// How to report, beside the files that every run writes.
#[derive(Clone, Debug)]
pub(crate) struct Reporting {
    token: Option<SecretString>,
    wanted: GithubReports,
    environment: String,
    /// Folder, configuration and image as flags and environment name them: they tell steps of a matrix apart, and are known
    /// even when the inputs are wrong.
    identity: Vec<String>,
    folder: Option<String>,
    /// Drawn for this process.
    pub(crate) mark: String,
}

impl Reporting {
    /// What is known before the inputs were read.
    pub(crate) fn new(host: &Host, args: &[String], env: &[(String, String)]) -> Self {
        let early = |name: &str| early_value(name, args, env);
        let folder = early("working-directory").filter(|folder| folder != ".");
        let Actions { job, step, .. } = &host.actions;
        let identity = [
            job.clone(),
            step.clone(),
            folder.clone(),
            early("config"),
            early("image"),
        ];
        let wanted = early("github-reports").and_then(|text| reports(&text).ok());
        Self {
            token: early("github-token").map(SecretString::from),
            wanted: wanted.unwrap_or(GithubReports::ALL),
            environment: early("github-environment").unwrap_or_else(|| "production".to_owned()),
            identity: identity.into_iter().flatten().collect(),
            folder,
            mark: format!("{:016x}", rand::random::<u64>()),
        }
    }

    /// The same with what the inputs say.
    pub(crate) fn told(self, inputs: &Inputs) -> Self {
        Self {
            token: inputs.github_token.clone(),
            wanted: inputs.github_reports,
            environment: inputs.github_environment.clone(),
            ..self
        }
    }

    /// Only the log and files.
    pub(crate) fn silent(self) -> Self {
        Self {
            token: None,
            ..self
        }
    }

    /// For `report::start`.
    pub(crate) fn settings(
        self,
        host: &Host,
        report: &Path,
        root: &Path,
        secrets: Vec<SecretString>,
    ) -> Settings {
        let github = (host.kind == Kind::GitHub).then(|| GithubFiles {
            output: host.output.clone(),
            summary: host.summary.clone(),
            place: self.place(host),
        });
        Settings {
            github,
            report: report.to_owned(),
            workspace_root: root.to_owned(),
            gitlab: note(host),
            sections: host.kind == Kind::GitLab,
            format: host.format,
            colour: host.screen.colour,
            live: host.screen.live,
            secrets,
        }
    }

    /// Where reports go on GitHub; `None` without a token or where GitHub does not say what it needs.
    pub(crate) fn place(self, host: &Host) -> Option<Place> {
        let actions = &host.actions;
        let title = [actions.job.clone(), self.folder];
        let title: Vec<String> = title.into_iter().flatten().collect();
        Some(Place {
            api: actions.api.clone()?,
            repository: actions.repository.clone()?,
            token: self.token?,
            read_only: host.without_secrets,
            commit: host.commit.clone(),
            sha: actions.sha.clone(),
            pull_request: actions.pull_request,
            run_id: actions.run_id.clone(),
            run_url: host.run_url.clone(),
            identity: self.identity,
            title: title.join(" / "),
            mark: self.mark,
            wanted: Wanted {
                check: self.wanted.check,
                comment: self.wanted.comment,
                deployment: self.wanted.deployment,
            },
            environment: self.environment,
            state: actions.state.clone(),
        })
    }
}

/// Where the note on a merge request of GitLab stands, when there is one and a token.
fn note(host: &Host) -> Option<GitlabPlace> {
    let about = host.merge_request.clone()?;
    Some(GitlabPlace {
        api: about.api,
        project: about.project,
        merge_request: about.number,
        job: about.job,
        token: host.gitlab_token.clone()?,
    })
}
