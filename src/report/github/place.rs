//! Where and as whom we report to GitHub, and what a later container of the same step has to know of it.
//! It knows no request.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use secrecy::SecretString;

/// Everything that reports need to know of the run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Base of the REST interface.
    pub(crate) api: String,
    /// `owner/name`.
    pub(crate) repository: String,
    pub(crate) token: SecretString,
    /// The token can only read: the pull request comes from a fork or from Dependabot.
    pub(crate) read_only: bool,
    /// The commit to report on; on a pull request its head.
    pub(crate) commit: Option<String>,
    /// The commit that the run was started for; on a pull request the merge commit.
    pub(crate) sha: Option<String>,
    pub(crate) pull_request: Option<u64>,
    pub(crate) run_id: Option<String>,
    /// Page of the run, for people.
    pub(crate) run_url: Option<String>,
    /// What tells this step from the others of the workflow: job, step, folder, image. Unset parts are left out.
    pub(crate) identity: Vec<String>,
    /// What a person calls it: job and folder.
    pub(crate) title: String,
    /// Drawn for this process: it finds again what it made.
    pub(crate) mark: String,
    pub(crate) wanted: Wanted,
    /// Environment of the GitHub Deployment.
    pub(crate) environment: String,
    /// `GITHUB_STATE`.
    pub(crate) state: Option<PathBuf>,
}

/// Which reports are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) check: bool,
    pub(crate) comment: bool,
    pub(crate) deployment: bool,
}

impl Place {
    /// First line of our comment. It can hold nothing that ends an HTML comment.
    pub(super) fn marker(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
        let identity: String = self.identity.join("/");
        let identity = identity.replace(|c| !plain(c), "_");
        format!("<!-- ml-deploy:{identity} -->")
    }

    /// Tells the step's `post-entrypoint`, also when this process is killed afterwards. An empty value takes back.
    pub(super) fn remember(&self, key: &str, value: &str) {
        let Some(path) = &self.state else { return };
        let file = OpenOptions::new().append(true).create(true).open(path);
        // Without it the next run still works; only what a killed step left would stay open.
        drop(file.and_then(|mut file| writeln!(file, "{key}={value}")));
    }
}

#[cfg(test)]
pub(super) fn sample() -> Place {
    Place {
        api: "http://127.0.0.1:1".to_owned(),
        repository: "org/wine".to_owned(),
        token: SecretString::from("t"),
        read_only: false,
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        sha: None,
        pull_request: Some(7),
        run_id: Some("1".to_owned()),
        run_url: Some("https://github.example/org/wine/actions/runs/1".to_owned()),
        identity: vec!["deliver".to_owned(), "ml".to_owned()],
        title: "deliver".to_owned(),
        mark: "mark".to_owned(),
        wanted: Wanted {
            check: true,
            comment: true,
            deployment: true,
        },
        environment: "production".to_owned(),
        state: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_cannot_be_broken_out_of() {
        let mut place = sample();
        assert_eq!(place.marker(), "<!-- ml-deploy:deliver/ml -->");
        place.identity = vec!["a --> b\n".to_owned()];
        assert_eq!(place.marker(), "<!-- ml-deploy:a_--__b_ -->");
    }

    #[test]
    fn what_is_remembered_can_be_taken_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut place = sample();
        place.state = Some(file.path().to_owned());
        place.remember("deployment", "42");
        place.remember("deployment", "");
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, "deployment=42\ndeployment=\n");
    }
}
