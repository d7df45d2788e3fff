//! How each kind of identity at Google gets a token. Which of them we are is not decided here.

use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::{DATE, HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::super::Surroundings;
use super::super::kept::Fresh;
use super::denial::denied;
use super::exchange::{Exchanger, subject};
use super::jwt::Signer;
use super::metadata::Metadata;
use crate::cloud::spec::{GoogleCredentials, GoogleKind, UNIVERSE};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How long a token lives when its giver does not say so.
const LIFE: Duration = Duration::from_secs(3600);

/// The kinds of identity.
pub(super) enum Who {
    /// A file's, and where it is.
    Credentials {
        credentials: Box<GoogleCredentials>,
        place: String,
    },
    /// The job's own token, exchanged.
    Job {
        provider: String,
        exchanger: Exchanger,
    },
    /// What Google gives the machine that we run on.
    Machine(Metadata),
}

/// What the job's token must be for, when the provider names no audience of its own.
pub(super) fn job_audience(exchanger: &Exchanger) -> String {
    format!("https:{}", exchanger.audience)
}

/// A new token for it.
///
/// # Errors
/// `CloudIdentity`, `CloudDenied`, `CloudUnreachable`.
pub(super) async fn fresh(around: &Surroundings, who: &Who) -> Outcome<Fresh<SecretString>> {
    let answer = match who {
        Who::Machine(metadata) => metadata.token(around).await?,
        Who::Job { exchanger, .. } => {
            let audience = job_audience(exchanger);
            let token = around
                .job
                .token(&audience, &around.http, &around.voice)
                .await?;
            exchanger.exchange(around, &token).await?
        }
        Who::Credentials { credentials, place } => {
            if let Some(failure) = elsewhere(credentials, place) {
                return Err(failure);
            }
            match &credentials.kind {
                GoogleKind::External(external) => {
                    let token = subject(around, &external.source).await?;
                    Exchanger::from(external).exchange(around, &token).await?
                }
                GoogleKind::ServiceAccount {
                    email,
                    key_id,
                    key,
                    token_url,
                } => {
                    let signer = Signer {
                        email,
                        key_id: key_id.as_deref(),
                        key,
                    };
                    let now = jiff::Timestamp::now();
                    let assertion = signer.assertion(token_url, now).map_err(|why| {
                    Failure::new(
                        Code::CloudIdentity,
                        format!("failed to sign as `{email}` with the `private_key` of {place}: {why}"),
                    )
                    .help("give the file as Google wrote it, or make a new key")
                })?;
                    around.voice.mask(&assertion).await;
                    let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                    let request = around.http.client().post(token_url).form(&[
                        ("grant_type", kind),
                        ("assertion", assertion.expose_secret()),
                    ]);
                    ask(around, request, &format!("`{email}`"), place).await?
                }
                GoogleKind::User {
                    client_id,
                    client_secret,
                    refresh_token,
                    token_url,
                } => {
                    let request = around.http.client().post(token_url).form(&[
                        ("grant_type", "refresh_token"),
                        ("client_id", client_id),
                        ("client_secret", client_secret.expose_secret()),
                        ("refresh_token", refresh_token.expose_secret()),
                    ]);
                    ask(
                        around,
                        request,
                        "the person who logged in with gcloud",
                        place,
                    )
                    .await?
                }
            }
        }
    };
    // Beside the token that we need may stand others.
    for name in ["id_token", "refresh_token"] {
        if let Some(other) = answer.get(name).and_then(Value::as_str) {
            around.voice.mask(&other.into()).await;
        }
    }
    let text = ["access_token", "accessToken"]
        .iter()
        .find_map(|name| answer.get(name)?.as_str());
    let Some(text) = text else {
        return Err(Failure::new(
            Code::CloudIdentity,
            "failed to get a token from Google: its answer holds none",
        )
        .help("look at who answers: a proxy or a page to log in may stand in the way"));
    };
    let value = SecretString::from(text);
    around.voice.mask(&value).await;
    let life = Some(life(&answer).unwrap_or(LIFE));
    Ok(Fresh { value, life })
}

/// Asks for a token with what proves who we are.
async fn ask(
    around: &Surroundings,
    request: RequestBuilder,
    who: &str,
    place: &str,
) -> Outcome<Value> {
    let tried = format!("log in to Google as {who}");
    let answer = around.http.send(&tried, request).await?;
    if answer.status.is_success() {
        return Ok(answer.json());
    }
    let ahead = ahead(&answer.headers, jiff::Timestamp::now());
    Err(denied(
        &tried,
        place,
        answer.status.as_u16(),
        &answer.json(),
        ahead,
    ))
}

/// In other universes keys and people have no tokens of this kind: what they prove must not go to Google's own place.
fn elsewhere(credentials: &GoogleCredentials, place: &str) -> Option<Failure> {
    if credentials.universe == UNIVERSE || matches!(credentials.kind, GoogleKind::External(_)) {
        return None;
    }
    let message = format!(
        "failed to log in to Google: what {place} holds is of the universe `{}`, and keys work here only in `{UNIVERSE}`",
        credentials.universe
    );
    Some(Failure::new(Code::CloudIdentity, message).help(format!(
        "set `workload-identity-provider` (and GOOGLE_CLOUD_UNIVERSE_DOMAIN to `{}`) in the place of the key; docs/google.md",
        credentials.universe
    )))
}

/// How far this machine's clock is ahead of the one who answered.
fn ahead(headers: &HeaderMap, now: jiff::Timestamp) -> Option<jiff::SignedDuration> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(now.duration_since(theirs))
}

/// How long a token lives: a number of seconds, or when it ends.
fn life(answer: &Value) -> Option<Duration> {
    if let Some(seconds) = answer.get("expires_in") {
        let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok());
        return seconds.map(Duration::from_secs);
    }
    let ends: jiff::Timestamp = answer.get("expireTime")?.as_str()?.parse().ok()?;
    let left = ends.duration_since(jiff::Timestamp::now());
    // One that has ended is renewed at once.
    Some(Duration::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lives_are_read_as_they_are_written() {
        let hour = Some(Duration::from_secs(3599));
        assert_eq!(life(&json!({"expires_in": 3599})), hour);
        assert_eq!(life(&json!({"expires_in": "3599"})), hour);
        let ends = jiff::Timestamp::now() + Duration::from_secs(100);
        let left = life(&json!({"expireTime": ends.to_string()})).unwrap();
        assert!(left <= Duration::from_secs(100) && left > Duration::from_secs(90));
        let past = json!({"expireTime": "2014-10-02T15:01:23Z"});
        assert_eq!(life(&past), Some(Duration::ZERO));
        assert_eq!(life(&json!({})), None);
    }

    #[test]
    fn a_wrong_clock_is_measured() {
        let mut headers = HeaderMap::new();
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        assert_eq!(ahead(&headers, now), None);
        headers.insert(DATE, "Sun, 01 Mar 2026 13:00:00 GMT".parse().unwrap());
        assert_eq!(
            ahead(&headers, now),
            Some(jiff::SignedDuration::from_hours(-1))
        );
    }
}
