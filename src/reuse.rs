//! Recognises a run in which nothing has changed since the last one that succeeded. It compares hashes and keeps the
//! results; whether what is live still answers is asked again by the pipeline.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artifact::{Deployment, Image, Model, Parity, Pushed};
use crate::event::Stage;
use crate::plan::{DeploySpec, Plan};
use crate::sha256;

/// What a successful run left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) model: Option<Model>,
    pub(crate) image: Option<Image>,
    #[serde(default)]
    pub(crate) parity: Option<Parity>,
    pub(crate) pushed: Option<Pushed>,
    pub(crate) deployment: Option<Deployment>,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    fingerprint: String,
    results: Results,
}

/// Folders that runs write and nobody edits.
const NOT_SOURCES: &[&str] = &[
    ".git",
    ".ml-deploy",
    "__pycache__",
    ".venv",
    "mlruns",
    "mlartifacts",
    "node_modules",
];

/// sha256 over everything that a result depends on: our version, the plan, and every source file below the working
/// directory that git would not ignore. The model is a result, not a source, unless nothing trains it.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn fingerprint(plan: &Plan) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    feed(&mut hash, env!("CARGO_PKG_VERSION").as_bytes());
    for line in plan.lines() {
        feed(&mut hash, line.as_bytes());
    }
    feed(
        &mut hash,
        format!(
            "{:?}",
            (
                &plan.train,
                &plan.build,
                &plan.parity,
                &plan.push,
                &plan.deploy,
                &plan.verify,
                &plan.gates,
                &plan.trial
            )
        )
        .as_bytes(),
    );
    for secret in secrets(plan) {
        feed(&mut hash, secret.as_bytes());
    }
    for path in named_by_training(plan) {
        feed_files(
            &mut hash,
            ignore::WalkBuilder::new(&path).standard_filters(false),
        )?;
    }
    let trained = plan.runs(Stage::Train);
    let model = plan.model.clone();
    let mut sources = ignore::WalkBuilder::new(&plan.workspace.folder);
    let sources = sources
        .hidden(false)
        .require_git(false)
        .filter_entry(move |entry| {
            let generated = entry
                .file_name()
                .to_str()
                .is_some_and(|name| NOT_SOURCES.contains(&name));
            !(generated || trained && entry.path() == model)
        });
    feed_files(&mut hash, sources)?;
    Ok(sha256::hex(&hash.finalize()))
}

/// Files and folders that the training command names: data is often left to git's ignore rules, and is a source all the same.
/// What it writes (the model) is none.
fn named_by_training(plan: &Plan) -> Vec<std::path::PathBuf> {
    let words = plan.train.iter().flat_map(|train| &train.command);
    let folder = &plan.workspace.folder;
    words
        .map(|word| {
            word.split_once('=')
                .map_or(word.as_str(), |(_, value)| value)
        })
        .filter(|word| !word.is_empty())
        .filter_map(|word| folder.join(word).canonicalize().ok())
        // The folder as a whole is walked by its own rules.
        .filter(|path| path.starts_with(folder) && path != folder)
        .filter(|path| !path.starts_with(&plan.model) && !plan.model.starts_with(path))
        .collect()
}

/// Feeds path and content of every file of a walk.
fn feed_files(hash: &mut Sha256, walk: &mut ignore::WalkBuilder) -> anyhow::Result<()> {
    for entry in walk.sort_by_file_path(Path::cmp).build() {
        let entry = entry.context("failed to list the working directory")?;
        if entry.file_type().is_some_and(|kind| kind.is_file()) {
            feed(hash, entry.path().as_os_str().as_encoded_bytes());
            let mut file = fs_err::File::open(entry.path())?;
            let length = std::io::copy(&mut file, &mut HashWriter(hash))?;
            hash.update(length.to_le_bytes());
        }
    }
    Ok(())
}

/// The results of the last successful run, if it had this fingerprint.
pub(crate) fn recall(plan: &Plan, fingerprint: &str) -> Option<Results> {
    let text = fs_err::read(path(plan)).ok()?;
    let last: Remembered = serde_json::from_slice(&text).ok()?;
    (last.fingerprint == fingerprint).then_some(last.results)
}

/// Keeps the results for the next run.
///
/// # Errors
/// The state folder cannot be written.
pub(crate) fn remember(plan: &Plan, fingerprint: String, results: Results) -> anyhow::Result<()> {
    fs_err::create_dir_all(&plan.workspace.state)?;
    let text = serde_json::to_vec_pretty(&Remembered {
        fingerprint,
        results,
    })?;
    // Parameters of a run may be anything, so nobody else needs to read them; half a file would only be no file.
    let mut file = tempfile::NamedTempFile::new_in(&plan.workspace.state)?;
    file.write_all(&text)
        .context("failed to keep the results for the next run")?;
    file.persist(path(plan))
        .context("failed to keep the results for the next run")?;
    Ok(())
}

fn path(plan: &Plan) -> std::path::PathBuf {
    plan.workspace.state.join("last-run.json")
}

/// Secrets decide where things go (another cluster, another account), so they count; only their hash is kept.
fn secrets(plan: &Plan) -> Vec<&str> {
    let mut found = Vec::new();
    if let Some(DeploySpec::Kubernetes(spec)) = &plan.deploy {
        found.extend(
            spec.cluster
                .kubeconfig
                .as_ref()
                .map(ExposeSecret::expose_secret),
        );
    }
    if let Some(build) = &plan.build {
        found.extend(build.secrets.values().map(ExposeSecret::expose_secret));
    }
    if let Some(train) = &plan.train {
        found.extend(train.set.iter().map(|(_, value)| value.expose_secret()));
    }
    found
}

/// Feeds a part with its length, so that two parts can never be read as one.
fn feed(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
