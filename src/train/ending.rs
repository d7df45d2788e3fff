//! What the end of a training means: success, or a failure with its place in the workspace. Pure but for the context's paths.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::traceback::{self, Traceback};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::TrainSpec;
use crate::process::{End, Finished};

/// Lines of output that go with a failure.
const EVIDENCE: usize = 20;

/// Turns every end but a good one into a failure.
pub(super) fn judge(ctx: &Context, spec: &TrainSpec, finished: &Finished) -> Outcome<()> {
    let shown = &spec.shown;
    let traceback = traceback::last(&finished.tail, &ctx.workspace.root, &ctx.workspace.folder);
    let failure = match finished.end {
        End::Exited(status) if status.success() => return Ok(()),
        End::Exited(status) => exited(shown, status, traceback.as_ref(), &finished.tail),
        End::Deadline => {
            let allowed = spec.deadline.unwrap_or_default();
            Failure::new(
                Code::TrainDeadline,
                format!(
                    "training `{shown}` did not end within {}; it was ended",
                    in_words(allowed.as_secs_f64())
                ),
            )
        }
        End::Cancelled => {
            return Err(Failure::new(
                Code::Interrupted,
                format!(
                    "training `{shown}` was interrupted; all of its processes have ended, the model may be incomplete"
                ),
            ));
        }
    };
    let at = traceback
        .and_then(|traceback| traceback.frame)
        .map(|(file, line)| ctx.workspace.locate(&file, line));
    let from = finished.tail.len().saturating_sub(EVIDENCE);
    Err(failure
        .at(at)
        .evidence(finished.tail[from..].iter().cloned()))
}

fn exited(
    shown: &str,
    status: ExitStatus,
    traceback: Option<&Traceback>,
    tail: &[String],
) -> Failure {
    // A shell in between reports the signal as 128 + n.
    let signal = status.signal().or_else(|| {
        status
            .code()
            .filter(|code| (129..160).contains(code))
            .map(|code| code - 128)
    });
    if let Some(signal) = signal {
        let message = format!("training `{shown}` was ended by {}", signal_name(signal));
        let failure = Failure::new(Code::TrainFailed, message);
        return if signal == 9 {
            failure.help("most often the machine ran out of memory: use a bigger runner, or load less data at once")
        } else {
            failure
        };
    }
    let code = status.code().unwrap_or_default();
    let last = || {
        tail.iter()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(|line| line.trim().to_owned())
    };
    let why = traceback
        .map(|traceback| traceback.exception.clone())
        .or_else(last);
    let message = match why {
        Some(why) => format!("training `{shown}` failed: {why}"),
        None => format!("training `{shown}` ended with status {code} and said nothing"),
    };
    let failure = Failure::new(Code::TrainFailed, message);
    match advice(tail) {
        Some(advice) => failure.help(advice),
        None => failure,
    }
}

/// What the exception's own words call for, when it is nothing in the script.
fn advice(tail: &[String]) -> Option<&'static str> {
    let said = |text: &str| tail.iter().any(|line| line.contains(text));
    if said("No space left on device") {
        return Some("free disk space on the machine that trains, or write less");
    }
    if said("MemoryError") {
        return Some("use a machine with more memory, or load less data at once");
    }
    if said("ModuleNotFoundError: ") {
        return Some(
            "add the package that holds the module to `requirements` or `extra-requirements`",
        );
    }
    None
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL (illegal instruction: a library was built for another processor)",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV (a crash in native code)",
        15 => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// `90 s`, `15 min`, `2 h`.
fn in_words(seconds: f64) -> String {
    match seconds {
        s if s >= 7200.0 => format!("{:.1} h", s / 3600.0),
        s if s >= 300.0 => format!("{:.0} min", s / 60.0),
        s => format!("{s} s"),
    }
}
