//! What is known of the training, kept beside the reports for runs that build without training, and logged with its MLflow
//! run for whoever asks later.

use crate::artifact::{FREEZE_PATH, Freeze, Model};
use crate::context::Context;
use crate::failure::chain;
use crate::plan::TrackingSpec;
use crate::tracking;

/// Name of the file in the state folder.
const FILE: &str = "training.json";

/// Keeps it, and logs it with the run in the store that has it. What cannot be kept is only noted: this run does not need it.
pub(super) async fn write(ctx: &Context, store: Option<&TrackingSpec>, model: &Model) {
    let Some(freeze) = Freeze::of(model) else {
        return;
    };
    let folder = &ctx.workspace.state;
    let text = freeze.text();
    let written =
        fs_err::create_dir_all(folder).and_then(|()| fs_err::write(folder.join(FILE), &text));
    if let Err(error) = written {
        ctx.events
            .note(format!(
                "a later run will not know how this model was trained: {error}"
            ))
            .await;
    }
    let Some((store, run)) = store.zip(model.run.as_ref()) else {
        return;
    };
    if let Err(error) = tracking::put(ctx, store, run, FREEZE_PATH, text).await {
        ctx.events
            .note(format!(
                "`{FREEZE_PATH}` could not be logged with the MLflow run: {}",
                chain(&error)
            ))
            .await;
    }
}

/// What is known of the training that made the model with this hash, when an earlier run kept it.
pub(super) fn read(ctx: &Context, sha256: &str) -> Option<Freeze> {
    let text = fs_err::read(ctx.workspace.state.join(FILE)).ok()?;
    let freeze = Freeze::parse(&text).ok()?;
    (freeze.model_sha256 == sha256).then_some(freeze)
}
