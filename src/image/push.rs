//! The push: what is transient is tried again, what is refused is not, and the registry confirms the digest.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;

use super::words::Words;
use crate::artifact::{Image, Pushed};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{Engine, EngineError, PushUpdate, Silent};
use crate::failure::{Fail as _, Failure, Outcome, chain};
use crate::plan::PushSpec;
use crate::registry::{self, Credentials, Reference, credentials, denied};

/// How often a push is tried.
const TRIES: u32 = 5;

/// A push that is refused within this time got no further, and how many of those in a row are tried with a new login.
const AT_ONCE: Duration = Duration::from_secs(10);
const RENEWALS: u32 = 2;

/// Pushes every tag and returns the first with the digest that the registry confirms.
///
/// # Errors
/// `PushDenied` with the account and where it came from, `PushFailed`, `DigestMismatch`, `Interrupted`.
pub(crate) async fn push(
    ctx: &Context,
    engine: &Engine,
    spec: &PushSpec,
    image: &Image,
) -> Outcome<Pushed> {
    let mut digest = None;
    for tag in &spec.tags {
        let reference = spec.repository.with_tag(tag);
        engine
            .tag_image(&image.id, &reference)
            .await
            .fail(Code::ImageMissing)?;
        let sent = push_as_long_as_it_takes(ctx, engine, spec, &reference).await?;
        confirm(spec, &reference, &sent).await?;
        ctx.events
            .note(format!("pushed `{reference}`, digest {sent}"))
            .await;
        digest.get_or_insert(sent);
    }
    let digest = digest.ok_or_else(|| Failure::new(Code::Internal, "no tag to push"))?;
    let pushed = Pushed {
        repository: spec.repository.repository(),
        tag: spec.tags.first().cloned(),
        digest,
    };
    ctx.events.produced(pushed.clone()).await;
    Ok(pushed)
}

/// Pushes one tag. A login may age while the layers go up; then the push goes on with a new one, when there is a new one to
/// be had. Layers that have arrived are not sent again.
async fn push_as_long_as_it_takes(
    ctx: &Context,
    engine: &Engine,
    spec: &PushSpec,
    reference: &Reference,
) -> Outcome<String> {
    let mut login = login(ctx, spec).await?;
    let mut at_once = 0;
    loop {
        let began = Instant::now();
        let failure = match push_tag(ctx, engine, reference, login.as_ref()).await {
            Err(failure) if failure.code() == Code::PushDenied => failure,
            ended => return ended,
        };
        // Some give another password each time they are asked: what is refused at once, again and again, has not aged.
        at_once = if began.elapsed() < AT_ONCE {
            at_once + 1
        } else {
            0
        };
        let renewed = self::login(ctx, spec).await?;
        let secret = |login: &Option<Credentials>| {
            let secret = login.as_ref().map(|login| &login.secret);
            secret.map(|secret| secret.expose_secret().to_owned())
        };
        if at_once > RENEWALS || secret(&renewed) == secret(&login) {
            return Err(failure);
        }
        let why = "the registry refuses the login, which has aged meanwhile; there is a new one";
        ctx.events.retrying(Duration::ZERO, why).await;
        login = renewed;
    }
}

/// Who we are at the registry, now.
async fn login(ctx: &Context, spec: &PushSpec) -> Outcome<Option<Credentials>> {
    let login = credentials(spec.repository.host(), spec.login.as_ref()).await?;
    if let Some(login) = &login {
        ctx.events.mask(&login.secret).await;
    }
    Ok(login)
}

/// Asks the registry which digest the tag has now.
async fn confirm(spec: &PushSpec, reference: &Reference, sent: &str) -> Outcome<()> {
    let served = registry::digest(reference, spec.login.as_ref()).await?;
    match served {
        Some(served) if served == sent => Ok(()),
        Some(served) => Err(Failure::new(
            Code::DigestMismatch,
            format!(
                "failed to confirm `{reference}`: pushed {sent}, but the registry serves {served}"
            ),
        )),
        None => Err(Failure::new(
            Code::PushFailed,
            format!("failed to confirm `{reference}`: the registry does not have it"),
        )),
    }
}

