//! What every stage is given besides its own specification: where to speak, when to stop, where files lie.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::diagnostic::Location;
use crate::event::{Events, Stage};

/// Folders of the run.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Root of the checkout: annotations are relative to it.
    pub(crate) root: PathBuf,
    /// `working-directory`, absolute: inputs are relative to it.
    pub(crate) folder: PathBuf,
    /// What the image is built from, whether this run builds it or not: the input `file`, absolute.
    pub(crate) dockerfile: PathBuf,
    /// `.ml-deploy` in the working directory: reports and state of ours.
    pub(crate) state: PathBuf,
    /// Content-addressed caches that outlive the run (Python environments).
    pub(crate) cache: PathBuf,
}

impl Workspace {
    /// A folder that is checkout and working directory in one, with everything at its usual place.
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folder: root.to_owned(),
            dockerfile: root.join("Dockerfile"),
            state: root.join(".ml-deploy"),
            cache: root.join(".cache"),
        }
    }

    /// Where the Dockerfile lies by the inputs `file` and `context`.
    pub(crate) fn dockerfile(folder: &Path, context: &str, file: Option<&str>) -> PathBuf {
        match file {
            Some(file) => folder.join(file),
            None => folder.join(context).join("Dockerfile"),
        }
    }

    /// The path as annotations want it: relative to the root, with `/`. A path outside is kept as it is.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().trim_start_matches("./").to_owned()
    }

    /// A place in a file of the workspace; line 0 means the whole file.
    pub(crate) fn locate(&self, path: &Path, line: u32) -> Location {
        Location::line(self.relative(path), line)
    }
}

/// Handed to every stage. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) events: Events,
    /// Cancelled on SIGINT, SIGTERM and at the run's deadline: stop, clean up within 5 s, say what was left.
    pub(crate) cancel: CancellationToken,
    pub(crate) workspace: Workspace,
    /// Page of this run in the CI system, for records of what was deployed.
    pub(crate) run_url: Option<String>,
    /// Drawn for this process: label of the containers that must not outlive it.
    pub(crate) mark: String,
}

impl Context {
    /// The same context, speaking as another stage.
    pub(crate) fn stage(&self, stage: Stage) -> Self {
        Self {
            events: self.events.stage(stage),
            ..self.clone()
        }
    }
}
