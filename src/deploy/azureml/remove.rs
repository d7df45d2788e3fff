//! The removal of a deployment, or of the endpoint. Which may go is decided elsewhere.

use std::time::Duration;

use super::work::Work;
use crate::cloud::azure_ml::{Ended, Operation, said};
use crate::failure::Outcome;

/// How long the removal of something that does not serve is waited for; it goes on at Azure.
pub(super) const REMOVAL: Duration = Duration::from_secs(180);

/// Removes a deployment; in words why it is still there.
pub(super) async fn remove(work: &Work<'_>, name: &str) -> Result<(), String> {
    let asked = work.ml.delete_deployment(&work.spec.endpoint, name);
    let what = format!("deployment `{name}` is removed");
    gone(work, what, asked.await).await
}

/// Removes the endpoint; in words why it is still there.
pub(super) async fn remove_endpoint(work: &Work<'_>) -> Result<(), String> {
    let name = work.spec.endpoint.as_str();
    let asked = work.ml.delete_endpoint(name);
    gone(work, format!("endpoint `{name}` is removed"), asked.await).await
}

async fn gone(work: &Work<'_>, what: String, asked: Outcome<Operation>) -> Result<(), String> {
    let ended = match asked {
        Ok(operation) => work.wait(&what, operation).await,
        Err(failure) => Err(failure),
    };
    match ended.map_err(|failure| failure.message().to_owned())? {
        Ended::Succeeded => work.ctx.events.note(what).await,
        // It is on its way, and nobody waits for it.
        Ended::Late | Ended::Stopped => {
            let late = format!("{what}; Azure has not ended it yet");
            work.ctx.events.note(late).await;
        }
        Ended::Failed(error) => return Err(said(&error)),
    }
    Ok(())
}
