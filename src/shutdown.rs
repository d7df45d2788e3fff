//! Signals and the run's deadline: they cancel everything once, and remember why. A third signal ends the process at once, and so
//! does the time: nothing that does not stop, whatever it is, holds the process longer than `LIMIT`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::code::Code;

/// From the cancel to the end of the process at the latest. A runner that stops a job kills it soon after.
const LIMIT: Duration = Duration::from_secs(6);

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

    /// The first reason stays.
    fn set(&self, exit: u8) {
        self.0
            .compare_exchange(0, exit, Ordering::SeqCst, Ordering::SeqCst)
            .ok();
    }
}

/// Listens from now on. Call it before any work: as process 1 of a container, a signal without a handler is lost. `last` is
/// called before a third signal, or `LIMIT`, ends the process: then nothing is dropped any more, and what runs would run on.
///
/// # Errors
/// When the process may not install handlers.
pub(crate) fn listen(cancel: CancellationToken, last: fn()) -> std::io::Result<Reason> {
    let reason = Reason::default();
    let told = reason.clone();
    // A thread and a runtime of its own: whatever blocks the other threads, signals are heard.
    let listener = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let entered = listener.enter();
    let interrupt = signal(SignalKind::interrupt())?;
    let terminate = signal(SignalKind::terminate())?;
    let hangup = signal(SignalKind::hangup())?;
    drop(entered);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let code = listener.block_on(wait(interrupt, terminate, hangup, cancel, told));
            last();
            leave(code);
        })?;
    Ok(reason)
}

/// Cancels the run when its time is over.
pub(crate) fn after(time: Duration, cancel: CancellationToken, reason: Reason) {
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        reason.set(Code::Deadline.exit());
        cancel.cancel();
    });
}

/// Cancels the run at the first signal; comes back when the process has to end at once.
async fn wait(
    mut interrupt: Signal,
    mut terminate: Signal,
    mut hangup: Signal,
    cancel: CancellationToken,
    reason: Reason,
) -> Code {
    let overdue = async {
        cancel.cancelled().await;
        tokio::time::sleep(LIMIT).await;
    };
    let mut overdue = pin!(overdue);
    let mut seen: u32 = 0;
    loop {
        let code = tokio::select! {
            _ = interrupt.recv() => Code::Interrupted,
            _ = terminate.recv() => Code::Terminated,
            _ = hangup.recv() => Code::Terminated,
            () = &mut overdue => return reason.code().unwrap_or(Code::Terminated),
        };
        seen += 1;
        if seen == 1 {
            reason.set(code.exit());
            cancel.cancel();
        } else if seen > 2 {
            // A runner sends SIGINT and, 7.5 s later, SIGTERM; only a person asks three times.
            return code;
        }
    }
}

/// Ends the process without waiting for anything.
#[expect(
    clippy::exit,
    reason = "asked three times, or everything had its time to stop"
)]
fn leave(code: Code) {
    std::process::exit(i32::from(code.exit()));
}
