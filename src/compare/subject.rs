//! The image that is compared: named, or found as what is live; in the engine, or pulled through it.

use super::Asked;
use crate::code::Code;
use crate::context::Context;
use crate::engine::{Engine, ImageInfo};
use crate::failure::{Fail as _, Failure, Outcome};
use crate::plan::Plan;
use crate::registry::{Reference, credentials};
use crate::target;

/// The image that is looked at, as the engine has it.
pub(super) struct Subject {
    /// As it was named, or found.
    pub(super) name: String,
    pub(super) info: ImageInfo,
    /// By digest, where a registry has it.
    pub(super) remote: Option<Reference>,
}

/// Finds it, and pulls it when the engine has none.
///
/// # Errors
/// `InputMissing` when none is named, `ImageMissing` when there is none.
pub(super) async fn subject(
    plan: &Plan,
    ctx: &Context,
    engine: &Engine,
    asked: &Asked,
) -> Outcome<Subject> {
    let name = match (&asked.image, asked.live) {
        (_, true) => live(plan, ctx, engine).await?,
        (Some(image), false) => image.clone(),
        (None, false) => {
            return Err(Failure::new(
                Code::InputMissing,
                "no image is named: `ml-deploy parity IMAGE`, or `--live` for the one that is live",
            )
            .help("name an image of the engine or of a registry"));
        }
    };
    let found = engine.inspect_image(&name).await.fail(Code::ImageMissing)?;
    let info = match found {
        Some(info) => info,
        None => pulled(plan, ctx, engine, &name).await?,
    };
    let named = name.parse::<Reference>().ok();
    let pushed = info.digests.iter().filter_map(|one| one.parse().ok());
    let mut pushed: Vec<Reference> = pushed.collect();
    // An image may be in several registries; the one that was named comes first.
    pushed.sort_by_key(|one| {
        !named
            .as_ref()
            .is_some_and(|named| named.same_repository(one))
    });
    let remote = match named {
        Some(named) if named.digest().is_some() => Some(named),
        _ => pushed.into_iter().next(),
    };
    Ok(Subject { name, info, remote })
}

/// The image that is live, by id or by reference.
async fn live(plan: &Plan, ctx: &Context, engine: &Engine) -> Outcome<String> {
    let Some(spec) = &plan.deploy else {
        return Err(Failure::new(
            Code::InputMissing,
            "nothing says where the live image is: set `namespace` with `deployment-name` or `manifests`, `endpoint-name`, or `container-name` with `target: docker`",
        )
        .help("name what is live"));
    };
    let found = target::serving(ctx, spec, Some(engine), Code::ImageMissing).await?;
    let Some(found) = found else {
        return Err(Failure::new(
            Code::ImageMissing,
            "failed to find the live image: nothing that serves is there",
        )
        .help("deploy first, or correct the name; `ml-deploy status` says what is live"));
    };
    match &found.images[..] {
        [image] => Ok(image.clone()),
        images => Err(Failure::new(
            Code::InputMissing,
            format!(
                "{} runs several images: {}",
                found.object,
                images.join(", ")
            ),
        )
        .help("set `image` to the repository of the one that is meant")),
    }
}

/// Pulls the image through the engine.
async fn pulled(plan: &Plan, ctx: &Context, engine: &Engine, name: &str) -> Outcome<ImageInfo> {
    let reference: Reference = name.parse().map_err(|why| {
        Failure::new(
            Code::ImageMissing,
            format!("failed to find the image `{name}`: the engine has none, and as a reference it {why}"),
        )
    })?;
    let login = credentials(reference.host(), Some(&plan.login)).await?;
    if let Some(login) = &login {
        ctx.events.mask(&login.secret).await;
    }
    ctx.events.note(format!("pulling {reference}")).await;
    tokio::select! {
        biased;
        () = ctx.cancel.cancelled() => {
            return Err(Failure::new(Code::Interrupted, format!("the pull of `{reference}` was stopped")));
        }
        pulled = engine.pull(&reference, login.as_ref()) => pulled.fail(Code::ImageMissing)?,
    }
    // With a tag beside the digest the engine knows it by the digest alone.
    let known = match reference.digest() {
        Some(digest) => format!("{}@{digest}", reference.repository()),
        None => reference.to_string(),
    };
    let found = engine
        .inspect_image(&known)
        .await
        .fail(Code::ImageMissing)?;
    found.ok_or_else(|| {
        Failure::new(
            Code::ImageMissing,
            format!("failed to find the image `{known}` after it was pulled"),
        )
    })
}
