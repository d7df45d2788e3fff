//! What signs requests to AWS: a pair of keys, of a person or, with a session token, of a role for some time.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::super::voice::Voice;

/// Keys, and where they came from.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// The public half, `AKIA…` or `ASIA…`.
    pub(super) id: String,
    pub(super) secret: SecretString,
    /// What goes with the keys of a role.
    pub(super) session_token: Option<SecretString>,
    /// Until when they are taken, on our clock; `None` for those that do not age.
    pub(super) expires: Option<Timestamp>,
    /// Where they came from, for messages: `the inputs`, `the role …`.
    pub(super) origin: String,
}

impl Keys {
    /// How long they are taken from now on.
    pub(super) fn life(&self) -> Option<Duration> {
        let left = self.expires?.duration_since(Timestamp::now());
        Some(left.try_into().unwrap_or(Duration::ZERO))
    }

    /// From now on they are hidden everywhere.
    pub(super) async fn mask(&self, voice: &Voice) {
        voice.mask(&self.secret).await;
        if let Some(token) = &self.session_token {
            voice.mask(token).await;
        }
    }
}
