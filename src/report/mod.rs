//! One run, one truth: a single task listens to all events, hides secrets first, and writes log, summary, outputs and report.
//! It never imports a stage. A reporter that fails is a warning, never the run's result.
//!
//! ```text
//! let (events, receiver) = Events::channel();
//! let reporters = report::start(settings, receiver, cancel);   // listens until every `Events` is dropped
//! let outcome = pipeline::run(…, events).await;
//! reporters.await?.finish(&Verdict::…).await;           // the verdict, after everything else was written
//! ```

mod chain;
mod changes;
mod console;
mod files;
mod findings;
mod gates;
mod github;
mod gitlab;
mod history;
#[cfg(test)]
mod hostile;
mod json;
mod jsonl;
mod junit;
mod layers;
mod listed;
mod markdown;
mod mermaid;
mod neutral;
mod numbers;
pub(crate) mod outputs;
mod paint;
mod parity;
mod record;
mod redact;
mod reporters;
#[cfg(test)]
mod sample;
mod shapes;
mod skipped;
mod snippet;
mod stream;
mod summary;
mod telling;
mod terminal;
mod text;
mod timeline;
mod trial;
mod undone;
mod verdict;
mod xml;

pub(crate) use gitlab::Place as GitlabPlace;
pub(crate) use text::{clap, lines, page};
pub(crate) use verdict::{Status, Verdict};

pub(crate) use github::{Place, Wanted, close};

use std::path::PathBuf;

use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::event::Event;
use crate::format::Format;

use reporters::Reporters;
use stream::Stdout;

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

/// Starts to listen. The handle is ready when every sending end is dropped; then call `finish`.
pub(crate) fn start(
    settings: Settings,
    mut receiver: mpsc::Receiver<Event>,
    cancel: CancellationToken,
) -> JoinHandle<Reporters> {
    // A thread of its own: a reader of our output that is slow must not hold up the pipeline's other work.
    tokio::task::spawn_blocking(move || {
        let mut reporters = Reporters::new(settings, Box::new(Stdout::new(cancel)));
        while let Some(event) = receiver.blocking_recv() {
            reporters.take(event);
        }
        reporters
    })
}

#[cfg(test)]
mod tests;
