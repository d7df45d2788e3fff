//! Standard output, whose reader may be slow or gone. A slow one is waited for; after a cancel not for long, because what is still
//! to be written into files must not wait for somebody who reads no more. It knows bytes, not what they say.

use std::io::{Error, ErrorKind, Result, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_util::sync::CancellationToken;

/// What a pipe that has room takes without blocking (`PIPE_BUF` of Linux).
const AT_ONCE: usize = 4096;

/// Between two looks at whether the run was cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// How long a reader may take nothing after a cancel.
const PATIENCE: Duration = Duration::from_secs(1);

/// Columns of the terminal that standard output is; 80 when it does not say.
pub(super) fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(80, |size| match size.ws_col {
        0 => 80,
        columns => columns.into(),
    })
}

/// Standard output of a run.
pub(super) struct Stdout {
    cancel: CancellationToken,
}

impl Stdout {
    pub(super) fn new(cancel: CancellationToken) -> Self {
        Self { cancel }
    }

    /// Waits until the reader takes something.
    ///
    /// # Errors
    /// `TimedOut` when it takes nothing although the run was cancelled.
    fn ready(&self, out: &std::io::Stdout) -> Result<()> {
        let look = Timespec {
            tv_sec: 0,
            tv_nsec: LOOK.subsec_nanos().into(),
        };
        let mut since = None;
        // A reader that is gone makes it ready too, and the write says so.
        while rustix::io::retry_on_intr(|| {
            poll(&mut [PollFd::new(out, PollFlags::OUT)], Some(&look))
        })? == 0
        {
            if self.cancel.is_cancelled()
                && since.get_or_insert_with(Instant::now).elapsed() > PATIENCE
            {
                return Err(Error::from(ErrorKind::TimedOut));
            }
        }
        Ok(())
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let out = std::io::stdout();
        self.ready(&out)?;
        let part = &bytes[..bytes.len().min(AT_ONCE)];
        Ok(rustix::io::retry_on_intr(|| rustix::io::write(&out, part))?)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
