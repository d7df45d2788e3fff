//! How a cloud's identity speaks: it masks a secret the moment it exists and says what was renewed. It does not keep the run's
//! events open: they end when the run does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use secrecy::SecretString;

use crate::event::{Events, WeakEvents};

/// Says things to the run's reporters once they listen; before, there is nobody who could see anything. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Voice(Arc<OnceLock<WeakEvents>>);

impl Voice {
    /// The first one who listens stays it.
    pub(super) fn speak_to(&self, events: &Events) {
        drop(self.0.set(events.weak()));
    }

    fn events(&self) -> Option<Events> {
        self.0.get()?.upgrade()
    }

    /// Hides a secret from now on, everywhere.
    pub(super) async fn mask(&self, secret: &SecretString) {
        if let Some(events) = self.events() {
            events.mask(secret).await;
        }
    }

    /// Says one line.
    pub(super) async fn note(&self, text: impl Into<String>) {
        if let Some(events) = self.events() {
            events.note(text).await;
        }
    }

    /// Says that something is tried again.
    pub(super) async fn retrying(&self, after: Duration, why: impl Into<String>) {
        if let Some(events) = self.events() {
            events.retrying(after, why).await;
        }
    }
}
