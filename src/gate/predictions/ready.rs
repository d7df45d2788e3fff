//! Waits until a container serves: its health path answers 2xx, or without one its port answers at all. It knows when
//! waiting is of no use any more.

use std::time::{Duration, Instant};

use super::findings::Log;
use crate::code::Code;
use crate::engine::ContainerState;
use crate::failure::{Fail, Failure, Outcome};
use crate::predict::{Address, Question, Silence};

/// Pause between two questions: what is measured is no finer than this.
const PAUSE: Duration = Duration::from_millis(25);
/// Longest time for one answer while it starts.
const ANSWER: Duration = Duration::from_secs(5);

/// A container that serves.
pub(super) struct Ready {
    /// Where it answers.
    pub(super) address: Address,
    /// When it said so.
    pub(super) at: Instant,
    /// How long nobody was asking before that question: it may have been healthy so much earlier. A question that waits for
    /// its answer is answered as soon as the server can.
    pub(super) unseen: Duration,
}

/// Waits until it serves.
pub(super) async fn wait(log: &Log<'_>, health: Option<&str>, deadline: Instant) -> Outcome<Ready> {
    let mut last = log.container.started;
    let given = deadline.saturating_duration_since(log.container.started);
    let name = &log.container.name;
    let mut places: Vec<Address> = Vec::new();
    let mut said = "nothing answers yet".to_owned();
    loop {
        let state = log
            .engine
            .inspect_container(name)
            .await
            .fail(Code::ContainerUnready)?;
        let Some(state) = state else {
            let message =
                format!("failed to try the image: container `{name}` was removed by somebody else");
            return Err(Failure::new(Code::ContainerUnready, message));
        };
        if !state.running {
            return Err(log.ended(&state).await);
        }
        if places.is_empty() {
            let bases = log.container.endpoints(&state).into_iter();
            places = bases
                .map(Address::new)
                .collect::<Result<_, _>>()
                .fail(Code::Internal)?;
        }
        for place in &places {
            let unseen = last.elapsed();
            match answers(place, health, &state, log.container.port).await {
                Ok(()) => {
                    let address = place.clone();
                    return Ok(Ready {
                        address,
                        at: Instant::now(),
                        unseen,
                    });
                }
                Err(why) => said = why,
            }
            last = Instant::now();
        }
        if Instant::now() >= deadline {
            return Err(log.unready(&said, given, &state).await);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks once; the error is what was seen instead.
async fn answers(
    place: &Address,
    health: Option<&str>,
    state: &ContainerState,
    port: u16,
) -> Result<(), String> {
    let path = health.unwrap_or("/");
    let Ok(answer) = tokio::time::timeout(ANSWER, place.ask(Question::get(path))).await else {
        return Err(format!(
            "`{path}` does not answer within {} s",
            ANSWER.as_secs()
        ));
    };
    let answer = answer.map_err(|why| match why {
        Silence::Refused(_) => format!("nothing answers on port {port}"),
        other => other.to_string(),
    })?;
    match health {
        Some(_) if !answer.is_success() => Err(format!("`{path}` answers {}", answer.status)),
        // Its own HEALTHCHECK knows better than we do.
        None if state.healthy == Some(false) => Err("its HEALTHCHECK fails".to_owned()),
        _ => Ok(()),
    }
}
