//! `ml-deploy init`: looks at a repository and writes its first `ml-deploy.yml` and the pipeline that uses it.
//! It asks nothing, changes nothing that exists, and reaches nothing outside of the folder.

mod files;
mod found;
mod manifests;
mod pipeline;
mod remote;
mod script;
mod service;
mod settings;

use std::path::Path;

use crate::code::Code;
use crate::failure::{Failure, Outcome};
use crate::inputs::cli::Ci;
use found::Found;

/// A file that `init` would write.
struct Draft {
    /// Relative to the repository.
    path: &'static str,
    text: String,
}

/// Writes what is missing, or with `print` only shows it; returns what to tell.
///
/// # Errors
/// A folder without anything to train, build or deploy, and a file that cannot be written.
pub(crate) fn run(
    folder: &Path,
    origin: Option<&str>,
    ci: Option<Ci>,
    print: bool,
) -> Outcome<Vec<String>> {
    let found = Found::look(folder, origin);
    if found.script.is_none() && found.dockerfile.is_none() && found.manifests.is_none() {
        return Err(Failure::new(
            Code::InputMissing,
            format!(
                "found no training script, Dockerfile or manifests in `{}`",
                folder.display()
            ),
        )
        .help(
            "start `ml-deploy init` in the folder that holds `train.py`, `Dockerfile` or `k8s/`",
        ));
    }
    let ci = ci.unwrap_or_else(|| pipeline::natural(&found));
    let drafts = [
        Draft {
            path: "ml-deploy.yml",
            text: settings::text(&found),
        },
        Draft {
            path: pipeline::path(ci),
            text: pipeline::text(ci, &found),
        },
    ];
    let mut told = Vec::new();
    for draft in &drafts {
        if print {
            told.push(format!("--- {}", draft.path));
            told.extend(draft.text.lines().map(str::to_owned));
        } else {
            told.push(write(folder, draft)?);
        }
    }
    let open = next_steps(ci, &found);
    if !open.is_empty() {
        told.push("what only you know:".to_owned());
        told.extend(open.iter().map(|step| format!("  - {step}")));
    }
    told.push("then `ml-deploy plan` prints what would happen, and changes nothing".to_owned());
    Ok(told)
}

/// Writes a file unless it exists, also when another writes it at the same moment.
fn write(folder: &Path, draft: &Draft) -> Outcome<String> {
    let path = folder.join(draft.path);
    let failed = |error: std::io::Error| {
        Failure::new(
            Code::InputInvalid,
            format!("failed to write `{}`: {error}", draft.path),
        )
        .help("give yourself the right to write there, or use `ml-deploy init --print`")
    };
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent).map_err(failed)?;
    }
    let new = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path);
    match new {
        Ok(mut file) => {
            let written = std::io::Write::write_all(&mut file, draft.text.as_bytes());
            if let Err(error) = written {
                // Half a file would be left as it is by the next `init`.
                drop(fs_err::remove_file(&path));
                return Err(failed(error));
            }
            Ok(format!("wrote {}", draft.path))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(format!(
            "left {} as it is (`ml-deploy init --print` shows what would be written)",
            draft.path
        )),
        Err(error) => Err(failed(error)),
    }
}

/// What no file of the repository tells.
fn next_steps(ci: Ci, found: &Found) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(script) = &found.script {
        for flag in &script.unknown {
            steps.push(format!(
                "`{}` wants `{flag}`: put its value into `train` of ml-deploy.yml",
                script.path
            ));
        }
    } else {
        steps.push("no training script was found: set `train` in ml-deploy.yml, or leave it out when the model is already in the repository".to_owned());
    }
    if found.dockerfile.is_some() && found.image().is_none() && ci == Ci::Jenkins {
        steps.push("set `image` in ml-deploy.yml to the repository to push to".to_owned());
    }
    if found.manifests.is_some() && found.namespace.is_none() {
        steps.push(
            "set `namespace` in ml-deploy.yml, or the one of the kubeconfig is used".to_owned(),
        );
    }
    let secrets = pipeline::secrets(ci, found);
    if !secrets.is_empty() {
        steps.push(format!(
            "{}: {}",
            pipeline::where_secrets_are(ci),
            secrets.join(", ")
        ));
    }
    if found.dockerfile.is_some() && found.golden.is_none() {
        steps.push("record a few requests and their answers in golden.jsonl, and every image is asked before it is pushed (docs/predictions.md)".to_owned());
    }
    steps
}
