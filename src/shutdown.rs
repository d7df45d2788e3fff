//! Signals and the run's deadline: they cancel everything once, and remember why. A third signal ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::code::Code;

/// Says why the run was cancelled. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reason(Arc<AtomicU8>);

impl Reason {
    /// `None` while nothing was cancelled.
    pub(crate) fn code(&self) -> Option<Code> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            130 => Some(Code::Interrupted),
            143 => Some(Code::Terminated),
            _ => Some(Code::Deadline),
        }
    }

    /// As if this had happened.
    #[cfg(test)]
    pub(crate) fn of(code: Code) -> Self {
        let reason = Self::default();
        reason.set(code.exit());
        reason
    }

    fn set(&self, exit: u8) {
        self.0.store(exit, Ordering::SeqCst);
    }
}

/// Listens from now on. Call it before any work: as process 1 of a container, a signal without a handler is lost. `last` is
/// called before a third signal ends the process: then nothing is dropped any more, and what runs would run on.
///
/// # Errors
/// When the process may not install handlers.
pub(crate) fn listen(cancel: CancellationToken, last: fn()) -> std::io::Result<Reason> {
    let reason = Reason::default();
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let hangup = signal(SignalKind::hangup())?;
    let told = reason.clone();
    tokio::spawn(async move { wait(interrupt, terminate, hangup, cancel, told, last).await });
    Ok(reason)
}

/// Cancels the run when its time is over.
pub(crate) fn after(time: Duration, cancel: CancellationToken, reason: Reason) {
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        if !cancel.is_cancelled() {
            reason.set(Code::Deadline.exit());
            cancel.cancel();
        }
    });
}

async fn wait(
    mut interrupt: Signal,
    mut terminate: Signal,
    mut hangup: Signal,
    cancel: CancellationToken,
    reason: Reason,
    last: fn(),
) {
    let mut seen: u32 = 0;
    loop {
        let code = tokio::select! {
            _ = interrupt.recv() => Code::Interrupted,
            _ = terminate.recv() => Code::Terminated,
            _ = hangup.recv() => Code::Terminated,
        };
        seen += 1;
        if seen == 1 {
            reason.set(code.exit());
            cancel.cancel();
        } else if seen > 2 {
            // A runner sends SIGINT and, 7.5 s later, SIGTERM; only a person asks three times.
            last();
            leave(code);
        }
    }
}

/// Ends the process without waiting for anything.
#[expect(clippy::exit, reason = "the user asked three times to stop at once")]
fn leave(code: Code) {
    std::process::exit(i32::from(code.exit()));
}
