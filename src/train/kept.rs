//! The environment that trained, kept beside the reports for runs that build without training.

use serde::{Deserialize, Serialize};

use crate::artifact::{Environment, Model};
use crate::context::Context;

/// Name of the file in the state folder.
const FILE: &str = "training.json";

#[derive(Serialize, Deserialize)]
struct Kept {
    /// Of the model that came out of it: for another model it says nothing.
    model_sha256: String,
    environment: Environment,
}

/// Keeps the model's environment. What cannot be kept is only noted: this run does not need it.
pub(super) async fn write(ctx: &Context, model: &Model) {
    let Some(environment) = model.environment.clone() else {
        return;
    };
    let kept = Kept {
        model_sha256: model.sha256.clone(),
        environment,
    };
    let folder = &ctx.workspace.state;
    let written = serde_json::to_vec(&kept)
        .map_err(std::io::Error::from)
        .and_then(|text| {
            fs_err::create_dir_all(folder)?;
            fs_err::write(folder.join(FILE), text)
        });
    if let Err(error) = written {
        ctx.events
            .note(format!(
                "a later run will not know how this model was trained: {error}"
            ))
            .await;
    }
}

/// The environment that made the model with this hash, when an earlier run kept it.
pub(super) fn read(ctx: &Context, sha256: &str) -> Option<Environment> {
    let text = fs_err::read(ctx.workspace.state.join(FILE)).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (kept.model_sha256 == sha256).then_some(kept.environment)
}
