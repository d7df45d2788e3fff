//! From a container that failed to findings: what was seen, the cause in its log, and the place to change.

use std::time::Duration;

use serde_json::{Value, json};

use super::Subject;
use super::container::Container;
use crate::causes::{Cause, Seen, recognise, resolve};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::{ContainerState, Engine};
use crate::failure::Failure;
use crate::predict::{Judged, Recorded, Replayed};

/// Lines in which a cause is looked for: a traceback through a web framework has a hundred.
const READ: u32 = 300;
/// Lines that are shown.
const LINES: usize = 30;
/// Findings shown of rows.
const SHOWN: usize = 10;

/// The container's own words.
#[derive(Clone, Copy)]
pub(super) struct Log<'a> {
    pub(super) ctx: &'a Context,
    pub(super) engine: &'a Engine,
    pub(super) container: &'a Container,
}

impl Log<'_> {
    /// It ended instead of serving.
    pub(super) async fn ended(&self, state: &ContainerState) -> Failure {
        let why = match (state.out_of_memory, &state.error, state.exit_code) {
            (true, ..) => "is killed for memory".to_owned(),
            (_, Some(error), _) => format!("cannot start: {error}"),
            (_, _, Some(code)) => format!("exits {code}"),
            _ => "exits".to_owned(),
        };
        let message = format!("the container of the built image {why} before it is healthy");
        let (finding, _) = self.finding(Code::ContainerUnready, message, state).await;
        finding.into()
    }

    /// It runs and does not serve.
    pub(super) async fn unready(
        &self,
        said: &str,
        given: Duration,
        state: &ContainerState,
    ) -> Failure {
        let message = format!(
            "the container of the built image is not healthy within {} s: {said}",
            given.as_secs()
        );
        let (finding, _) = self.finding(Code::ContainerUnready, message, state).await;
        finding.into()
    }

    /// A finding with the cause, its place, and the last lines of the log; and whether the log names a cause.
    async fn finding(
        &self,
        code: Code,
        message: String,
        state: &ContainerState,
    ) -> (Diagnostic, bool) {
        let log = self
            .engine
            .logs_tail(&self.container.name, READ)
            .await
            .unwrap_or_default();
        let cause = cause(state, &log);
        let message = match &cause {
            Some(cause) => format!("{message} — {}", cause.what),
            None => message,
        };
        let from = log.len().saturating_sub(LINES);
        let shown = log.get(from..).unwrap_or_default().to_vec();
        let mut finding = Diagnostic::error(code, message).evidence(shown);
        // An exception that no rule knows may be the right answer to a wrong request.
        let known = cause.as_ref().is_some_and(|cause| cause.code.is_some());
        if let Some(cause) = cause {
            let place = resolve(&cause, &self.ctx.workspace, |_| None);
            finding.help = place
                .help
                .or(cause.help)
                .or_else(|| cause.code.map(|code| code.help().to_owned()));
            finding.at = place.at;
        }
        (finding, known)
    }
}

fn cause(state: &ContainerState, log: &[String]) -> Option<Cause> {
    let ended = || {
        let reason = if state.out_of_memory {
            "OOMKilled"
        } else {
            "Error"
        };
        json!({"terminated": {"exitCode": state.exit_code.unwrap_or_default(), "reason": reason}})
    };
    let state = if state.running {
        json!({"running": {}})
    } else {
        ended()
    };
    recognise(&Seen {
        container: &json!({"name": "trial", "state": state}),
        pod: &Value::Null,
        log,
        events: &[],
    })
}

/// Findings of rows that were not answered as recorded, warnings of those that vary.
pub(super) async fn of(
    log: &Log<'_>,
    subject: &Subject<'_>,
    recorded: &Recorded,
    replayed: &Replayed,
) -> Vec<Diagnostic> {
    let place = |line: u32| log.ctx.workspace.locate(&recorded.file, line);
    let all = recorded.rows.len();
    let mut findings = Vec::new();
    let mut failed = replayed.rows.iter().filter_map(|row| match &row.judged {
        Judged::Failed(why) => Some((row, why)),
        _ => None,
    });
    if let Some((row, why)) = failed.next() {
        let count = 1 + failed.count();
        let message = if recorded.made_up {
            format!(
                "the container is healthy, and a request made up from the signature of the model gets no prediction: {why}"
            )
        } else {
            format!(
                "the container is healthy, and {count} of {} recorded requests get no prediction: row {}: {why}",
                replayed.rows.len(),
                row.number
            )
        };
        let state = log
            .engine
            .inspect_container(&log.container.name)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        let (mut finding, known) = log.finding(Code::PredictionError, message, &state).await;
        if recorded.made_up && !known {
            // Values that mean nothing may be refused with good reason.
            finding.severity = Severity::Warning;
            finding.help = Some("save the model with an `input_example`, so that a real request can be asked; or record predictions (docs/predictions.md)".to_owned());
        }
        // Without a place in the sources the request shows what was sent.
        let at = finding.at.clone().unwrap_or_else(|| place(row.line));
        findings.push(finding.at(at));
    }
    let wrong = replayed
        .rows
        .iter()
        .filter(|row| matches!(row.judged, Judged::Differs(_) | Judged::Unstable(..)));
    for row in wrong.take(SHOWN) {
        let what = row.judged.what().unwrap_or_default();
        let message = format!(
            "recorded prediction {} of {all} is answered otherwise: {what}",
            row.number
        );
        let mut finding = Diagnostic::error(Code::PredictionDiffers, message).at(place(row.line));
        if matches!(row.judged, Judged::Unstable(..)) {
            finding = finding.help("make the server deterministic: put the model into evaluation mode and fix its seeds; or raise `tolerance`");
        }
        findings.push(finding);
    }
    let noisy = replayed
        .rows
        .iter()
        .filter(|row| matches!(row.judged, Judged::Noisy(_)));
    let noisy: Vec<_> = noisy.collect();
    if let Some(first) = noisy.first() {
        let what = first.judged.what().unwrap_or_default();
        let message = format!(
            "{} of {all} recorded predictions vary from answer to answer, within what may be noise: row {}: {what}",
            noisy.len(),
            first.number
        );
        let help = format!(
            "raise `tolerance` above rtol={:e}, or make the server deterministic",
            subject.tolerance.rtol
        );
        findings.push(
            Diagnostic::warning(Code::PredictionDiffers, message)
                .help(help)
                .at(place(first.line)),
        );
    }
    findings
}
