//! What every step of a deployment has at hand, and how it waits: with a deadline, a word now and then, and an ear for a cancel.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cloud::azure_ml::{Ended, Endpoint, MachineLearning, Operation, Patience};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::AzureMlSpec;

/// How often a wait says that it still waits.
const WORD: Duration = Duration::from_secs(60);
/// Between two looks at an endpoint.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// One run's work on an endpoint.
pub(super) struct Work<'a> {
    pub(super) ctx: &'a Context,
    pub(super) spec: &'a AzureMlSpec,
    pub(super) ml: MachineLearning,
    /// What breaks its waits off: the run's own cancel, but for what a cancel itself begins.
    pub(super) cancel: CancellationToken,
    until: Instant,
}

impl<'a> Work<'a> {
    /// The deadline begins now.
    pub(super) fn new(ctx: &'a Context, spec: &'a AzureMlSpec) -> Self {
        Self {
            ctx,
            spec,
            ml: spec.clouds.machine_learning(&spec.workspace),
            cancel: ctx.cancel.clone(),
            until: Instant::now() + spec.deadline,
        }
    }

    /// The same with another deadline, from now on.
    pub(super) fn within(self, time: Duration) -> Self {
        Self {
            until: Instant::now() + time,
            ..self
        }
    }

    /// The same for what a cancel does not break off.
    pub(super) fn unstopped(self) -> Self {
        Self {
            cancel: CancellationToken::new(),
            ..self
        }
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// A request that a cancel breaks off.
    pub(super) async fn stoppable<T>(&self, asked: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(stopped()),
            done = asked => done,
        }
    }

    /// Waits for the end of something that Azure has begun.
    ///
    /// # Errors
    /// Those of asking for it.
    pub(super) async fn wait(&self, what: &str, operation: Operation) -> Outcome<Ended> {
        let patience = Patience {
            until: self.until,
            cancel: &self.cancel,
        };
        let began = Instant::now();
        let mut ended = std::pin::pin!(self.ml.ended(operation, &patience));
        loop {
            tokio::select! {
                ended = &mut ended => return ended,
                () = tokio::time::sleep(WORD) => {
                    let minutes = began.elapsed().as_secs() / 60;
                    self.ctx.events.note(format!("still waiting: {what} ({minutes} min)")).await;
                }
            }
        }
    }
}

impl Work<'_> {
    /// Waits a moment; a cancel ends it.
    pub(super) async fn pause(&self, time: Duration) -> Outcome<()> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(stopped()),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    /// The endpoint when nobody changes it any more; `None`: it is not there. Azure takes no second change beside a first.
    ///
    /// # Errors
    /// Those of asking; `RolloutDeadline`; `Interrupted`.
    pub(super) async fn settled(&self) -> Outcome<Option<Endpoint>> {
        let name = self.spec.endpoint.as_str();
        let mut said: Option<Instant> = None;
        loop {
            let Some(endpoint) = self.stoppable(self.ml.endpoint(name)).await? else {
                return Ok(None);
            };
            if !endpoint.is_changing() {
                return Ok(Some(endpoint));
            }
            let state = &endpoint.state;
            if self.is_over() {
                return Err(Failure::new(
                    Code::RolloutDeadline,
                    format!("endpoint `{name}` was still {state} at the end of `deploy-timeout`"),
                )
                .help("let only one job deploy to an endpoint at a time (`concurrency:`); when nobody does, look at it in the workspace, and run again"));
            }
            if said.is_none_or(|said| said.elapsed() >= WORD) {
                let note = format!("endpoint `{name}` is {state}; waiting until that has ended");
                self.ctx.events.note(note).await;
                said = Some(Instant::now());
            }
            self.pause(PAUSE).await?;
        }
    }
}

/// A cancel before anything was begun.
pub(super) fn stopped() -> Failure {
    Failure::new(
        Code::Interrupted,
        "stopped before the endpoint was changed; what serves is as before",
    )
}
