//! All that a repository tells about itself, put together. It knows no file that is written.

use std::path::Path;

use super::files::{self, Files};
use super::manifests;
use super::remote::{self, Remote};
use super::script::{self, Script};
use super::service;

/// What was found; what nothing tells is `None`.
#[derive(Debug)]
pub(super) struct Found {
    /// Short name of the project, for names of experiments.
    pub(super) name: String,
    pub(super) remote: Option<Remote>,
    pub(super) branch: String,
    pub(super) script: Option<Script>,
    pub(super) requirements: Option<String>,
    pub(super) python: Option<String>,
    pub(super) dockerfile: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) health: Option<String>,
    pub(super) predict: Option<String>,
    pub(super) golden: Option<String>,
    pub(super) manifests: Option<String>,
    pub(super) namespace: Option<String>,
    /// The image that the manifests name.
    pub(super) deployed_image: Option<String>,
    /// Whether there is a Jenkinsfile, or a pipeline of GitLab.
    pub(super) jenkins: bool,
    pub(super) gitlab: bool,
}

impl Found {
    /// Looks at the folder; `origin` is the address of its remote.
    pub(super) fn look(folder: &Path, origin: Option<&str>) -> Self {
        let files = files::walk(folder);
        let service = service::find(&files);
        let manifests = manifests::find(&files);
        let remote = origin.and_then(remote::parse);
        let own = folder.file_name().and_then(|name| name.to_str());
        let name = remote
            .as_ref()
            .and_then(|remote| remote.path.rsplit('/').next())
            .or(own);
        let has = |path: &str| files.paths.iter().any(|seen| seen == path);
        let first = |paths: &[&str]| {
            paths
                .iter()
                .find(|path| has(path))
                .map(|&path| path.to_owned())
        };
        let (path, image, namespace, health) = manifests
            .map_or((None, None, None, None), |found| {
                (Some(found.path), found.image, found.namespace, found.health)
            });
        Self {
            name: name.unwrap_or("model").to_lowercase(),
            remote,
            branch: branch(folder),
            script: script::find(&files),
            requirements: first(&["requirements.txt", "pyproject.toml"]),
            python: pinned(&files).or_else(|| service.python.clone()),
            dockerfile: service.dockerfile,
            port: service.port,
            health: health.or(service.health),
            predict: service.predict,
            golden: golden(&files),
            manifests: path,
            namespace,
            deployed_image: image,
            jenkins: has("Jenkinsfile"),
            gitlab: has(".gitlab-ci.yml"),
        }
    }

    /// The image to push to: the one that the manifests deploy, else the one that belongs to the repository on GitHub.
    pub(super) fn image(&self) -> Option<String> {
        let github = self
            .remote
            .as_ref()
            .filter(|remote| remote.host == "github.com");
        self.deployed_image
            .clone()
            .or_else(|| github.map(|remote| format!("ghcr.io/{}", remote.path.to_lowercase())))
    }
}

/// The version in `.python-version`.
fn pinned(files: &Files) -> Option<String> {
    let file = files
        .texts
        .iter()
        .find(|file| file.path == ".python-version")?;
    let version = file.text.trim();
    let plain = version.chars().all(|c| c.is_ascii_digit() || c == '.');
    (plain && !version.is_empty()).then(|| version.to_owned())
}

/// A file of requests and answers.
fn golden(files: &Files) -> Option<String> {
    let recorded = |text: &str| {
        let line = text.lines().next().unwrap_or_default();
        let row: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        row.get("request").is_some() && row.get("response").is_some()
    };
    let mut rows = files
        .texts
        .iter()
        .filter(|file| file.path.ends_with(".jsonl"));
    rows.find(|file| recorded(&file.text))
        .map(|file| file.path.clone())
}

/// The branch that deliveries are made from: the remote's own, else `master` when it is checked out, else `main`.
fn branch(folder: &Path) -> String {
    let read = |path: &str| fs_err::read_to_string(folder.join(path)).unwrap_or_default();
    let (origin, head) = (read(".git/refs/remotes/origin/HEAD"), read(".git/HEAD"));
    let origin = origin.trim().strip_prefix("ref: refs/remotes/origin/");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    match origin.filter(|branch| branch.chars().all(plain)) {
        Some(branch) => branch.to_owned(),
        None if head.trim() == "ref: refs/heads/master" => "master".to_owned(),
        None => "main".to_owned(),
    }
}
