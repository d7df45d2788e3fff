//! Programs that keep Docker's logins: `docker-credential-…`.
//! Source: docker/docker-credential-helpers.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use super::login::Credentials;

/// How long a credential helper may take; some ask a cloud.
const HELPER: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a credential helper. `None` when it holds nothing for the server.
pub(super) async fn ask(
    helper: &str,
    server: &str,
    path: &Path,
) -> anyhow::Result<Option<Credentials>> {
    let program = format!("docker-credential-{helper}");
    let child = tokio::process::Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => anyhow::bail!(
            "failed to log in to `{server}`: `{}` names the helper `{program}`, which is not on PATH here",
            path.display()
        ),
        Err(error) => return Err(error).context(format!("failed to start `{program}`")),
    };
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(server.as_bytes())
            .await
            .with_context(|| format!("failed to ask `{program}`"))?;
    }
    let output = tokio::time::timeout(HELPER, child.wait_with_output())
        .await
        .with_context(|| format!("failed to ask `{program}`: no answer within 30 s"))?
        .with_context(|| format!("failed to ask `{program}`"))?;
    if !output.status.success() {
        // The protocol prints errors to stdout; they never hold the secret.
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if said.contains("credentials not found") {
            return Ok(None);
        }
        anyhow::bail!("failed to ask `{program}` for `{server}`: {said}");
    }
    // A parse error could quote the secret: only say that it failed.
    let Ok(answer) = serde_json::from_slice::<Answer>(&output.stdout) else {
        anyhow::bail!(
            "failed to read the answer of `{program}`: it is not the JSON of a credential helper"
        );
    };
    Ok(Some(Credentials {
        identity_token: answer.username == "<token>",
        username: answer.username,
        secret: answer.secret.into(),
        origin: String::new(),
        right: None,
    }))
}
