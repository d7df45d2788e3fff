//! The job, readable top to bottom: what runs in which order, what overlaps, what is handed on.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use crate::artifact::{Artifact, Image, Model, Pushed};
use crate::chain;
use crate::champion;
use crate::code::Code;
use crate::context::Context;
use crate::engine::Engine;
use crate::event::{End, EventKind, Stage};
use crate::failure::{self, Failure, Outcome};
use crate::live::{settle, verify_stage};
use crate::plan::{Plan, PushSpec};
use crate::preflight;
use crate::reuse::{self, Results};
use crate::stage::{Ended, stage};
use crate::target::{self, Deployed, Origin};
use crate::{background, image, proof, registry, train};

/// Runs the plan.
///
/// # Errors
/// The first stage that fails ends the run; what it left is said in its findings.
pub(crate) async fn run(plan: &Plan, ctx: &Context) -> Outcome<Ended> {
    let began = SystemTime::now();
    // Taken before the run, because the run itself writes into the workspace.
    let fingerprint = fingerprint(plan, ctx).await;
    let ready = stage(plan, ctx, Stage::Preflight, async |ctx| {
        preflight::run(plan, ctx).await
    })
    .await?;
    let engine = ready.engine.as_ref();
    if let Some(fingerprint) = &fingerprint
        && still_holds(plan, ctx, engine, fingerprint).await
    {
        return Ok(Ended::Reused);
    }

    let before = champion::before(plan);
    let model = train_with_early_layers(plan, ctx, engine).await?;
    background::history(plan, ctx, model.as_ref()).await;
    champion::gate(plan, ctx, engine, model.as_ref(), &before).await?;
    let image = build_stage(plan, ctx, engine, model.as_ref()).await?;
    background::growth(plan, ctx, engine, image.as_ref()).await;
    let parity = proof::stages(plan, ctx, engine, model.as_ref(), image.as_ref(), began).await?;
    let push = async |spec: &PushSpec, pushed: &Pushed| {
        let (image, model) = (image.as_ref(), model.as_ref());
        chain::pushed(plan, ctx, spec, pushed, image, model, parity.as_ref()).await;
    };
    let pushed = push_stage(plan, ctx, engine, image.as_ref(), push).await?;
    background::layers(plan, ctx, engine, pushed.as_ref()).await;
    let deployed = deploy_stage(
        plan,
        ctx,
        engine,
        image.as_ref(),
        pushed.as_ref(),
        model.as_ref(),
    )
    .await?;
    let deployment = deployed.as_ref().map(Deployed::deployment).cloned();
    let judged = deployed.as_ref().map(Deployed::judged);
    let verified = verify_stage(plan, ctx, engine, judged.as_ref(), pushed.as_ref()).await;
    settle(plan, ctx, deployed, pushed.as_ref(), verified).await?;
    champion::crown(plan, ctx, model.as_ref(), pushed.as_ref()).await;
    if let Some(fingerprint) = fingerprint {
        let kept = reuse::remember(
            plan,
            fingerprint,
            Results {
                model,
                image,
                parity,
                pushed,
                deployment,
            },
        );
        if let Err(error) = kept {
            ctx.events
                .note(format!(
                    "the next run cannot reuse this one: {}",
                    failure::chain(&error)
                ))
                .await;
        }
    }
    Ok(Ended::Done)
}

/// What tells whether anything has changed, when that is asked. Sources that cannot be read do not end a run that may not need
/// them.
async fn fingerprint(plan: &Plan, ctx: &Context) -> Option<String> {
    if !plan.reuse {
        return None;
    }
    let sources = plan.clone();
    // Data of any size is hashed: other work, and a cancel, must not wait for it.
    let hashed = tokio::task::spawn_blocking(move || reuse::fingerprint(&sources));
    let hashed = tokio::select! {
        hashed = hashed => hashed.map_err(anyhow::Error::from).flatten(),
        () = ctx.cancel.cancelled() => return None,
    };
    match hashed {
        Ok(fingerprint) => Some(fingerprint),
        Err(error) => {
            let why = failure::chain(&error);
            ctx.events
                .note(format!(
                    "whether anything has changed cannot be told, so everything runs: {why}"
                ))
                .await;
            None
        }
    }
}

/// Whether the last run had the same sources and inputs, its image is still in the registry, and what is live still answers.
async fn still_holds(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    fingerprint: &str,
) -> bool {
    let Some(last) = reuse::recall(plan, fingerprint) else {
        return false;
    };
    if let Some((push, pushed)) = plan.push.as_ref().zip(last.pushed.as_ref()) {
        let reference = push
            .repository
            .with_tag(pushed.tag.as_deref().unwrap_or("latest"));
        let found = registry::digest(&reference, push.login.as_ref())
            .await
            .ok()
            .flatten();
        if found.as_deref() != Some(&pushed.digest) {
            ctx.events.note("sources are unchanged, but the registry no longer has the image: everything runs again").await;
            return false;
        }
    }
    if verify_stage(
        plan,
        ctx,
        engine,
        last.deployment.as_ref(),
        last.pushed.as_ref(),
    )
    .await
    .is_err()
    {
        ctx.events.note("sources are unchanged, but what is live does not answer as it should: everything runs again").await;
        return false;
    }
    ctx.events
        .note("nothing has changed since the last run, and what it made still holds")
        .await;
    for &stage in plan.stages.iter().filter(|stage| **stage != Stage::Verify) {
        let events = ctx.events.stage(stage);
        events.send(EventKind::Started(plan.what(stage))).await;
        let (end, took) = (End::Reused, Duration::ZERO);
        events.send(EventKind::Finished { end, took }).await;
    }
    let Results {
        model,
        image,
        parity,
        pushed,
        deployment,
    } = last;
    let artifacts: [Option<Artifact>; 5] = [
        model.map(Into::into),
        image.map(Into::into),
        parity.map(Into::into),
        pushed.map(Into::into),
        deployment.map(Into::into),
    ];
    for artifact in artifacts.into_iter().flatten() {
        ctx.events.produced(artifact).await;
    }
    true
}

