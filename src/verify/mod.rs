//! Checks on what is live: it answers, it runs the digest that was pushed, and it predicts what was recorded.

mod compare;
mod golden;
mod running;
mod service;

use std::time::Duration;

use tokio::time::Instant;

use self::golden::Row;
use self::service::Service;
use crate::artifact::{Check, Deployment, Pushed, Verification};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::{Failure, Outcome};
use crate::plan::{DeploySpec, VerifySpec};

/// How long the service may take to become healthy: routes lag a little behind ready pods.
const HEALTHY_WITHIN: Duration = Duration::from_secs(10);

/// Findings shown of rows that differ.
const SHOWN: usize = 10;

/// Checks the recorded predictions before anything is changed.
pub(crate) fn preflight(ctx: &Context, spec: &VerifySpec) -> Vec<Diagnostic> {
    let Some(path) = &spec.golden else {
        return Vec::new();
    };
    golden::read(&ctx.workspace, path).err().unwrap_or_default()
}

/// Runs all checks that the inputs ask for. For Kubernetes `deployment` names the objects; the service is asked through
/// the API server. For the local engine the published port is asked.
///
/// # Errors
/// `VerifyDigest`, `VerifyHealth` or `VerifyPrediction` with all that failed.
pub(crate) async fn run(
    ctx: &Context,
    spec: &VerifySpec,
    target: &DeploySpec,
    engine: Option<&Engine>,
    deployment: Option<&Deployment>,
    pushed: Option<&Pushed>,
) -> Outcome<Verification> {
    let rows = match &spec.golden {
        Some(path) => match golden::read(&ctx.workspace, path) {
            Ok(rows) => rows,
            Err(findings) => {
                return Err(Failure::all(findings)
                    .unwrap_or_else(|| Failure::new(Code::InputInvalid, "no rows")));
            }
        },
        None => Vec::new(),
    };
    let (service, digests) = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => return Err(stopped()),
        found = service::open(spec, target, engine, deployment, pushed) => found?,
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
        if let Some(path) = &spec.health_path {
            let health = healthy(service, path).await;
            let failed = health.1.is_some();
            record(ctx, &mut checks, &mut findings, Some(health)).await;
            if failed {
                // What does not answer predicts nothing; each row would only say so again.
                return (checks, findings);
            }
        }
        if let Some(path) = spec.predict_path.as_deref().filter(|_| !rows.is_empty()) {
            predictions(ctx, spec, service, path, &rows, &mut checks, &mut findings).await;
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

async fn healthy(service: &Service, path: &str) -> Checked {
    let until = Instant::now() + HEALTHY_WITHIN;
    let mut pause = Duration::from_millis(100);
    let mut left = service.count();
    loop {
        let detail = match service.ask("GET", path, None).await {
            Ok(answer) if (200..300).contains(&answer.status) => {
                left = left.saturating_sub(1);
                if left > 0 {
                    continue;
                }
                let detail = format!("{service}{path} answers {}", answer.status);
                return (
                    Check {
                        name: "health".to_owned(),
                        passed: true,
                        detail,
                    },
                    None,
                );
            }
            Ok(answer) => format!(
                "{service}{path} answers {} {}",
                answer.status,
                head(&answer.body)
            ),
            Err(why) => why,
        };
        // Whoever did not answer is asked again in its turn, and the others with it.
        left = service.count();
        if Instant::now() >= until {
            let finding = Diagnostic::error(Code::VerifyHealth, detail.clone());
            return (
                Check {
                    name: "health".to_owned(),
                    passed: false,
                    detail,
                },
                Some(finding),
            );
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

async fn predictions(
    ctx: &Context,
    spec: &VerifySpec,
    service: &Service,
    path: &str,
    rows: &[Row],
    checks: &mut Vec<Check>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut wrong = 0;
    for (number, row) in (1..).zip(rows) {
        let difference = predict(service, path, row).await.err();
        let detail = difference
            .clone()
            .unwrap_or_else(|| "as recorded".to_owned());
        checks.push(Check {
            name: format!("golden row {number}"),
            passed: difference.is_none(),
            detail,
        });
        let Some(difference) = difference else {
            continue;
        };
        wrong += 1;
        if wrong <= SHOWN {
            let at = spec
                .golden
                .as_deref()
                .map(|file| ctx.workspace.locate(file, row.line));
            let message = format!("golden row {number} is answered otherwise: {difference}");
            findings.push(Diagnostic::error(Code::VerifyPrediction, message).at(at));
        }
    }
    ctx.events
        .note(format!(
            "{} of {} recorded predictions are answered as recorded",
            rows.len() - wrong,
            rows.len()
        ))
        .await;
}

/// Sends one row; the error says how the answer differs.
async fn predict(service: &Service, path: &str, row: &Row) -> Result<(), String> {
    let answer = service
        .ask("POST", path, Some(&row.request.to_string()))
        .await?;
    if !(200..300).contains(&answer.status) {
        return Err(format!(
            "{path} answers {} {}",
            answer.status,
            head(&answer.body)
        ));
    }
    let got = serde_json::from_str(&answer.body)
        .map_err(|_| format!("the answer is not JSON: {}", head(&answer.body)))?;
    compare::difference(&got, &row.response).map_or(Ok(()), Err)
}

/// The beginning of a foreign text, in one line.
fn head(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(200)
        .collect()
}
