//! The built image is tried before it is pushed: its container is started, must become healthy, and must answer recorded
//! requests as recorded. What it needed for that is measured on the way. The container is removed however this ends.

mod container;
mod findings;
mod measured;
mod ready;

use std::time::{Duration, Instant};

use crate::artifact::{Image, Launch, Trial};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, Severity};
use crate::engine::Engine;
use crate::failure::{Failure, Outcome, chain};
use crate::plan::{TrialSpec, VerifySpec};
use crate::predict::{Question, Recorded, Replayed, Tolerance, detect, replay};

use self::container::Container;
use self::findings::Log;
use self::measured::Memory;
use self::ready::Ready;

/// How long all recorded requests together may take; those that are left then are not asked.
const REPLAY: Duration = Duration::from_secs(300);

/// What is to be tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) image: &'a Image,
    /// Port, paths and tolerances are those of the verification.
    pub(crate) verify: &'a VerifySpec,
    pub(crate) trial: &'a TrialSpec,
    /// How the manifests start it.
    pub(crate) launch: &'a Launch,
    pub(crate) recorded: Option<&'a Recorded>,
    /// A path that takes requests, whether any are recorded or not: the service that runs the image will ask there.
    pub(crate) contract: Option<&'a str>,
    pub(crate) tolerance: Tolerance,
}

/// Tries the image and says what was seen.
///
/// # Errors
/// `ContainerUnready`, `PredictionError` or `PredictionDiffers` with the container's last log lines.
pub(crate) async fn run(ctx: &Context, engine: &Engine, subject: Subject<'_>) -> Outcome<Trial> {
    container::tidy(ctx, engine).await;
    // Made and started without looking at the cancel, so that there is never one that nobody knows of.
    let started = Container::start(engine, &subject).await;
    let container = match started {
        Ok(container) => container,
        Err(failure) => return weigh(ctx, &subject, failure).await,
    };
    let done = tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => Err(Failure::new(Code::Interrupted, "stopped before the container was tried")),
        done = try_out(ctx, engine, &subject, &container) => done,
    };
    if let Err(error) = engine.remove_container(&container.name).await {
        let left = format!(
            "container `{}` could not be removed: {}",
            container.name,
            chain(&error)
        );
        ctx.events
            .diagnosed(Diagnostic::warning(Code::ContainerUnready, left).help("remove it by hand"))
            .await;
    }
    match done {
        Ok(trial) => Ok(trial),
        Err(failure) => weigh(ctx, &subject, failure).await,
    }
}

/// A container that lacks what only the cluster has proves nothing by failing to start; everything else does.
async fn weigh(ctx: &Context, subject: &Subject<'_>, failure: Failure) -> Outcome<Trial> {
    let lacks = &subject.launch.lacks;
    if failure.code() != Code::ContainerUnready || lacks.is_empty() {
        return Err(failure);
    }
    let why = format!(
        "it was tried without {}, which only the cluster has; the run goes on",
        lacks.join(", ")
    );
    for mut finding in failure.into_findings() {
        finding.severity = Severity::Warning;
        ctx.events.diagnosed(finding.help(why.clone())).await;
    }
    Ok(Trial::default())
}

async fn try_out(
    ctx: &Context,
    engine: &Engine,
    subject: &Subject<'_>,
    container: &Container,
) -> Outcome<Trial> {
    let log = Log {
        ctx,
        engine,
        container,
    };
    let deadline = container.started + subject.trial.deadline;
    let mut memory = Memory::new(engine, &container.name);
    let health = subject.verify.health_path.as_deref();
    // Loading a model may take more memory than predicting.
    let ready = memory.during(ready::wait(&log, health, deadline)).await?;
    let start = container.started.elapsed();
    let mut trial = Trial {
        start_ms: u64::try_from(start.as_millis()).unwrap_or(u64::MAX),
        ..Trial::default()
    };
    let mut findings = Vec::new();
    if let Some(recorded) = subject.recorded {
        let asked = ask(ctx, subject, recorded, &ready, &mut memory, &mut trial).await;
        if let Some((replayed, first)) = asked {
            findings = findings::of(&log, subject, recorded, &replayed).await;
            measured::describe(&mut trial, &replayed, first);
        }
    }
    if let (Some(path), None) = (subject.contract, subject.recorded) {
        findings.extend(contract(&ready, path).await);
    }
    memory.look().await;
    trial.peak_memory_mib = memory.peak_mib();
    measured::say(ctx, &trial).await;
    ctx.events.produced(trial.clone()).await;
    let (errors, warnings): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| finding.severity == Severity::Error);
    for warning in warnings {
        ctx.events.diagnosed(warning).await;
    }
    match Failure::all(errors) {
        Some(failure) => Err(failure),
        None => Ok(trial),
    }
}

/// Whether requests are taken there at all: what it makes of an empty one is its own business.
async fn contract(ready: &Ready, path: &str) -> Option<Diagnostic> {
    let question = Question {
        method: "POST",
        path,
        body: Some("{}"),
    };
    let why = match ready.address.ask(question).await {
        Ok(answer) if !matches!(answer.status, 404 | 405) => return None,
        Ok(answer) => format!("POST {path} answers {}", answer.status),
        Err(silence) => silence.to_string(),
    };
    let message = format!("the container of the built image cannot serve there: {why}");
    let help = format!("answer POST {path}: every request of the endpoint comes there");
    Some(Diagnostic::error(Code::ContainerUnready, message).help(help))
}

/// Replays the recorded requests; `None` when this server does not take them.
async fn ask(
    ctx: &Context,
    subject: &Subject<'_>,
    recorded: &Recorded,
    ready: &Ready,
    memory: &mut Memory<'_>,
    trial: &mut Trial,
) -> Option<(Replayed, Option<Duration>)> {
    let file = ctx.workspace.relative(&recorded.file);
    let path = subject.verify.predict_path.as_deref();
    // An example of MLflow is a request to MLflow's own server; another path may take anything.
    let path = path.filter(|path| !recorded.is_example() || path.ends_with("/invocations"));
    let question = async |question: Question<'_>| {
        let answer = ready.address.ask(question).await;
        answer.map_err(|silence| silence.to_string())
    };
    let began = Instant::now();
    let found = match detect(question, path, recorded.rows.first()?).await {
        Ok(found) => found,
        Err(none) => {
            let tried = none.tried.join(", ");
            ctx.events
                .note(format!(
                    "`{file}` is not asked: the server has none of {tried}; set `predict-path`"
                ))
                .await;
            return None;
        }
    };
    let within = ready.unseen + began.duration_since(ready.at);
    trial.replay_within_ms = Some(measured::milliseconds(within));
    let protocol = found.protocol;
    let rows = (1..).zip(&recorded.rows);
    let until = Instant::now() + REPLAY;
    let work = replay(question, &protocol, subject.tolerance, until, rows);
    let replayed = memory.during(work).await;
    trial.protocol = Some(protocol.to_string());
    trial.file = Some(file);
    trial.tolerance = (!recorded.is_example()).then_some(crate::artifact::Bounds {
        rtol: subject.tolerance.rtol,
        atol: subject.tolerance.atol,
    });
    Some((replayed, found.took))
}
