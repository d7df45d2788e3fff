//! The removal of a deployment of an endpoint. Which one may go is decided elsewhere.

use std::time::Duration;

use super::work::Work;
use crate::cloud::azure_ml::{Ended, said};
use crate::failure::Failure;

/// How long the removal of something that does not serve is waited for; it goes on at Azure.
pub(super) const REMOVAL: Duration = Duration::from_secs(180);

/// Removes a deployment; in words why it is still there.
pub(super) async fn remove(work: &Work<'_>, name: &str) -> Result<(), String> {
    let words = |failure: Failure| {
        let first = failure.findings().next();
        first.map_or_else(String::new, |finding| finding.message.clone())
    };
    let asked = work.ml.delete_deployment(&work.spec.endpoint, name);
    let operation = asked.await.map_err(words)?;
    let what = format!("deployment `{name}` is removed");
    match work.wait(&what, operation).await.map_err(words)? {
        Ended::Succeeded => {
            work.ctx.events.note(what).await;
            Ok(())
        }
        // It is on its way, and nobody waits for it.
        Ended::Late | Ended::Stopped => {
            let late = format!("{what}; Azure has not ended it yet");
            work.ctx.events.note(late).await;
            Ok(())
        }
        Ended::Failed(error) => Err(said(&error)),
    }
}
