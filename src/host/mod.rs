//! Where we run: GitHub, GitLab, Jenkins or a terminal, and what that place says of commit, pull request and files.
//! Together with `inputs` the only reader of the environment. It knows no stage.

mod actions;
pub(crate) mod docker;
mod gitlab;
pub(crate) mod ownership;
mod screen;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use secrecy::SecretString;

use crate::format::Format;

pub(crate) use actions::Actions;
use gitlab::MergeRequest;
use screen::Screen;

/// The place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    GitHub,
    GitLab,
    Jenkins,
    Terminal,
}

/// What the place tells us.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) kind: Kind,
    /// Root of the checkout.
    pub(crate) root: PathBuf,
    /// Commit of the sources; on a pull request the head, not the merge commit.
    pub(crate) commit: Option<String>,
    /// When the sources were made: SOURCE_DATE_EPOCH, else the commit's time. `None` when neither is known.
    pub(crate) made: Option<Timestamp>,
    /// URL of the repository.
    pub(crate) source: Option<String>,
    /// Page of this run, for people.
    pub(crate) run_url: Option<String>,
    /// Whether this is a pull or merge request: nothing is pushed or deployed.
    pub(crate) pull_request: bool,
    /// Whether it comes from a fork or from Dependabot, where secrets are empty.
    pub(crate) without_secrets: bool,
    /// Files that GitHub reads after the step.
    pub(crate) output: Option<PathBuf>,
    pub(crate) summary: Option<PathBuf>,
    /// On GitLab the merge request that this run is about, and the token of the variable GITLAB_TOKEN.
    pub(crate) merge_request: Option<MergeRequest>,
    pub(crate) gitlab_token: Option<SecretString>,
    /// What its log can show.
    pub(crate) screen: Screen,
    /// The form of the log; what the user asked for is known later.
    pub(crate) format: Format,
    /// What only GitHub tells; empty elsewhere.
    pub(crate) actions: Actions,
}

impl Host {
    /// Looks at the environment; `folder` is where we were started.
    pub(crate) fn detect(env: &[(String, String)], folder: &Path) -> Self {
        let mut host = Self::of_place(env, folder);
        let told = env.iter().find(|(name, _)| name == "SOURCE_DATE_EPOCH");
        let told = told.and_then(|(_, value)| seconds(value));
        host.made = told.or_else(|| made(&host));
        host.screen = Screen::detect(host.kind, |name| value(env, name));
        host
    }

    fn of_place(env: &[(String, String)], folder: &Path) -> Self {
        let get = |name: &str| value(env, name);
        if get("GITHUB_ACTIONS").is_some() {
            return actions::host(get, folder);
        }
        if get("GITLAB_CI").is_some() {
            return gitlab::host(get, folder);
        }
        if get("JENKINS_URL").is_some() && get("BUILD_NUMBER").is_some() {
            return Self {
                kind: Kind::Jenkins,
                root: path_or(get("WORKSPACE"), folder),
                // Scripted pipelines do not set it.
                commit: get("GIT_COMMIT")
                    .map(str::to_owned)
                    .or_else(|| git(folder, &["rev-parse", "HEAD"])),
                source: get("GIT_URL").map(without_login),
                run_url: get("BUILD_URL").map(str::to_owned),
                pull_request: get("CHANGE_ID").is_some(),
                without_secrets: get("CHANGE_FORK").is_some(),
                ..Self::terminal(folder)
            };
        }
        let mut host = Self::terminal(folder);
        host.commit = git(folder, &["rev-parse", "HEAD"]);
        host.source = origin(folder).filter(|url| url.starts_with("http") && !url.contains('@'));
        if let Some(root) = git(folder, &["rev-parse", "--show-toplevel"]) {
            host.root = root.into();
        }
        host
    }

    fn terminal(folder: &Path) -> Self {
        Self {
            kind: Kind::Terminal,
            root: folder.to_owned(),
            commit: None,
            made: None,
            source: None,
            run_url: None,
            pull_request: false,
            without_secrets: false,
            output: None,
            summary: None,
            merge_request: None,
            gitlab_token: None,
            screen: Screen::default(),
            format: Format::default(),
            actions: Actions::default(),
        }
    }
}

