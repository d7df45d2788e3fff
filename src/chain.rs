//! What is written so that commit, run, image and deployment know each other, each where its readers look. None of it can
//! fail a run: what is missing is said, and `trace` says it again.

use crate::artifact::{Freeze, Image, Model, Parity, Pushed, label};
use crate::context::Context;
use crate::event::Stage;
use crate::failure;
use crate::plan::{Plan, PushSpec, TrackingUri};
use crate::registry::{self, Reference};
use crate::{image as images, predict, sha256, tracking};

/// The hash of the recorded predictions that the image is tried with; `None` when there are none.
pub(crate) fn golden(plan: &Plan, ctx: &Context) -> Option<String> {
    let found = predict::find(
        &ctx.workspace,
        plan.verify.golden.as_deref(),
        &plan.verify.form,
        &plan.model,
    );
    // One that cannot be read is a finding of the stage that asks it.
    let file = found.ok()??.file;
    sha256::of_file(&file).ok()
}

/// After a push: the image gets what is known of its training, and the training's run gets the image.
pub(crate) async fn pushed(
    plan: &Plan,
    ctx: &Context,
    spec: &PushSpec,
    pushed: &Pushed,
    image: Option<&Image>,
    model: Option<&Model>,
    parity: Option<&Parity>,
) {
    let ctx = &ctx.stage(Stage::Push);
    if let (Some(trained), Some(parity)) = (model.and_then(Freeze::of), parity) {
        let bytes = image.map(|image| image.bytes);
        images::attach(ctx, spec, pushed, &trained.with(parity, bytes)).await;
    }
    let store = &plan.gates.tracking;
    let Some(run) = model.and_then(|model| model.run.as_ref()) else {
        return;
    };
    if !matches!(store.uri, TrackingUri::Server(_)) {
        return;
    }
    let known = [
        ("ml-deploy.image", Some(pushed.reference())),
        ("ml-deploy.digest", Some(pushed.digest.clone())),
        ("ml-deploy.run-url", ctx.run_url.clone()),
    ];
    let known = known.into_iter();
    let tags: Vec<_> = known
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    if let Err(error) = tracking::tag_run(ctx, store, &run.id, &tags).await {
        ctx.events
            .note(format!(
                "run {} could not be tagged with the image: {}",
                run.id,
                failure::chain(&error)
            ))
            .await;
    }
}

/// The run of the model that is deployed: this job's, or, when an earlier job trained, the one that the image's labels name.
pub(crate) async fn run_id(
    plan: &Plan,
    pushed: Option<&Pushed>,
    model: Option<&Model>,
) -> Option<String> {
    if let Some(run) = model.and_then(|model| model.run.as_ref()) {
        return Some(run.id.clone());
    }
    let pushed = pushed.filter(|_| !plan.runs(Stage::Train))?;
    let reference = format!("{}@{}", pushed.repository, pushed.digest);
    let reference: Reference = reference.parse().ok()?;
    // Without the label the deployment only says less of itself.
    let labels = registry::labels(&reference, Some(&plan.login))
        .await
        .ok()??;
    labels.get(label::RUN_ID).cloned()
}
