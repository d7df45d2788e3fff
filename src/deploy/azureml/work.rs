//! What every step of a deployment has at hand, and how it waits: with a deadline, a word now and then, and an ear for a cancel.

use std::time::Duration;

use tokio::time::Instant;

use crate::cloud::azure_ml::{Ended, MachineLearning, Operation, Patience};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::AzureMlSpec;

/// How often a wait says that it still waits.
const WORD: Duration = Duration::from_secs(60);

/// One run's work on an endpoint.
pub(super) struct Work<'a> {
    pub(super) ctx: &'a Context,
    pub(super) spec: &'a AzureMlSpec,
    pub(super) ml: MachineLearning,
    until: Instant,
}

impl<'a> Work<'a> {
    /// The deadline begins now.
    pub(super) fn new(ctx: &'a Context, spec: &'a AzureMlSpec) -> Self {
        Self {
            ctx,
            spec,
            ml: spec.clouds.machine_learning(&spec.workspace),
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

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// A request that a cancel breaks off.
    pub(super) async fn stoppable<T>(&self, asked: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        tokio::select! {
            biased;
            () = self.ctx.cancel.cancelled() => Err(stopped()),
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
            cancel: &self.ctx.cancel,
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

/// A cancel before anything was begun.
pub(super) fn stopped() -> Failure {
    Failure::new(
        Code::Interrupted,
        "stopped before the endpoint was changed; what serves is as before",
    )
}
