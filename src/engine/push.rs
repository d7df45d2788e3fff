//! A push by the engine. It knows nothing of retries or of what an error means.

use std::collections::HashMap;

use anyhow::Context as _;

use super::connect::Engine;
use super::silence::Heard;
use super::wire::{Messages, auth_header, empty, quote};
use crate::registry::{Credentials, Reference};

/// What happens in a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PushUpdate {
    /// A layer is there: `Pushed`, `Layer already exists`, `Mounted from …`, with its short id.
    Layer { id: String, status: String },
    /// The upload of a layer failed, and the engine tries it again in so many seconds.
    Retrying { id: String, seconds: u64 },
    /// `sha256:…` of the manifest, as the engine sent it.
    Digest(String),
}

/// A running push. Dropping it stops the engine.
pub(crate) struct Push {
    messages: Messages,
    /// The engine counts down in messages; by layer, what it said last.
    waits: HashMap<String, u64>,
}

impl Engine {
    /// Starts the push of one tag.
    pub(crate) async fn push(
        &self,
        reference: &Reference,
        credentials: Option<&Credentials>,
    ) -> anyhow::Result<Push> {
        let path = format!(
            "/images/{}/push?tag={}",
            reference.repository(),
            quote(reference.tag().unwrap_or("latest"))
        );
        let headers = auth_header(reference.host(), credentials)?;
        let messages = self
            .messages(&path, headers, empty(), Heard::now())
            .await
            .with_context(|| format!("failed to push `{reference}`"))?;
        Ok(Push {
            messages,
            waits: HashMap::new(),
        })
    }
}

impl Push {
    /// The next update; `None` at the end. What the registry refuses is an `EngineError`.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<PushUpdate>> {
        while let Some(message) = self.messages.next().await? {
            if let Some(digest) = message.aux.as_ref().and_then(|aux| aux["Digest"].as_str()) {
                return Ok(Some(PushUpdate::Digest(digest.to_owned())));
            }
            let status = message.status.unwrap_or_default();
            if let Some(digest) = digest_in(&status) {
                return Ok(Some(PushUpdate::Digest(digest.to_owned())));
            }
            if let (Some(id), Some(seconds)) = (&message.id, retry_in(&status)) {
                let last = self.waits.insert(id.clone(), seconds);
                if last.is_none_or(|last| seconds > last) {
                    let id = id.clone();
                    return Ok(Some(PushUpdate::Retrying { id, seconds }));
                }
            }
            let ended = ["Pushed", "Layer already exists", "Mounted from"];
            if let Some(id) = message.id
                && ended.iter().any(|end| status.starts_with(end))
            {
                return Ok(Some(PushUpdate::Layer { id, status }));
            }
        }
        Ok(None)
    }
}

/// The digest in `v1: digest: sha256:… size: 1234`.
fn digest_in(status: &str) -> Option<&str> {
    let (_, rest) = status.split_once("digest: ")?;
    let digest = rest.split(' ').next()?;
    digest.starts_with("sha256:").then_some(digest)
}

/// The seconds in `Retrying in 5 seconds`.
fn retry_in(status: &str) -> Option<u64> {
    let rest = status.strip_prefix("Retrying in ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_s_own_retries_are_seen() {
        assert_eq!(retry_in("Retrying in 10 seconds"), Some(10));
        assert_eq!(retry_in("Pushing"), None);
    }

    #[test]
    fn the_digest_is_found_in_the_status() {
        assert_eq!(
            digest_in("v1: digest: sha256:ab size: 12"),
            Some("sha256:ab")
        );
        assert_eq!(digest_in("Pushing digest of it"), None);
    }
}
