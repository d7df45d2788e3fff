//! What reporters are told of the place where they report. Plain data.

use std::path::PathBuf;

use secrecy::SecretString;

use super::{GitlabPlace, Place};
use crate::format::Format;

/// Where and how to report.
#[derive(Debug)]
pub(crate) struct Settings {
    /// On GitHub (or act): speak workflow commands and write the runner's files.
    pub(crate) github: Option<GithubFiles>,
    /// On GitLab, in a merge request and with a token: where the note stands.
    pub(crate) gitlab: Option<GitlabPlace>,
    /// On GitLab: the log folds.
    pub(crate) sections: bool,
    /// `report.json`, absolute; the files for other systems lie beside it.
    pub(crate) report: PathBuf,
    /// Root of the checkout: source lines are shown from it, and its owner gets the files we make.
    pub(crate) workspace_root: PathBuf,
    /// What the log looks like.
    pub(crate) format: Format,
    /// Colours, where the format allows them. Ignored on GitHub.
    pub(crate) colour: bool,
    /// A line that is drawn again and again, in a log that is a terminal's. Ignored on GitHub and GitLab.
    pub(crate) live: bool,
    /// Values to hide from the first line on; more may come as `EventKind::Mask`.
    pub(crate) secrets: Vec<SecretString>,
}

/// The files of the runner; one that it does not give is left out.
#[derive(Debug)]
pub(crate) struct GithubFiles {
    /// `GITHUB_OUTPUT`.
    pub(crate) output: Option<PathBuf>,
    /// `GITHUB_STEP_SUMMARY`.
    pub(crate) summary: Option<PathBuf>,
    /// For reports beside the log; without a token there are none.
    pub(crate) place: Option<Place>,
}
