//! The push: what is transient is tried again, what is refused is not, and the registry confirms the digest.

use std::time::Duration;

use crate::artifact::{Image, Pushed};
use crate::code::Code;
use crate::context::Context;
use crate::engine::{Engine, EngineError, PushUpdate};
use crate::failure::{Fail as _, Failure, Outcome, chain};
use crate::plan::PushSpec;
use crate::registry::{self, Credentials, Reference, credentials, denied};

/// How often a push is tried.
const TRIES: u32 = 5;

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
    let login = credentials(spec.repository.host(), spec.login.as_ref()).await?;
    if let Some(login) = &login {
        ctx.events.mask(&login.secret).await;
    }
    let mut digest = None;
    for tag in &spec.tags {
        let reference = spec.repository.with_tag(tag);
        engine
            .tag_image(&image.id, &reference)
            .await
            .fail(Code::ImageMissing)?;
        let sent = push_tag(ctx, engine, &reference, login.as_ref()).await?;
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
        let result = tokio::select! {
            biased;
            () = ctx.cancel.cancelled() => return Err(interrupted(reference)),
            result = attempt_push(ctx, engine, reference, login) => result,
        };
        let error = match result {
            Ok(Some(digest)) => return Ok(digest),
            Ok(None) => anyhow::anyhow!("the engine named no digest"),
            Err(error) => error,
        };
        let why = story(&error);
        if attempt == TRIES || !is_transient(&why) {
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
) -> anyhow::Result<Option<String>> {
    let mut push = engine.push(reference, login).await?;
    let mut digest = None;
    while let Some(update) = push.next().await? {
        match update {
            PushUpdate::Layer { id, status } => {
                ctx.events.output(format!("{id}: {status}\n")).await;
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

/// What a registry or the network may do better at the next try. A refusal never is.
fn is_transient(why: &str) -> bool {
    let why = why.to_lowercase();
    let refused = [
        "denied",
        "unauthorized",
        "authentication required",
        "no basic auth",
        "forbidden",
        "insufficient_scope",
        "not found",
        "name unknown",
        "no such host",
        "x509",
        "certificate",
    ];
    let passing = [
        "toomanyrequests",
        "too many requests",
        "http status: 5",
        "status: 5",
        "500 internal",
        "service unavailable",
        "bad gateway",
        "connection reset",
        "connection refused",
        "broken pipe",
        "eof",
        "timeout",
        "timed out",
        "deadline exceeded",
        "temporarily",
        "no digest",
    ];
    let refused = refused.iter().any(|text| why.contains(text)) || status(&why, &[401, 403, 404]);
    let passes =
        passing.iter().any(|text| why.contains(text)) || status(&why, &[429, 502, 503, 504]);
    // A busy registry may say 429 and its reason; a refusal in the same words still wins, except for 429 itself.
    passes && (!refused || why.contains("toomanyrequests") || status(&why, &[429]))
}

/// Whether one of these statuses is named. Digests, upload ids and ports hold the same digits and mean nothing.
fn status(why: &str, statuses: &[u16]) -> bool {
    why.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | ',' | ';'))
        .filter_map(|word| word.trim_end_matches([':', '.']).parse::<u16>().ok())
        .any(|number| statuses.contains(&number))
}

fn failure(
    reference: &Reference,
    login: Option<&Credentials>,
    error: &anyhow::Error,
    why: &str,
) -> Failure {
    let what = format!("failed to push `{reference}`");
    let lower = why.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    if says(&[
        "denied",
        "unauthorized",
        "authentication required",
        "no basic auth",
        "forbidden",
        "insufficient_scope",
    ]) {
        return Failure::from(denied(Code::PushDenied, &what, reference.host(), login))
            .evidence([why.to_owned()]);
    }
    let unknown = says(&["name unknown", "not found", "does not exist"]) || status(&lower, &[404]);
    if unknown && error.is::<EngineError>() {
        return Failure::new(
            Code::PushDenied,
            format!("{what}: the registry does not know the repository"),
        )
        .help("create the repository in the registry first, or correct `image`")
        .evidence([why.to_owned()]);
    }
    if says(&["no space left"]) {
        return Failure::new(Code::DiskFull, format!("{what}: {why}"));
    }
    let failure = Failure::new(Code::PushFailed, format!("{what}: {why}"));
    if says(&["x509", "certificate"]) {
        return failure.help(format!(
            "give the engine the registry's CA: /etc/docker/certs.d/{}/ca.crt",
            reference.host()
        ));
    }
    if says(&["no such host"]) {
        return failure.help("check the host name in `image`");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for why in [
            "received unexpected HTTP status: 503 Service Unavailable",
            "toomanyrequests: rate exceeded",
            "Put http://r/v2/: read tcp: connection reset by peer",
            "net/http: TLS handshake timeout",
            "unexpected EOF",
            "received 502 from upstream",
            "Put \"http://127.0.0.1:4040/v2/o/n/blobs/uploads/12-404-401a?_state=403\": write: broken pipe",
        ] {
            assert!(is_transient(why), "{why}");
        }
        for why in [
            "unauthorized: authentication required",
            "denied: permission_denied: write_package",
            "no basic auth credentials",
            "name unknown: repository not found",
            "dial tcp: lookup nowhere.test: no such host",
            "x509: certificate signed by unknown authority",
            "unexpected status 404 Not Found",
            "blob sha256:5025030429 is invalid",
        ] {
            assert!(!is_transient(why), "{why}");
        }
    }
}
