//! Asks an interpreter what it is and what is installed in it.

use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::process::Command;

use super::Interpreter;
use crate::artifact::Environment;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Fail, Outcome};
use crate::process;

/// Only the standard library, from Python 3.8 on.
pub(crate) const SCRIPT: &str = include_str!("freeze.py");

/// The environment as its interpreter describes it: distributions sorted by normalised name. `variables` are those that the
/// training was given besides ours.
pub(crate) async fn freeze(
    ctx: &Context,
    interpreter: &Interpreter,
    variables: &[(String, SecretString)],
) -> Outcome<Environment> {
    let mut command = Command::new(&interpreter.path);
    // Isolated: nothing of the workspace can stand in for a module of the standard library.
    command.args(["-I", "-c", SCRIPT]);
    command.envs(
        variables
            .iter()
            .map(|(name, value)| (name, value.expose_secret())),
    );
    let answer = async {
        let captured = process::capture(&ctx.cancel, command, Duration::from_secs(60)).await?;
        anyhow::ensure!(
            captured.status.success(),
            "it ended with {}: {}",
            captured.status,
            captured.stderr.trim()
        );
        // What Python loads at its start (`sitecustomize`, a `.pth` file) may print too.
        let text = String::from_utf8_lossy(&captured.stdout);
        let line = text.lines().rfind(|line| line.starts_with('{'));
        Ok(serde_json::from_str(line.unwrap_or_default())?)
    };
    answer
        .await
        .with_context(|| {
            format!(
                "failed to list what is installed beside `{}`",
                interpreter.path.display()
            )
        })
        .fail(Code::Internal)
}