/// A variable that is set; an empty one counts as not set.
fn value<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    env.iter()
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.as_str())
}

/// A repository's URL without the user and password that a checkout may have put into it: it becomes a label of the image.
fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{}", &rest[end..])
}

/// The path that the place names when it exists here: a container may see another one than the runner wrote.
fn path_or(named: Option<&str>, folder: &Path) -> PathBuf {
    named
        .map(PathBuf::from)
        .filter(|path| path.is_dir())
        .unwrap_or_else(|| folder.to_owned())
}

/// The commit's time. A shallow checkout of a pull request has only the merge commit, whose time is as good.
fn made(host: &Host) -> Option<Timestamp> {
    let show = ["show", "--no-patch", "--format=%ct"];
    let of = |commit: &str| git(&host.root, &[&show[..], &[commit]].concat());
    let text = host.commit.as_deref().and_then(of);
    seconds(&text.or_else(|| of("HEAD"))?)
}

fn seconds(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(text.trim().parse().ok()?).ok()
}

/// The address of the repository's remote, as git knows it.
pub(crate) fn origin(folder: &Path) -> Option<String> {
    git(folder, &["config", "--get", "remote.origin.url"])
}

/// What git says, if there is a git and a repository. The checkout may belong to another user than ours.
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = std::process::Command::new("git")
        .args(["-c", "safe.directory=*"])
        .args(args)
        .current_dir(folder)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(vars: &[(&str, &str)]) -> Host {
        let env: Vec<_> = vars
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Host::detect(&env, Path::new("/"))
    }

    #[test]
    fn a_pull_request_reports_on_its_head_commit() {
        let event = tempfile::NamedTempFile::new().unwrap();
        let text =
            r#"{"pull_request": {"head": {"sha": "head", "repo": {"full_name": "fork/x"}}}}"#;
        std::fs::write(event.path(), text).unwrap();
        let path = event.path().to_string_lossy();
        let common = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_SHA", "merge"),
            ("GITHUB_EVENT_PATH", &path),
            ("GITHUB_REPOSITORY", "org/x"),
        ];
        let mut vars = common.to_vec();
        vars.push(("GITHUB_EVENT_NAME", "pull_request"));
        let host = detect(&vars);
        assert_eq!(
            (
                host.commit.as_deref(),
                host.pull_request,
                host.without_secrets
            ),
            (Some("head"), true, true)
        );
        // Dependabot's branches are the repository's own, and its runs have no secrets all the same.
        let own = vars.iter().map(|&(name, value)| match name {
            "GITHUB_REPOSITORY" => (name, "fork/x"),
            _ => (name, value),
        });
        let mut own: Vec<_> = own.collect();
        assert!(!detect(&own).without_secrets);
        own.push(("GITHUB_ACTOR", "dependabot[bot]"));
        assert!(detect(&own).without_secrets);
        vars.push(("GITHUB_EVENT_NAME", "push"));
        vars.remove(4);
        assert!(!detect(&vars).pull_request);
    }

    #[test]
    fn the_time_of_the_sources_can_be_told() {
        let told = detect(&[("SOURCE_DATE_EPOCH", "1700000000")]);
        assert_eq!(told.made.unwrap().to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(detect(&[("SOURCE_DATE_EPOCH", "soon")]).made, None);
    }

    #[test]
    fn gitlab_and_jenkins_are_told_apart() {
        let host = detect(&[
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_SHA", "c"),
            ("CI_PIPELINE_SOURCE", "merge_request_event"),
        ]);
        assert_eq!(
            (host.kind, host.pull_request, host.commit.as_deref()),
            (Kind::GitLab, true, Some("c"))
        );
        let host = detect(&[
            ("JENKINS_URL", "u"),
            ("BUILD_NUMBER", "1"),
            ("GIT_COMMIT", "c"),
            ("GIT_URL", "https://robot:t0ken@git.example/o/n.git"),
        ]);
        assert_eq!((host.kind, host.pull_request), (Kind::Jenkins, false));
        assert_eq!(host.source.as_deref(), Some("https://git.example/o/n.git"));
        assert_eq!(without_login("git@git.example:o/n"), "git@git.example:o/n");
    }
}
