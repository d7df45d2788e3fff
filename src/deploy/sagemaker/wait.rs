//! Waits until an endpoint is what it is to be, and says why it is not: with SageMaker's reason, the end of the container's log
//! and the cause in it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::time::Instant;

use super::alarms::{firing, named};
use super::judge::{Goal, Judged, busy, judge, text};
use crate::causes::{Seen, recognise, resolve};
use crate::cloud::{SageMaker, Thing};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::SageMakerSpec;

/// Pause between two looks: at first short, then so long that nobody throttles us.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long an update may take to show at all.
const BEGINS: Duration = Duration::from_secs(30);
/// Log lines in which a cause is looked for, and that are shown.
const READ: u32 = 200;
const SHOWN: usize = 30;

/// What is waited for.
pub(super) struct Waited<'a> {
    pub(super) goal: Goal<'a>,
    pub(super) deadline: Instant,
    /// When the change began: logs of containers that were there before say nothing of it.
    pub(super) since: SystemTime,
    /// CloudWatch alarms that may turn it back.
    pub(super) alarms: &'a [String],
}

/// Waits; returns the last description.
///
/// # Errors
/// `EndpointFailed`, `EndpointOldConfig`, `RollbackFailed`, a recognised cause, `RolloutDeadline`, `Interrupted`.
pub(super) async fn wait(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    waited: Waited<'_>,
) -> Outcome<Value> {
    let name = &spec.endpoint;
    let began = Instant::now();
    let (mut pause, mut said, mut seen_busy) = (FIRST_PAUSE, String::new(), false);
    let mut turned = Vec::new();
    loop {
        let described = look_patiently(ctx, aws, name, waited.deadline).await?;
        let Some(described) = described else {
            let gone = format!("endpoint `{name}` is gone: somebody else has deleted it");
            return Err(Failure::new(Code::EndpointFailed, gone));
        };
        seen_busy |= busy(&described);
        let goal = Goal {
            begun: seen_busy || began.elapsed() > BEGINS,
            ..waited.goal
        };
        let going = match judge(&described, goal) {
            Judged::Done => return Ok(described),
            Judged::Failed { code, why } => {
                let message = format!("endpoint `{name}` {why}");
                if code == Code::EndpointOldConfig && turned.is_empty() {
                    turned = firing(aws, waited.alarms).await;
                }
                let failure = explain(ctx, aws, spec, waited.since, code, message).await;
                return Err(named(failure, &turned));
            }
            Judged::Going(going) => going,
        };
        // The alarm may be over when the old machines have all requests again.
        if text(&described, "EndpointStatus") == "RollingBack" && turned.is_empty() {
            turned = firing(aws, waited.alarms).await;
        }
        if going != said {
            ctx.events.note(format!("endpoint `{name}`: {going}")).await;
            said = going;
            pause = FIRST_PAUSE;
        }
        let left = waited.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = format!(
                "endpoint `{name}` is not there within {} s: {said}",
                spec.deadline.as_secs()
            );
            let failure =
                explain(ctx, aws, spec, waited.since, Code::RolloutDeadline, message).await;
            return Err(failure.help("SageMaker goes on with it: run again, which picks it up, or raise `deploy-timeout`"));
        }
        tokio::select! {
            () = ctx.cancel.cancelled() => return Err(stopped(name)),
            () = tokio::time::sleep(pause.min(left)) => {}
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Waits until nobody changes the endpoint any more, whatever comes of it.
pub(super) async fn settled(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    deadline: Instant,
) -> Outcome<Option<Value>> {
    let mut pause = FIRST_PAUSE;
    loop {
        let described = look_patiently(ctx, aws, &spec.endpoint, deadline).await?;
        if !described.as_ref().is_some_and(busy) {
            return Ok(described);
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(
                Code::RolloutDeadline,
                format!(
                    "endpoint `{}` is being changed by somebody else for longer than {} s",
                    spec.endpoint,
                    spec.deadline.as_secs()
                ),
            ));
        }
        tokio::select! {
            () = ctx.cancel.cancelled() => return Err(stopped(&spec.endpoint)),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Looks again as long as nobody answers: that says nothing of the endpoint.
async fn look_patiently(
    ctx: &Context,
    aws: &SageMaker,
    name: &str,
    deadline: Instant,
) -> Outcome<Option<Value>> {
    let mut pause = FIRST_PAUSE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match look(ctx, aws, name).await {
            Err(failure) if failure.code() == Code::CloudUnreachable && !left.is_zero() => {}
            found => return found,
        }
        let note = format!("endpoint `{name}`: AWS does not answer; it is asked again");
        ctx.events.note(note).await;
        tokio::select! {
            () = ctx.cancel.cancelled() => return Err(stopped(name)),
            () = tokio::time::sleep(pause.min(left)) => {}
        }
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Looks once; a cancel does not wait for a throttled answer.
pub(super) async fn look(ctx: &Context, aws: &SageMaker, name: &str) -> Outcome<Option<Value>> {
    tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => Err(stopped(name)),
        found = aws.describe(Thing::Endpoint, name) => found,
    }
}

fn stopped(name: &str) -> Failure {
    Failure::new(
        Code::Interrupted,
        format!(
            "stopped before endpoint `{name}` was there; SageMaker goes on with what was begun, and the next run picks it up"
        ),
    )
}

/// Adds what the container said, and the cause in it.
pub(super) async fn explain(
    ctx: &Context,
    aws: &SageMaker,
    spec: &SageMakerSpec,
    since: SystemTime,
    code: Code,
    message: String,
) -> Failure {
    if lacks_machines(&message) {
        let failure = Failure::new(short_of(code), message);
        return failure.help("choose another `instance-type`, or run again later");
    }
    let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let log = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => return Failure::new(code, message),
        log = aws.log(&spec.endpoint, since, READ) => log,
    };
    let log = match log {
        Ok(log) => log,
        Err(failure) => {
            let why = failure.message().to_owned();
            return Failure::new(code, message).evidence([why]);
        }
    };
    let nothing = Value::Null;
    let cause = recognise(&Seen {
        container: &nothing,
        pod: &nothing,
        log: &log,
        events: &[],
    });
    let shown = log.len().saturating_sub(SHOWN);
    let shown = log.into_iter().skip(shown);
    let Some(cause) = cause else {
        return Failure::new(code, message).evidence(shown);
    };
    let found = resolve(&cause, &ctx.workspace, |_| None);
    // That the old configuration serves says more of production than why.
    let kept = code != Code::EndpointFailed;
    let code = cause.code.filter(|_| !kept).unwrap_or(code);
    let mut finding = Diagnostic::error(code, format!("{message}: {}", cause.what));
    let own = cause.code.map(|code| code.help().to_owned());
    if let Some(help) = found.help.or(cause.help).or(own) {
        finding = finding.help(help);
    }
    Failure::from(finding.at(found.at)).evidence(shown)
}

/// The region has none of these machines to give at the moment: no container has run, and its log says nothing.
fn lacks_machines(reason: &str) -> bool {
    // AWS writes it as one word or as several.
    let letters = reason.chars().filter(|c| c.is_ascii_alphabetic());
    let word = letters.collect::<String>().to_ascii_lowercase();
    word.contains("insufficientinstancecapacity") || word.contains("insufficientcapacity")
}

/// That the old configuration serves says more of production than why.
fn short_of(code: Code) -> Code {
    match code {
        Code::EndpointFailed => Code::QuotaExceeded,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_without_machines_is_told_from_a_container_that_fails() {
        let none = "is Failed: Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a different ML instance type or after some time.";
        assert!(lacks_machines(none) && lacks_machines("is Failed: Insufficient Capacity"));
        assert!(!lacks_machines(
            "is Failed: The primary container did not pass the ping health check."
        ));
        assert_eq!(short_of(Code::EndpointFailed), Code::QuotaExceeded);
        assert_eq!(short_of(Code::EndpointOldConfig), Code::EndpointOldConfig);
    }
}
