//! The program that the training command means: the environment's own first, then `PATH`. No shell is involved.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::TrainSpec;
use crate::python::Interpreter;

/// Finds the first word of the command.
pub(super) fn resolve(ctx: &Context, spec: &TrainSpec, python: &Interpreter) -> Outcome<PathBuf> {
    let word = spec.command.first().map(String::as_str).unwrap_or_default();
    if word == "python" || word == "python3" {
        return Ok(python.path.clone());
    }
    if word.contains('/') {
        let path = ctx.workspace.folder.join(word);
        if path.is_dir() {
            return Err(failure(spec, word, "is a folder"));
        }
        return match (path.exists(), is_program(&path)) {
            (_, true) => Ok(path),
            (true, false) => Err(
                failure(spec, word, "is not an executable file").help(format!(
                    "run `chmod +x {word}` and commit it, or begin `train` with `python` or `bash`"
                )),
            ),
            (false, false) => Err(failure(spec, word, "does not exist")),
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(python.bin_dir.clone())
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(word))
        .find(|file| is_program(file))
        .ok_or_else(|| {
            let failure = failure(
                spec,
                word,
                "is neither in the Python environment nor on PATH",
            );
            match word {
                _ if word.contains('=') => {
                    failure.help("set variables of the training with `train-env`")
                }
                _ if word.ends_with(".py") => failure.help(format!("write `python {word}`")),
                "cd" | "source" | "." | "export" => failure.help(
                    "no shell runs `train`; use `working-directory`, `train-env`, or `bash -c '…'`",
                ),
                _ => failure,
            }
        })
}

fn failure(spec: &TrainSpec, word: &str, why: &str) -> Failure {
    Failure::new(
        Code::TrainCommand,
        format!(
            "failed to start the training `{}`: `{word}` {why}",
            spec.shown
        ),
    )
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
