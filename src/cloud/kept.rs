//! A value that lives for a time: made when it is first asked for, handed out while it is fresh, renewed shortly before it ends.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::voice::Voice;
use crate::failure::Outcome;

/// How long before its end a value is renewed at the latest; less for what lives shortly.
const MARGIN: Duration = Duration::from_secs(300);

/// What was made, and how long it lives from now on; `None`: as long as the run.
pub(super) struct Fresh<T> {
    pub(super) value: T,
    pub(super) life: Option<Duration>,
}

/// One value; many may ask for it at a time, and it is made once.
pub(super) struct Kept<T> {
    /// What it is, for the log: `token of Azure for …`.
    what: String,
    voice: Voice,
    held: Mutex<Option<Held<T>>>,
}

struct Held<T> {
    value: T,
    made: Instant,
    life: Option<Duration>,
}

impl<T> Held<T> {
    fn is_fresh(&self) -> bool {
        self.life
            .is_none_or(|life| self.made.elapsed() + MARGIN.min(life / 10) < life)
    }
}

impl<T: Clone> Kept<T> {
    pub(super) fn new(what: impl Into<String>, voice: Voice) -> Self {
        Self {
            what: what.into(),
            voice,
            held: Mutex::new(None),
        }
    }

    /// The value: the one at hand when it is still fresh, else a new one.
    ///
    /// # Errors
    /// Those of making one. Nothing is kept of a failure.
    pub(super) async fn get(&self, make: impl AsyncFnOnce() -> Outcome<Fresh<T>>) -> Outcome<T> {
        let mut held = self.held.lock().await;
        if let Some(fresh) = held.as_ref().filter(|held| held.is_fresh()) {
            return Ok(fresh.value.clone());
        }
        let Fresh { value, life } = make().await?;
        if let Some(old) = held.take() {
            let age = jiff::SignedDuration::try_from(old.made.elapsed()).unwrap_or_default();
            let age = jiff::SignedDuration::from_secs(age.as_secs());
            self.voice
                .note(format!("renewed the {} (it was {age:#} old)", self.what))
                .await;
        }
        *held = Some(Held {
            value: value.clone(),
            made: Instant::now(),
            life,
        });
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fresh_value_is_kept_and_an_aged_one_renewed() {
        let made = std::sync::atomic::AtomicU32::new(0);
        let make = async |life: Duration| {
            let value = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Fresh {
                value,
                life: Some(life),
            })
        };
        let kept = Kept::new("token", Voice::default());
        let long = async || make(Duration::from_secs(3600)).await;
        let gone = async || make(Duration::ZERO).await;
        assert_eq!(kept.get(gone).await.unwrap(), 0);
        assert_eq!(kept.get(long).await.unwrap(), 1);
        assert_eq!(kept.get(gone).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let kept = Kept::new("token", Voice::default());
        let fail = async || {
            Err(crate::failure::Failure::new(
                crate::code::Code::CloudDenied,
                "no",
            ))
        };
        assert!(kept.get(fail).await.is_err());
        let make = async || {
            Ok(Fresh {
                value: 7,
                life: None,
            })
        };
        assert_eq!(kept.get(make).await.unwrap(), 7);
    }
}
