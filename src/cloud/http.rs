//! Requests to a cloud: one client, explicit deadlines, and retries of what may pass by itself. What an answer means is the
//! caller's business; a denial is never tried again.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, RequestBuilder, StatusCode};

use super::voice::Voice;
use super::wait::retry_after;
use crate::code::Code;
use crate::failure::{Failure, Outcome, chain};

/// How long one request may take, and how long its connection.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// How often a request is made at most, and how long is waited before the second time; it doubles.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What a cloud answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The body as JSON; `Null` when it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The client, made when it is first needed: most runs ask no cloud. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http {
    client: Arc<OnceLock<Client>>,
    voice: Voice,
}

impl Http {
    pub(super) fn new(voice: Voice) -> Self {
        Self {
            client: Arc::default(),
            voice,
        }
    }

    /// To begin a request with.
    pub(super) fn client(&self) -> &Client {
        self.client
            .get_or_init(|| built(|| Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT)))
    }

    /// Sends a request until it gets an answer that will not change by itself. `tried` completes "failed to …".
    ///
    /// # Errors
    /// `CloudUnreachable` when nobody answers, or only with 429 or 5xx.
    pub(super) async fn send(&self, tried: &str, request: RequestBuilder) -> Outcome<Answer> {
        self.send_at_most(TRIES, tried, request).await
    }

    /// The same with another number of tries: a metadata server that is not here must not cost a minute.
    pub(super) async fn send_at_most(
        &self,
        tries: u32,
        tried: &str,
        request: RequestBuilder,
    ) -> Outcome<Answer> {
        let mut wait = FIRST_WAIT;
        for left in (0..tries).rev() {
            let Some(copy) = request.try_clone() else {
                break;
            };
            let (why, asked) = match read(copy).await {
                Ok(answer) if !is_busy(answer.status) => return Ok(answer),
                // The body says more than the status, and a cloud's answer to a busy time holds no secret.
                Ok(answer) => (
                    format!("it answers {}", answer.status),
                    retry_after(&answer.headers),
                ),
                Err(error) if error.is_builder() => {
                    return Err(unreachable(tried, &chain(&error.without_url().into())));
                }
                Err(error) => (no_answer(error), None),
            };
            if left == 0 {
                return Err(unreachable(tried, &why));
            }
            let pause = asked.unwrap_or(wait).min(LONGEST_WAIT);
            self.voice
                .retrying(pause, format!("failed to {tried}: {why}"))
                .await;
            tokio::time::sleep(pause).await;
            wait *= 2;
        }
        Err(unreachable(tried, "the request cannot be made"))
    }
}

/// A client that follows nobody to another place. On a machine that trusts no authority it trusts none either: then each
/// request over TLS fails and says so, and those within the machine go on.
pub(super) fn built(builder: impl Fn() -> ClientBuilder) -> Client {
    let builder = || {
        builder()
            .user_agent(concat!("ml-deploy/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
    };
    let without = || builder().tls_certs_only([]).build();
    let built = builder().build().or_else(|_| without());
    // With nothing left to load there is nothing left to fail.
    built.unwrap_or_default()
}

async fn read(request: RequestBuilder) -> reqwest::Result<Answer> {
    let answer = request.send().await?;
    Ok(Answer {
        status: answer.status(),
        headers: answer.headers().clone(),
        body: answer.bytes().await?,
    })
}

/// Why there is no answer. The host is named and the rest of the address is not: it may hold what proves who we are.
fn no_answer(error: reqwest::Error) -> String {
    let host = error
        .url()
        .and_then(|url| url.host_str())
        .map(str::to_owned);
    let why = chain(&error.without_url().into());
    match host {
        Some(host) if why.contains("dns error") => {
            format!(
                "the host name `{host}` is not known: a region, a name in it or the network is wrong"
            )
        }
        Some(host) => format!("`{host}`: {why}"),
        None => why,
    }
}

fn unreachable(tried: &str, why: &str) -> Failure {
    Failure::new(Code::CloudUnreachable, format!("failed to {tried}: {why}"))
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_that_is_not_known_is_named_and_nothing_else_of_the_address() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = Http::new(Voice::default());
        let request = http
            .client()
            .get("http://nowhere.invalid/hidden?key=hunter22");
        let failure = http.send_at_most(1, "look", request).await.err().unwrap();
        assert_eq!(failure.code(), Code::CloudUnreachable);
        let said = &failure.findings().next().unwrap().message;
        assert!(said.contains("`nowhere.invalid`"), "{said}");
        assert!(
            !said.contains("hidden") && !said.contains("hunter22"),
            "{said}"
        );
    }
}