/// Pushes one tag and returns the digest that the engine names.
pub(super) async fn push_tag(
    ctx: &Context,
    engine: &Engine,
    reference: &Reference,
    login: Option<&Credentials>,
) -> Outcome<String> {
    let mut pause = Duration::from_secs(1);
    for attempt in 1.. {
        // The engine tries the upload of a layer again by itself; what that does not mend, we do not mend either.
        let mut engine_retried = false;
        let result = tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => return Err(interrupted(reference)),
            result = attempt_push(ctx, engine, reference, login, &mut engine_retried) => result,
        };
        let error = match result {
            Ok(Some(digest)) => return Ok(digest),
            Ok(None) => anyhow::anyhow!("the engine named no digest"),
            Err(error) => error,
        };
        let why = story(&error);
        if attempt == TRIES || engine_retried || !Words::of(&why).transient() {
            return Err(failure(reference, login, &error, &why));
        }
        ctx.events.retrying(pause, why).await;
        tokio::select! {
            () = ctx.cancel.cancelled() => return Err(interrupted(reference)),
            () = tokio::time::sleep(pause) => {}
        }
        pause *= 2;
    }
    Err(Failure::new(Code::Internal, "a push has no end"))
}

async fn attempt_push(
    ctx: &Context,
    engine: &Engine,
    reference: &Reference,
    login: Option<&Credentials>,
    engine_retried: &mut bool,
) -> anyhow::Result<Option<String>> {
    let mut push = engine.push(reference, login).await?;
    let mut digest = None;
    while let Some(update) = push.next().await? {
        match update {
            PushUpdate::Layer { id, status } => {
                ctx.events.output(format!("{id}: {status}\n")).await;
            }
            PushUpdate::Retrying { id, seconds } => {
                *engine_retried = true;
                let pause = Duration::from_secs(seconds);
                let why = format!("the upload of layer {id} failed");
                ctx.events.retrying(pause, why).await;
            }
            PushUpdate::Digest(found) => digest = Some(found),
        }
    }
    Ok(digest)
}

fn interrupted(reference: &Reference) -> Failure {
    Failure::new(
        Code::Interrupted,
        format!(
            "the push of `{reference}` was stopped; the registry keeps the layers that arrived, the tag is unchanged"
        ),
    )
}

fn story(error: &anyhow::Error) -> String {
    match error.downcast_ref::<EngineError>() {
        Some(error) => error.message.clone(),
        None => chain(error),
    }
}

fn failure(
    reference: &Reference,
    login: Option<&Credentials>,
    error: &anyhow::Error,
    why: &str,
) -> Failure {
    let what = format!("failed to push `{reference}`");
    // The story of our own errors begins with it already.
    let why = why.strip_prefix(&format!("{what}: ")).unwrap_or(why);
    let words = Words::of(why);
    let says = |texts: &[&str]| words.say(texts);
    if words.refused() {
        return Failure::from(denied(Code::PushDenied, &what, reference.host(), login))
            .evidence([why.to_owned()]);
    }
    if words.unknown() && error.is::<EngineError>() {
        return Failure::new(
            Code::PushDenied,
            format!("{what}: the registry does not know the repository"),
        )
        .help(registry::make(reference))
        .evidence([why.to_owned()]);
    }
    if says(&["no space left"]) {
        return Failure::new(Code::DiskFull, format!("{what}: {why}"));
    }
    let failure = Failure::new(Code::PushFailed, format!("{what}: {why}"));
    if says(&["tag is immutable"]) {
        return failure.help("tags of this repository cannot be given again: give every build one of its own, as the commit's in `tags`");
    }
    if error.is::<Silent>() {
        return failure.help(Silent::HELP);
    }
    if says(&["x509", "certificate"]) {
        return failure.help(format!(
            "give the engine the registry's CA: /etc/docker/certs.d/{}/ca.crt",
            reference.host()
        ));
    }
    if says(&[
        "does not look like a tls handshake",
        "gave http response to https client",
    ]) {
        return failure.help(format!(
            "the registry speaks plain HTTP: name `{}` in `insecure-registries` of the engine's daemon.json, or give the registry a certificate",
            reference.host()
        ));
    }
    if says(&["no such host"]) {
        return failure.help("check the host name in `image`");
    }
    failure
}
