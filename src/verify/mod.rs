//! Checks on what is live: it answers, it runs the digest that was pushed, and it predicts what was recorded.

mod endpoint;
mod predictions;
mod running;
mod service;

use std::time::Duration;

use tokio::time::Instant;

use self::service::Service;
use crate::artifact::{Check, Deployment, Pushed, Verification};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::{Failure, Outcome};
use crate::plan::{DeploySpec, Plan, Task, VerifySpec};
use crate::predict::{self, Question, Recorded, head};

/// How long the service may take to become healthy: routes lag a little behind ready pods.
const HEALTHY_WITHIN: Duration = Duration::from_secs(10);

/// Checks the recorded predictions before anything is changed.
pub(crate) fn preflight(ctx: &Context, spec: &VerifySpec) -> Vec<Diagnostic> {
    let Some(path) = &spec.golden else {
        return Vec::new();
    };
    predict::find(&ctx.workspace, Some(path), &spec.form, path)
        .err()
        .unwrap_or_default()
}

/// Runs all checks that the inputs ask for. For Kubernetes `deployment` names the objects; the service is asked through
/// the API server. For the local engine the published port is asked.
///
/// # Errors
/// `VerifyDigest`, `VerifyHealth` or `VerifyPrediction` with all that failed.
pub(crate) async fn run(
    ctx: &Context,
    plan: &Plan,
    target: &DeploySpec,
    engine: Option<&Engine>,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<Verification> {
    let spec = &plan.verify;
    let recorded = recorded(ctx, plan)?;
    let (service, digests) = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => return Err(stopped()),
        found = service::open(ctx, spec, target, engine, deployment, pushed) => found?,
    };
    let work = async {
        let (mut checks, mut findings) = (Vec::new(), Vec::new());
        record(ctx, &mut checks, &mut findings, digests).await;
        let Some(service) = &service else {
            if spec.health_path.is_some() || spec.predict_path.is_some() {
                findings.push(nobody());
            }
            return (checks, findings);
        };
        if let Some(path) = spec.health_path.as_ref().filter(|_| service.has_paths()) {
            let health = healthy(service, path).await;
            let failed = health.1.is_some();
            record(ctx, &mut checks, &mut findings, Some(health)).await;
            if failed {
                // What does not answer predicts nothing; each row would only say so again.
                return (checks, findings);
            }
        }
        if let Some(recorded) = &recorded {
            let (more, wrong) = predictions::ask(ctx, plan, service, recorded).await;
            checks.extend(more);
            findings.extend(wrong);
        }
        (checks, findings)
    };
    let (checks, findings) = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => return Err(stopped()),
        done = work => done,
    };
    if checks.is_empty() {
        ctx.events
            .note("nothing to check: set `health-path`, or `predict-path` and `golden`")
            .await;
    }
    let verification = Verification { checks };
    ctx.events.produced(verification.clone()).await;
    match Failure::all(findings) {
        Some(failure) => Err(failure),
        None => Ok(verification),
    }
}

/// What is to be asked. Predictions are those of the sources at hand: they say nothing of an older model that came back.
fn recorded(ctx: &Context, plan: &Plan) -> Outcome<Option<Recorded>> {
    if plan.task != Task::Run {
        return Ok(None);
    }
    let found = predict::find(
        &ctx.workspace,
        plan.verify.golden.as_deref(),
        &plan.verify.form,
        &plan.model,
    );
    // A made-up request is a trial's, and nothing to try on what is live.
    let found = found.map(|found| found.filter(|recorded| !recorded.made_up));
    found.map_err(|findings| {
        Failure::all(findings).unwrap_or_else(|| Failure::new(Code::InputInvalid, "no rows"))
    })
}

/// Something is to be asked, and there is nobody to ask.
fn nobody() -> Diagnostic {
    Diagnostic::error(
        Code::VerifyHealth,
        "failed to find who answers: no Service selects the pods, and no container declares a port",
    )
    .help("give the port in `port`, or add a Service to the manifests")
}

fn stopped() -> Failure {
    Failure::new(
        Code::Interrupted,
        "stopped before everything was checked; what is live stays as it is",
    )
}

/// A check, and the finding when it failed.
type Checked = (Check, Option<Diagnostic>);

async fn record(
    ctx: &Context,
    checks: &mut Vec<Check>,
    findings: &mut Vec<Diagnostic>,
    checked: Option<Checked>,
) {
    if let Some((check, finding)) = checked {
        ctx.events
            .note(format!("{}: {}", check.name, check.detail))
            .await;
        checks.push(check);
        findings.extend(finding);
    }
}

/// Everyone who serves must be healthy: a Service alone would send us to one of them.
async fn healthy(service: &Service, path: &str) -> Checked {
    let until = Instant::now() + HEALTHY_WITHIN;
    let mut status = 200;
    for place in service.places() {
        match place_healthy(service, place, path, until).await {
            Ok(seen) => status = seen,
            Err(detail) => {
                let finding = Diagnostic::error(Code::VerifyHealth, detail.clone());
                return (check(false, detail), Some(finding));
            }
        }
    }
    let replicas = service.replicas();
    let (first, each) = if replicas.start > 0 {
        let each = format!(", and so does each of {} pods", replicas.len());
        (service.name(0), each)
    } else {
        (service.to_string(), String::new())
    };
    (
        check(true, format!("{first}{path} answers {status}{each}")),
        None,
    )
}

fn check(passed: bool, detail: String) -> Check {
    Check {
        name: "health".to_owned(),
        passed,
        detail,
    }
}

/// Asks one until it is healthy; returns its status, or what it answered last.
async fn place_healthy(
    service: &Service,
    place: usize,
    path: &str,
    until: Instant,
) -> Result<u16, String> {
    let mut pause = Duration::from_millis(100);
    loop {
        let detail = match service.ask(place, Question::get(path)).await {
            Ok(answer) if answer.is_success() => return Ok(answer.status),
            Ok(answer) => {
                let name = service.name(place);
                format!(
                    "{name}{path} answers {} {}",
                    answer.status,
                    head(&answer.body)
                )
            }
            Err(why) => why,
        };
        if Instant::now() >= until {
            return Err(detail);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}
