//! One container of the engine: made, started, and asked until it answers. It knows nothing of the one that it replaces.

use std::time::Duration;

use tokio::time::Instant;

use crate::code::Code;
use crate::context::Context;
use crate::engine::{ContainerSpec, ContainerState, Engine};
use crate::failure::{Fail, Failure, Outcome, chain};
use crate::plan::DockerSpec;

/// Pause between two questions to a container that does not answer yet.
const PAUSE: Duration = Duration::from_millis(200);

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Log lines that are shown of a container that failed.
const LINES: u32 = 20;

/// Makes and starts a container and waits until it answers; returns where.
pub(super) async fn start(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    container: &ContainerSpec,
    deadline: Instant,
) -> Outcome<String> {
    let name = container.name.as_str();
    engine
        .create_container(container)
        .await
        .map_err(|error| not_started(&chain(&error)))?;
    // From the engine's answer on there is something to undo; before it there is not.
    if ctx.cancel.is_cancelled() {
        return Err(stopped(name));
    }
    engine
        .start_container(name)
        .await
        .map_err(|error| not_started(&chain(&error)))?;
    ctx.events
        .note(format!(
            "container `{name}` is started; waiting until it answers"
        ))
        .await;
    serving(ctx, engine, spec, name, deadline).await
}

/// Waits until a container that runs answers; returns where. Whatever a service does with a request, a cancel is obeyed at
/// once: the old container has to be put back in time.
pub(super) async fn serving(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    name: &str,
    deadline: Instant,
) -> Outcome<String> {
    tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => Err(stopped(name)),
        answered = answered(engine, spec, name, deadline) => answered,
    }
}

/// A container that never ran has no log: the engine's answer is all there is.
fn not_started(why: &str) -> Failure {
    let taken = ["port is already allocated", "address already in use"];
    let help = if taken.iter().any(|text| why.contains(text)) {
        "choose another host port with `ports`, or stop what listens there"
    } else {
        "correct what the engine names"
    };
    Failure::new(Code::ContainerFailed, why).help(help)
}

fn stopped(name: &str) -> Failure {
    Failure::new(
        Code::Interrupted,
        format!("stopped before container `{name}` had answered"),
    )
}

/// Waits until the container answers; returns where.
async fn answered(
    engine: &Engine,
    spec: &DockerSpec,
    name: &str,
    deadline: Instant,
) -> Outcome<String> {
    let client = client().fail(Code::Internal)?;
    loop {
        let Some(state) = engine
            .inspect_container(name)
            .await
            .fail(Code::ContainerFailed)?
        else {
            return Err(Failure::new(
                Code::ContainerFailed,
                format!("container `{name}` was removed by somebody else"),
            ));
        };
        if !state.running || state.restarts > 0 {
            let why = match (state.out_of_memory, &state.error, state.exit_code) {
                (true, ..) => "is killed for memory".to_owned(),
                (_, Some(error), _) => format!("cannot start: {error}"),
                (_, _, Some(code)) => format!("exits {code}"),
                _ => "exits".to_owned(),
            };
            return Err(failed(engine, name, &why).await);
        }
        let last = match ask(&client, spec, &state).await {
            Ok(endpoint) => return Ok(endpoint),
            Err(why) => why,
        };
        if Instant::now() >= deadline {
            let why = format!(
                "is not healthy within {} s: {last}",
                spec.deadline.as_secs()
            );
            return Err(failed(engine, name, &why).await);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a container answers now.
pub(super) async fn answers(spec: &DockerSpec, state: &ContainerState) -> bool {
    match client() {
        Ok(client) => state.running && ask(&client, spec, state).await.is_ok(),
        Err(_) => false,
    }
}

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER)
        .build()
}

/// Asks once at every place where the container may answer; returns where people find it, or why nothing is there.
async fn ask(
    client: &reqwest::Client,
    spec: &DockerSpec,
    state: &ContainerState,
) -> Result<String, String> {
    let mut last = "no port is published yet".to_owned();
    let endpoints = state.endpoints();
    let path = spec.health_path.as_deref().unwrap_or("/");
    for endpoint in &endpoints {
        match client.get(format!("{endpoint}{path}")).send().await {
            // Without a health path any answer shows that the server is there, unless its own check says no.
            Ok(answer)
                if answer.status().is_success()
                    || (spec.health_path.is_none() && state.healthy != Some(false)) =>
            {
                // People and later steps are on the machine, whichever way we came.
                return Ok(endpoints[0].clone());
            }
            Ok(answer) => last = format!("`{path}` answers {}", answer.status()),
            Err(_) => last = format!("nothing answers on port {}", state.ports[0].container),
        }
    }
    Err(last)
}

async fn failed(engine: &Engine, name: &str, why: &str) -> Failure {
    let log = engine.logs_tail(name, LINES).await.unwrap_or_default();
    Failure::new(Code::ContainerFailed, format!("container `{name}` {why}")).evidence(log)
}
