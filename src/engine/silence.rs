//! How long the engine may say nothing during a build, a push or a pull. It knows no protocol.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longer than a registry takes to take in the largest layer, which is the longest time that a push has nothing to say.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The engine, or the network on the way to it, has stopped in the middle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silent(Duration);

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minutes = self.0.as_secs() / 60;
        write!(f, "nothing was heard from the engine for {minutes} min")
    }
}

impl std::error::Error for Silent {}

impl Silent {
    /// What to do about it.
    pub(crate) const HELP: &str =
        "see whether `docker info` still answers; if not, restart the engine, then run again";
}

/// When the engine was heard last. Copies are the same ear: a build hears its messages and its session.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    last: Arc<Mutex<Instant>>,
    limit: Duration,
}

impl Heard {
    /// Begins to count now.
    pub(super) fn now() -> Self {
        Self::within(LIMIT)
    }

    fn within(limit: Duration) -> Self {
        Self {
            last: Arc::new(Mutex::new(Instant::now())),
            limit,
        }
    }

    /// The engine was heard.
    pub(super) fn note(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits for something that the engine says, which is noted.
    ///
    /// # Errors
    /// `Silent` when meanwhile nothing was noted for as long as the limit.
    pub(super) async fn wait<T>(&self, said: impl Future<Output = T>) -> Result<T, Silent> {
        let result = tokio::select! {
            biased;
            said = said => Ok(said),
            () = self.silence() => Err(Silent(self.limit)),
        };
        if result.is_ok() {
            self.note();
        }
        result
    }

    async fn silence(&self) {
        loop {
            let end = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + self.limit;
            if Instant::now() >= end {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_only_when_nothing_at_all_is_heard() {
        let heard = Heard::within(Duration::from_millis(50));
        let error = heard.wait(std::future::pending::<()>()).await.unwrap_err();
        assert!(error.to_string().starts_with("nothing was heard"));

        // What is awaited takes longer than the limit, but the engine is heard by another way.
        heard.note();
        let elsewhere = heard.clone();
        let slow = async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                elsewhere.note();
            }
            7
        };
        assert_eq!(heard.wait(slow).await.unwrap(), 7);
    }
}
