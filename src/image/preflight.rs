//! What can be known of a build from its files alone, before anything is started.

use std::path::Path;

use super::dockerfile::{Dockerfile, Instruction};
use super::source::{Source, inside};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::BuildSpec;

/// Checks the Dockerfile, `.dockerignore`, the target stage and what COPY reads. `model` is not there before the training.
pub(crate) fn preflight(ctx: &Context, spec: &BuildSpec, model: &Path) -> Vec<Diagnostic> {
    let source = match Source::read(&ctx.workspace, spec) {
        Ok(source) => source,
        Err(failure) => return failure.into_findings(),
    };
    let (archive, _) = match source.archive(&ctx.workspace, spec) {
        Ok(archive) => archive,
        Err(failure) => return failure.into_findings(),
    };
    let mut findings = spec.readable();
    if let Some(target) = &spec.target
        && source.file.target(Some(target)).is_none()
    {
        let names: Vec<String> = source
            .file
            .stages()
            .into_iter()
            .filter_map(|stage| stage.name)
            .collect();
        let shown = ctx.workspace.relative(&source.path);
        findings.push(
            Diagnostic::error(
                Code::DockerfileInvalid,
                format!("failed to find the stage `{target}` in `{shown}`"),
            )
            .help(if names.is_empty() {
                "no stage has a name; add `AS <name>` to its FROM".to_owned()
            } else {
                format!("choose one of {}", names.join(", "))
            })
            .at(source.at(&ctx.workspace, 0)),
        );
    }
    let model = inside(&spec.context, model);
    for one in local_copies(&source.file) {
        for path in one.sources() {
            let Some(path) = plain(&path) else { continue };
            let made = |model: &String| {
                path == *model
                    || path.starts_with(&format!("{model}/"))
                    || model.starts_with(&format!("{path}/"))
            };
            if model.as_ref().is_some_and(made) {
                continue;
            }
            let at = source.at(&ctx.workspace, one.line);
            if !spec.context.join(&path).exists() {
                // The training may write it: only what no training can help is an error before it.
                let finding = if written_by_training(&path) {
                    Diagnostic::warning(
                        Code::BuildFailed,
                        format!(
                            "`{} {path}` reads what is not in the build context yet",
                            one.name
                        ),
                    )
                    .help("fine when the training writes it; else correct the path")
                } else {
                    Diagnostic::error(
                        Code::DockerfileInvalid,
                        format!(
                            "failed to find `{path}`, which `{}` reads from the build context",
                            one.name
                        ),
                    )
                    .help("correct the path; it is relative to `context`")
                };
                findings.push(finding.at(at));
            } else if archive.rules.excludes(&path) && !archive.rules.may_return_below(&path) {
                findings.push(
                    Diagnostic::error(Code::DockerfileInvalid, format!("failed to find `{path}`, which `{}` reads: .dockerignore leaves it out", one.name))
                        .help(format!("add `!{path}` to .dockerignore"))
                        .at(at),
                );
            }
        }
    }
    findings
}

/// COPY and ADD of the context, in stages only.
fn local_copies(file: &Dockerfile) -> impl Iterator<Item = &Instruction> {
    file.instructions
        .iter()
        .filter(|one| one.stage.is_some() && one.flags("from").next().is_none())
}

/// A path without variables and wildcards, relative to the context.
fn plain(path: &str) -> Option<String> {
    if path.contains(['*', '?', '[', '$', '\\']) {
        return None;
    }
    let path = path
        .trim_start_matches('/')
        .trim_start_matches("./")
        .trim_end_matches('/');
    (!path.is_empty() && path != "." && !path.split('/').any(|part| part == ".."))
        .then(|| path.to_owned())
}

/// Whether a path looks like an output: anything but sources and dependency lists, which nobody's training writes.
fn written_by_training(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let source = [
        ".py", ".txt", ".toml", ".lock", ".cfg", ".sh", ".ini", ".in",
    ];
    !source.iter().any(|end| name.ends_with(end))
}
