//! A value that lives for a time: made when it is first asked for, handed out while it is fresh, renewed shortly before it ends.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Mutex;

use super::voice::Voice;
use crate::code::Code;
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
    asked: Moment,
    life: Option<Duration>,
}

/// When a value was asked for: it lives from some time after that.
#[derive(Clone, Copy)]
struct Moment(Instant, SystemTime);

impl Moment {
    fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }

    /// The first clock stands still while a laptop sleeps, the second may be set: the older age counts.
    fn age(self) -> Duration {
        self.0.elapsed().max(self.1.elapsed().unwrap_or_default())
    }
}

impl<T> Held<T> {
    fn is_fresh(&self) -> bool {
        self.lasts(self.life.map_or(MARGIN, |life| MARGIN.min(life / 10)))
    }

    /// Whether it will still be good in this time.
    fn lasts(&self, time: Duration) -> bool {
        self.life.is_none_or(|life| self.asked.age() + time < life)
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

    /// The value: the one at hand when it is still fresh, else a new one. When nobody can be reached who makes one, the one at
    /// hand does as long as it is good.
    ///
    /// # Errors
    /// Those of making one. Nothing is kept of a failure.
    pub(super) async fn get(&self, make: impl AsyncFnOnce() -> Outcome<Fresh<T>>) -> Outcome<T> {
        let mut held = self.held.lock().await;
        if let Some(fresh) = held.as_ref().filter(|held| held.is_fresh()) {
            return Ok(fresh.value.clone());
        }
        let asked = Moment::now();
        let Fresh { value, life } = match make().await {
            Ok(made) => made,
            Err(failure) => {
                let good = held.as_ref().filter(|held| held.lasts(Duration::ZERO));
                return match good {
                    Some(good) if failure.code() == Code::CloudUnreachable => {
                        Ok(good.value.clone())
                    }
                    _ => Err(failure),
                };
            }
        };
        if let Some(old) = held.take() {
            let age = jiff::SignedDuration::try_from(old.asked.age()).unwrap_or_default();
            let age = jiff::SignedDuration::from_secs(age.as_secs());
            self.voice
                .note(format!("renewed the {} (it was {age:#} old)", self.what))
                .await;
        }
        *held = Some(Held {
            value: value.clone(),
            asked,
            life,
        });
        Ok(value)
    }
}

impl<T> Kept<T> {
    /// Whoever takes it says that it has aged, although it should not have: the next one who asks gets a new one.
    pub(super) async fn aged(&self) {
        if let Some(held) = self.held.lock().await.as_mut() {
            held.life = Some(Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

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
        kept.aged().await;
        assert_eq!(kept.get(long).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let kept = Kept::new("token", Voice::default());
        let fail = async || Err(Failure::new(Code::CloudDenied, "no"));
        assert!(kept.get(fail).await.is_err());
        let make = async || {
            Ok(Fresh {
                value: 7,
                life: None,
            })
        };
        assert_eq!(kept.get(make).await.unwrap(), 7);
    }

    /// One that is to be renewed and is good for a while yet.
    fn aged(life: u64, age: u64) -> Kept<u32> {
        let age = Duration::from_secs(age);
        let held = Held {
            value: 1,
            asked: Moment(Instant::now(), SystemTime::now() - age),
            life: Some(Duration::from_secs(life)),
        };
        Kept {
            held: Mutex::new(Some(held)),
            ..Kept::new("token", Voice::default())
        }
    }

    #[tokio::test]
    async fn what_cannot_be_renewed_now_is_used_while_it_is_good() {
        let fail = |code| async move || Err(Failure::new(code, "no"));
        let kept = aged(3600, 3500);
        assert_eq!(kept.get(fail(Code::CloudUnreachable)).await.unwrap(), 1);
        assert!(kept.get(fail(Code::CloudDenied)).await.is_err());
        let gone = aged(3600, 3601);
        assert!(gone.get(fail(Code::CloudUnreachable)).await.is_err());
    }

    #[tokio::test]
    async fn a_night_of_sleep_ages_a_value() {
        let make = async || {
            Ok(Fresh {
                value: 2,
                life: None,
            })
        };
        assert_eq!(aged(3600, 3000).get(make).await.unwrap(), 1);
        assert_eq!(aged(3600, 3400).get(make).await.unwrap(), 2);
        assert_eq!(aged(100, 85).get(make).await.unwrap(), 1);
        assert_eq!(aged(100, 95).get(make).await.unwrap(), 2);
    }
}
