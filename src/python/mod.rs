//! Python environments: made by uv, keyed by their content, described by their own interpreter.
//! It knows uv, pip's configuration and requirement files, and no stage.

mod cache;
mod environment;
mod freeze;
mod index;
mod kept;
mod key;
mod model;
mod pickle;
mod pip_conf;
mod requirement;
mod story;
mod uv;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use environment::ensure;
pub(crate) use freeze::{SCRIPT as FREEZE, freeze};
pub(crate) use model::facts as model_facts;
pub(crate) use pip_conf::{PackageIndex, package_index};
pub(crate) use requirement::{Named, name as requirement_name, named};

/// Finds and describes the interpreters that serve, inside of a container. Its argument is JSON: `script` ([`FREEZE`]), `wait`
/// in seconds (0: describe only the interpreter that runs it), `names` and `sizes` of files to look for.
pub(crate) const SERVING: &str = include_str!("serving.py");

/// An environment that is ready.
#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    /// The environment's `python`.
    pub(crate) path: PathBuf,
    /// Where its programs lie; goes first on `PATH`.
    pub(crate) bin_dir: PathBuf,
    /// The environment's root, for `VIRTUAL_ENV`.
    pub(crate) venv: PathBuf,
    /// Keeps other runs from removing it.
    hold: Option<Arc<File>>,
}

impl Interpreter {
    fn of(venv: PathBuf) -> Self {
        let bin_dir = venv.join("bin");
        Self {
            path: bin_dir.join("python"),
            bin_dir,
            venv,
            hold: None,
        }
    }
}
