//! One signed question to a service of AWS. What passes by itself, as throttling does, is asked again; a denial never is.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url};
use serde_json::Value;

use super::super::http::Answer;
use super::Aws;
use super::keys::Keys;
use super::place::{Service, endpoint};
use super::refused::{Refused, ahead};
use super::sign::{Request, Signer};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How often a question is asked while AWS says that there are too many, and how long is waited first; it doubles.
const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long a model may take for its answer: SageMaker gives it a minute.
const ANSWER: Duration = Duration::from_secs(70);

/// A question.
pub(super) struct Call<'a> {
    pub(super) service: Service,
    pub(super) region: &'a str,
    pub(super) method: Method,
    /// Begun by `/`, as it stands in the address.
    pub(super) path: &'a str,
    /// Names in lower case.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: Vec<u8>,
    /// What is tried; completes "failed to …".
    pub(super) tried: &'a str,
}

impl Aws {
    /// Asks with the keys of the identity; the answer is JSON.
    ///
    /// # Errors
    /// Those of finding the identity, `CloudUnreachable`. What AWS refuses is the inner error.
    pub(super) async fn ask(&self, call: &Call<'_>) -> Outcome<Result<Value, Refused>> {
        Ok(self.asked(call).await?.map(|answer| answer.json()))
    }

    /// The same with the whole answer. Keys that AWS calls expired although they should be good, as after a laptop has slept,
    /// are made anew once where that can be done.
    pub(super) async fn asked(&self, call: &Call<'_>) -> Outcome<Result<Answer, Refused>> {
        let keys = self.keys().await?;
        let answer = self.send(call, &keys).await?;
        match answer {
            Err(refused) if refused.is_expired() && keys.expires.is_some() => {
                self.keys.aged().await;
                self.send(call, &self.keys().await?).await
            }
            answer => Ok(answer),
        }
    }

    /// Asks with these keys.
    pub(super) async fn send(
        &self,
        call: &Call<'_>,
        keys: &Keys,
    ) -> Outcome<Result<Answer, Refused>> {
        let base = endpoint(call.service, call.region, &self.around.environment);
        let address = format!("{base}{}", call.path);
        let url = Url::parse(&address).map_err(|error| {
            Failure::new(
                Code::CloudUnreachable,
                format!("failed to {}: `{base}` is no address: {error}", call.tried),
            )
            .help("correct AWS_ENDPOINT_URL, which names it")
        })?;
        let host = host_of(&url);
        let mut patience = Patience::default();
        loop {
            let signer = Signer {
                keys,
                region: call.region,
                service: call.service.signs_as(),
                at: Timestamp::now(),
            };
            let mut headers = call.headers.to_vec();
            let proof = signer.headers(&Request {
                method: call.method.as_str(),
                host: &host,
                path: url.path(),
                query: &[],
                headers: &headers,
                body: &call.body,
            });
            headers.extend(proof.iter().map(|(name, value)| (*name, value.as_str())));
            let client = self.around.http.client();
            let mut request = client.request(call.method.clone(), url.clone());
            for (name, value) in headers {
                request = request.header(name, value);
            }
            if call.service == Service::SageMakerRuntime {
                request = request.timeout(ANSWER);
            }
            let request = request.body(call.body.clone());
            let answer = self.around.http.send(call.tried, request).await?;
            if let Some(ahead) = ahead(&answer.headers) {
                self.ahead.store(ahead.as_secs(), Ordering::Relaxed);
            }
            if answer.status.is_success() {
                return Ok(Ok(answer));
            }
            let refused = Refused::of(&answer);
            if !patience.again(self, call.tried, &refused).await? {
                return Ok(Err(refused));
            }
        }
    }

    /// How far AWS's clock was ahead of ours when it answered last; zero before.
    pub(super) fn clock_ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed))
    }
}

/// How long one question is asked again.
pub(super) struct Patience {
    left: u32,
    wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            left: TRIES - 1,
            wait: FIRST_WAIT,
        }
    }
}

impl Patience {
    /// Waits before the question is asked again; `false` when a refusal will not change by itself.
    ///
    /// # Errors
    /// `CloudUnreachable` when it was asked often enough.
    pub(super) async fn again(
        &mut self,
        aws: &Aws,
        tried: &str,
        refused: &Refused,
    ) -> Outcome<bool> {
        if !refused.is_passing() {
            return Ok(false);
        }
        let why = format!("failed to {tried}: {}", refused.kind);
        if self.left == 0 {
            let why = format!("{why} each of {TRIES} times");
            return Err(Failure::new(Code::CloudUnreachable, why)
                .help("run again later; other programs of the account may ask too much"));
        }
        aws.around.voice.retrying(self.wait, why).await;
        tokio::time::sleep(self.wait).await;
        self.left -= 1;
        self.wait *= 2;
        Ok(true)
    }
}

/// The host as it is signed.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
