//! What a report shows around the run's own results: what the experiment's last runs measured, and what an image consists of
//! beside the one that is live. Everything here is bounded, and what fails is only noted.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::artifact::{
    Before, FREEZE_TYPE, Freeze, Image, Layers, Model, Pushed, Unpacked, UnpackedBefore,
};
use crate::champion;
use crate::context::Context;
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Failure, chain};
use crate::plan::{Plan, RegistryLogin};
use crate::registry::{self, Reference};
use crate::tracking;

/// Nobody waits longer for what only decorates the report.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes what the last runs of the model's experiment measured.
pub(crate) async fn history(plan: &Plan, ctx: &Context, model: Option<&Model>) {
    let Some((model, run)) = model.and_then(|model| Some((model, model.run.as_ref()?))) else {
        return;
    };
    let ctx = ctx.stage(Stage::Train);
    let mut store = plan.gates.tracking.clone();
    if !store.asked
        && let Some(found) = tracking::discover(&ctx, &store)
    {
        store = found;
    }
    let environment = model.environment.as_ref();
    let python = environment.map(|environment| Path::new(environment.executable.as_str()));
    let asked = tracking::history(&ctx, &store, &run.experiment_id, python);
    let why = match within(asked, &ctx).await {
        Ok(history) => return ctx.events.produced(history).await,
        Err(why) => why,
    };
    ctx.events
        .note(format!(
            "the experiment's last runs are not shown in the report: {why}"
        ))
        .await;
}

/// Publishes the layers of the pushed image, and those of the image that is live: before a deployment changes that.
pub(crate) async fn layers(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    pushed: Option<&Pushed>,
) {
    let Some((pushed, spec)) = pushed
        .zip(plan.push.as_ref())
        .filter(|_| plan.runs(Stage::Push))
    else {
        return;
    };
    let ctx = ctx.stage(Stage::Push);
    let asked = async {
        let now: Reference = pushed.reference().parse().map_err(anyhow::Error::msg)?;
        let layers = registry::layers(&now, spec.login.as_ref())
            .await
            .map_err(story)?
            .context("the registry does not have the image")?;
        let live = champion::live(plan, &ctx, engine).await.map_err(story)?;
        let images = live.into_iter().flat_map(|live| live.images);
        let mut before = None;
        // One of the images that are live is enough: they differ only in the middle of a rollout.
        if let Some(image) = images
            .filter_map(|image| image.parse::<Reference>().ok())
            .find(|image| image.repository() == now.repository())
        {
            let layers = registry::layers(&image, spec.login.as_ref())
                .await
                .map_err(story)?;
            before = layers.map(|layers| Before {
                image: image.to_string(),
                layers,
            });
        }
        Ok(Layers {
            layers,
            before,
            unpacked: None,
        })
    };
    let why = match within(asked, &ctx).await {
        Ok(layers) => return ctx.events.produced(layers).await,
        Err(why) => why,
    };
    ctx.events
        .note(format!(
            "the image's layers are not shown in the report: {why}"
        ))
        .await;
}

/// Publishes how large an image is that was built and is not pushed, as on a pull request, beside the one that is live, or else
/// the one that was pushed last.
pub(crate) async fn growth(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    image: Option<&Image>,
) {
    let Some((image, engine)) = image.zip(engine).filter(|_| !plan.runs(Stage::Push)) else {
        return;
    };
    let ctx = ctx.stage(Stage::Build);
    let login = Some(&plan.login);
    let asked = async {
        let ours: Reference = image.repository.parse().map_err(anyhow::Error::msg)?;
        let live = champion::live(plan, &ctx, Some(engine))
            .await
            .map_err(story)?;
        let images = live.into_iter().flat_map(|live| live.images);
        let live = images
            .filter_map(|image| image.parse::<Reference>().ok())
            .find(|image| image.same_repository(&ours));
        let before = match &live {
            Some(live) => Some(live.clone()),
            None => registry::newest(&ours, login).await.map_err(story)?,
        };
        let before = match before {
            Some(before) => Some(UnpackedBefore {
                image: before.to_string(),
                live: live.is_some(),
                bytes: unpacked(engine, &before, login).await?,
            }),
            None => None,
        };
        Ok(Unpacked {
            bytes: image.bytes,
            before,
        })
    };
    let why = match within(asked, &ctx).await {
        Ok(unpacked) => {
            let found = Layers {
                unpacked: Some(unpacked),
                ..Layers::default()
            };
            return ctx.events.produced(found).await;
        }
        Err(why) => why,
    };
    ctx.events
        .note(format!(
            "how the image's size changes is not shown in the report: {why}"
        ))
        .await;
}

/// The size of an image once it is pulled: from the engine that has it, or from the document that its push attached to it.
async fn unpacked(
    engine: &Engine,
    image: &Reference,
    login: Option<&RegistryLogin>,
) -> anyhow::Result<Option<u64>> {
    // By digest only: the engine may have given the tag to the image that was just built.
    let digest = match image.digest() {
        Some(digest) => Some(digest.to_owned()),
        None => registry::digest(image, login).await.map_err(story)?,
    };
    let Some(digest) = digest else {
        return Ok(None);
    };
    let named = format!("{}@{digest}", image.repository());
    if let Some(known) = engine.inspect_image(&named).await? {
        return Ok(Some(known.bytes));
    }
    let named: Reference = named.parse().map_err(anyhow::Error::msg)?;
    let document = registry::attached(&named, login, FREEZE_TYPE)
        .await
        .map_err(story)?;
    let freeze = document.and_then(|document| Freeze::parse(&document).ok());
    Ok(freeze.and_then(|freeze| freeze.image_bytes))
}

fn story(failure: Failure) -> anyhow::Error {
    let findings = failure.into_findings().into_iter();
    let messages: Vec<_> = findings.map(|finding| finding.message).collect();
    anyhow::anyhow!(messages.join("; "))
}

async fn within<T>(
    work: impl Future<Output = anyhow::Result<T>>,
    ctx: &Context,
) -> Result<T, String> {
    let seconds = PATIENCE.as_secs();
    tokio::select! {
        done = tokio::time::timeout(PATIENCE, work) => match done {
            Ok(done) => done.map_err(|error| chain(&error)),
            Err(_) => Err(format!("no answer within {seconds} s")),
        },
        () = ctx.cancel.cancelled() => Err("the run was cancelled".to_owned()),
    }
}
