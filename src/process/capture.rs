//! Short programs of ours, whose output is read and not shown. It knows not what they print.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Most that a program may print, in MiB: more than the runs of a full tracking store take, less than hurts a small machine.
const LONGEST: u64 = 16;

/// What a short program of ours printed.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// Lossy text.
    pub(crate) stderr: String,
}

/// Runs a short program without showing it; it ends with the run, after `limit`, and when it prints too much.
pub(crate) async fn capture(
    cancel: &CancellationToken,
    mut command: Command,
    limit: Duration,
) -> anyhow::Result<Captured> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // The first error drops the child, which kills it: one that prints for ever must not be waited for.
    let work = async {
        let (stdout, stderr) = tokio::try_join!(read(stdout), read(stderr))?;
        let status = child.wait().await?;
        Ok(Captured {
            status,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    };
    tokio::select! {
        captured = work => captured,
        () = cancel.cancelled() => anyhow::bail!("the run was cancelled"),
        () = tokio::time::sleep(limit) => anyhow::bail!("no answer within {} s", limit.as_secs()),
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> anyhow::Result<Vec<u8>> {
    let stream = stream.context("its output is not there")?;
    let longest = LONGEST << 20;
    let mut bytes = Vec::new();
    stream.take(longest + 1).read_to_end(&mut bytes).await?;
    anyhow::ensure!(
        bytes.len() as u64 <= longest,
        "it printed more than {LONGEST} MiB"
    );
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str) -> anyhow::Result<Captured> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let minute = Duration::from_secs(60);
        capture(&CancellationToken::new(), command, minute).await
    }

    #[tokio::test]
    async fn output_is_taken_up_to_a_limit() {
        let captured = shell("head -c 1000000 /dev/zero; echo why >&2; exit 3").await;
        let captured = captured.unwrap();
        assert_eq!(captured.status.code(), Some(3));
        assert_eq!(captured.stdout.len(), 1_000_000);
        assert_eq!(captured.stderr, "why\n");
        for script in ["cat /dev/zero", "cat /dev/zero >&2"] {
            let error = shell(script).await.unwrap_err().to_string();
            assert!(error.contains("more than 16 MiB"), "{error}");
        }
    }
}
