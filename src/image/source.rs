//! The Dockerfile and the context of a build, read and checked as files. It knows no engine.

use std::path::{Path, PathBuf};

use super::context::{Archive, rules};
use super::dockerfile::Dockerfile;
use super::ignore::Rules;
use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::{Diagnostic, Location};
use crate::failure::{Failure, Outcome};
use crate::plan::BuildSpec;

/// Name of the Dockerfile in the archive when it is not the file in the context.
const PRIVATE: &str = ".ml-deploy.Dockerfile";

/// What is built from.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) file: Dockerfile,
}

impl Source {
    /// Reads and parses the Dockerfile.
    ///
    /// # Errors
    /// `DockerfileMissing`, or every mistake as `DockerfileInvalid`.
    pub(super) fn read(workspace: &Workspace, spec: &BuildSpec) -> Outcome<Self> {
        let path = spec.dockerfile.clone();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let shown = workspace.relative(&path);
            Failure::new(
                Code::DockerfileMissing,
                format!("failed to read the Dockerfile `{shown}`: {error}"),
            )
        })?;
        let file = Dockerfile::parse(&text).map_err(|mistakes| {
            let findings = mistakes.into_iter().map(|mistake| {
                let shown = workspace.relative(&path);
                Diagnostic::error(
                    Code::DockerfileInvalid,
                    format!("failed to parse `{shown}`: {}", mistake.why),
                )
                .at(workspace.locate(&path, mistake.line))
            });
            Failure::all(findings.collect()).unwrap_or_else(|| {
                Failure::new(
                    Code::DockerfileInvalid,
                    format!("failed to parse `{}`", workspace.relative(&path)),
                )
            })
        })?;
        Ok(Self { path, text, file })
    }

    /// The context to send with the whole Dockerfile, and the Dockerfile's name in it.
    pub(super) fn archive(
        &self,
        workspace: &Workspace,
        spec: &BuildSpec,
    ) -> Outcome<(Archive, String)> {
        let rules = read_rules(workspace, spec)?;
        let (always, dockerfile, name) = match inside(&spec.context, &self.path) {
            Some(name) => (vec![name.clone()], None, name),
            None => (
                Vec::new(),
                Some((PRIVATE.to_owned(), self.text.clone())),
                PRIVATE.to_owned(),
            ),
        };
        Ok((
            Archive {
                folder: spec.context.clone(),
                rules,
                dockerfile,
                always,
                only: None,
            },
            name,
        ))
    }

    /// The context to send with another text as Dockerfile, reduced to some paths.
    pub(super) fn reduced(
        &self,
        workspace: &Workspace,
        spec: &BuildSpec,
        text: &str,
        paths: &[String],
    ) -> Outcome<(Archive, String)> {
        let only = Rules::parse(&paths.join("\n")).unwrap_or_default();
        let archive = Archive {
            folder: spec.context.clone(),
            rules: read_rules(workspace, spec)?,
            dockerfile: Some((PRIVATE.to_owned(), text.to_owned())),
            always: Vec::new(),
            only: Some(only),
        };
        Ok((archive, PRIVATE.to_owned()))
    }

    /// A line of the Dockerfile.
    pub(super) fn at(&self, workspace: &Workspace, line: u32) -> Location {
        workspace.locate(&self.path, line)
    }
}

fn read_rules(workspace: &Workspace, spec: &BuildSpec) -> Outcome<Rules> {
    rules(&spec.context, &spec.dockerfile).map_err(|(path, line, why)| {
        let shown = workspace.relative(&path);
        Failure::new(
            Code::DockerfileInvalid,
            format!("failed to read `{shown}`: {why}"),
        )
        .at(workspace.locate(&path, line))
        .help("correct the pattern; `[` has to be closed, `\\` escapes")
    })
}

/// The path in the context, with `/`; `None` when it lies outside.
pub(super) fn inside(context: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(context).ok()?;
    Some(relative.to_string_lossy().into_owned()).filter(|path| !path.is_empty())
}