async fn train_stage(plan: &Plan, ctx: &Context) -> Outcome<Option<Model>> {
    if let Some(spec) = plan.train.as_ref().filter(|_| plan.runs(Stage::Train)) {
        return stage(plan, ctx, Stage::Train, async |ctx| {
            train::run(ctx, spec).await
        })
        .await
        .map(Some);
    }
    if plan.runs(Stage::Build) && plan.model.exists() {
        return train::existing(ctx, &plan.model).await.map(Some);
    }
    Ok(None)
}

/// Dependency layers need nothing of the training: they are built, and pushed, while it runs. A training that fails does not
/// wait for them.
async fn train_with_early_layers(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
) -> Outcome<Option<Model>> {
    let mut training = pin!(train_stage(plan, ctx));
    let mut layers = pin!(early_layers(plan, ctx, engine));
    tokio::select! {
        model = &mut training => {
            let model = model?;
            layers.await;
            Ok(model)
        }
        () = &mut layers => training.await,
    }
}

/// Whatever goes wrong here is only noted, because the build itself meets it again and says it properly.
async fn early_layers(plan: &Plan, ctx: &Context, engine: Option<&Engine>) {
    let Some((engine, spec)) = engine.zip(plan.build.as_ref()) else {
        return;
    };
    if !spec.early_layers || !plan.runs(Stage::Build) || !plan.runs(Stage::Train) {
        return;
    }
    let ctx = ctx.stage(Stage::Build);
    let layers = match image::build_early(&ctx, engine, spec, &plan.model).await {
        Ok(Some(layers)) => layers,
        Ok(None) => return,
        Err(failure) => {
            let why = failure
                .findings()
                .map(|finding| finding.message.as_str())
                .collect::<Vec<_>>()
                .join("; ");
            ctx.events
                .note(format!("dependency layers could not be built early: {why}"))
                .await;
            return;
        }
    };
    if let Some(push) = plan.push.as_ref().filter(|_| plan.runs(Stage::Push)) {
        image::push_early(&ctx, engine, push, &layers).await;
    }
}

async fn build_stage(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    model: Option<&Model>,
) -> Outcome<Option<Image>> {
    let Some((engine, spec)) = engine
        .zip(plan.build.as_ref())
        .filter(|_| plan.runs(Stage::Build))
    else {
        return Ok(None);
    };
    let golden = chain::golden(plan, ctx);
    stage(plan, ctx, Stage::Build, async |ctx| {
        image::build(ctx, engine, spec, model, golden.as_deref()).await
    })
    .await
    .map(Some)
}

async fn push_stage(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    image: Option<&Image>,
    after: impl AsyncFnOnce(&PushSpec, &Pushed),
) -> Outcome<Option<Pushed>> {
    if let Some((engine, spec)) = engine
        .zip(plan.push.as_ref())
        .filter(|_| plan.runs(Stage::Push))
    {
        let built = match image {
            Some(image) => image.clone(),
            None => image::existing(engine, spec).await?,
        };
        return stage(plan, ctx, Stage::Push, async |ctx| {
            let pushed = image::push(ctx, engine, spec, &built).await?;
            after(spec, &pushed).await;
            Ok(pushed)
        })
        .await
        .map(Some);
    }
    let Some(reference) = &plan.image_ref else {
        return Ok(None);
    };
    let login = plan.push.as_ref().and_then(|push| push.login.as_ref());
    let digest = match reference.digest() {
        Some(digest) => digest.to_owned(),
        None => {
            let found = registry::digest(reference, login).await;
            // Where nothing is delivered nobody needs it, and the run may have no secrets to ask with.
            if plan.host.pull_request && !matches!(found, Ok(Some(_))) {
                let why = format!("the digest of `{reference}` is not known in this pull request");
                ctx.events.note(why).await;
                return Ok(None);
            }
            found?.ok_or_else(|| {
                Failure::new(
                    Code::ImageMissing,
                    format!(
                        "input `image-ref` names `{reference}`, which its registry does not have"
                    ),
                )
            })?
        }
    };
    let pushed = Pushed {
        repository: reference.repository(),
        tag: reference.tag().map(str::to_owned),
        digest,
    };
    ctx.events.produced(pushed.clone()).await;
    Ok(Some(pushed))
}

async fn deploy_stage<'a>(
    plan: &'a Plan,
    ctx: &Context,
    engine: Option<&'a Engine>,
    image: Option<&Image>,
    pushed: Option<&Pushed>,
    model: Option<&Model>,
) -> Outcome<Option<Deployed<'a>>> {
    let Some(spec) = plan.deploy.as_ref().filter(|_| plan.runs(Stage::Deploy)) else {
        return Ok(None);
    };
    let run_id = chain::run_id(plan, pushed, model).await;
    let origin = Origin {
        image,
        pushed,
        run_id: run_id.as_deref(),
    };
    let work = async |ctx: &Context| target::deploy(ctx, spec, engine, origin).await;
    stage(plan, ctx, Stage::Deploy, work).await.map(Some)
}
