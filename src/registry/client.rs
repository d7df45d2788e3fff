//! Requests to a registry over its HTTP API. What is asked and what an answer means stands in the files beside this one.
//! Source: opencontainers/distribution-spec.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::Reference;
use super::challenge::challenges;
use super::credentials::credentials;
use super::login::Credentials;
use super::plain::is_local;
use super::refusal::{Fault, answered, unreachable};
use super::token::{Asked, Identity};
use crate::cloud::{Clouds, retry_after};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome, chain};
use crate::plan::RegistryLogin;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a question is asked when the registry is busy or the connection breaks, and how long is waited before the second
/// time; it doubles.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait that a registry may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often a request is led on.
const HOPS: usize = 10;

/// The kinds of manifest that we understand.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// What is sent with a request.
#[derive(Clone)]
pub(super) struct Content {
    /// Media type.
    pub(super) kind: &'static str,
    pub(super) bytes: Bytes,
}

/// One registry, one repository, one login.
pub(super) struct Registry<'a> {
    client: Client,
    reference: &'a Reference,
    /// Where it answers.
    base: Url,
    login: Option<Credentials>,
    /// They hide what the registry hands out.
    clouds: Option<Arc<Clouds>>,
    led: Led,
}

/// Where the last request was led to: the client's own error names the place where it began.
#[derive(Clone, Default)]
struct Led(Arc<Mutex<Option<Url>>>);

impl Led {
    fn set(&self, url: Option<Url>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    fn get(&self) -> Option<Url> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Follows, and remembers it.
    fn policy(&self) -> Policy {
        let led = self.clone();
        Policy::custom(move |attempt| {
            if attempt.previous().len() > HOPS {
                return attempt.error("it leads on and on");
            }
            led.set(Some(attempt.url().clone()));
            attempt.follow()
        })
    }
}

impl<'a> Registry<'a> {
    pub(super) async fn open(
        reference: &'a Reference,
        login: Option<&RegistryLogin>,
    ) -> Outcome<Self> {
        let host = match reference.host() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let failed = |why: String| {
            let what = format!("failed to set up a connection to registry `{host}`: {why}");
            Failure::new(Code::RegistryUnreachable, what)
        };
        let led = Led::default();
        let builder = || {
            Client::builder()
                .redirect(led.policy())
                .user_agent(concat!("ml-deploy/", env!("CARGO_PKG_VERSION")))
                .timeout(TIMEOUT)
                .connect_timeout(Duration::from_secs(10))
        };
        let roots = engine_roots(host);
        // On a machine that trusts no authority there may still be registries of its own, or with one that the engine knows.
        let client = builder()
            .tls_certs_merge(roots.clone())
            .build()
            .or_else(|_| builder().tls_certs_only(roots).build())
            .map_err(|error| failed(chain(&error.into())))?;
        let plain = match login {
            _ if is_local(host) => true,
            Some(login) => login.plain.is_meant(host, &client).await,
            None => false,
        };
        let scheme = if plain { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}"));
        let clouds = login.map(|login| login.clouds.clone());
        let login = credentials(reference.host(), login).await?;
        if let (Some(clouds), Some(login)) = (&clouds, &login) {
            clouds.mask(&login.secret).await;
        }
        Ok(Self {
            base: base.map_err(|error| failed(error.to_string()))?,
            client,
            reference,
            login,
            clouds,
            led,
        })
    }

    /// Asks for a path of the registry; what is transient is tried again.
    pub(super) async fn ask(&self, method: Method, path: &str, actions: &str) -> Outcome<Response> {
        self.send(method, &self.url(path), actions, None).await
    }

    /// The same for a path that is written to.
    pub(super) async fn put(&self, path: &str, content: Content) -> Outcome<Response> {
        self.send(Method::PUT, &self.url(path), "pull,push", Some(content))
            .await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// The same for a URL, such as one that the registry has named.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        actions: &str,
        content: Option<Content>,
    ) -> Outcome<Response> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            let sent = self.request(method.clone(), url, actions, content.clone());
            let asked = match sent.await {
                Ok(answer) if !is_busy(answer.status()) => return Ok(answer),
                Ok(answer) => retry_after(answer.headers()),
                Err(Fault::Transport(error)) if is_transient(&error) => None,
                Err(fault) => return Err(self.failed(fault)),
            };
            tokio::time::sleep(asked.unwrap_or(wait).min(LONGEST_WAIT)).await;
            wait *= 2;
        }
        let last = self.request(method, url, actions, content).await;
        last.map_err(|fault| self.failed(fault))
    }

    /// Sends a request; when the registry asks who we are, answers and sends it again.
    pub(super) async fn request(
        &self,
        method: Method,
        url: &str,
        actions: &str,
        content: Option<Content>,
    ) -> Result<Response, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, http::HeaderValue::from_static(MANIFESTS));
        if let Some(content) = &content {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content.kind));
        }
        let send = |headers: HeaderMap| {
            self.led.set(None);
            let request = self.client.request(method.clone(), url).headers(headers);
            match &content {
                Some(content) => request.body(content.bytes.clone()).send(),
                None => request.send(),
            }
        };
        let answer = send(headers.clone()).await?;
        // Uploads may be sent to a store of files at another host, and from there anywhere: neither may learn who we are.
        let ours = Url::parse(url).is_ok_and(|url| self.is_ours(&url));
        if answer.status() != StatusCode::UNAUTHORIZED || !ours || !self.is_ours(answer.url()) {
            return Ok(answer);
        }
        let identity = Identity {
            client: &self.client,
            base: &self.base,
            reference: self.reference,
            login: self.login.as_ref(),
            clouds: self.clouds.as_deref(),
        };
        let asked = challenges(answer.headers());
        match identity.answer(&asked, actions).await? {
            Asked::Show(value) => {
                headers.insert(AUTHORIZATION, value);
                Ok(send(headers).await?)
            }
            Asked::Refused(refusal) => Ok(refusal),
            Asked::Nobody => Ok(answer),
        }
    }

    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// The answer, if it is a success.
    pub(super) async fn succeeded(&self, answer: Response, tried: &str) -> Outcome<Response> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        let what = format!("failed to {tried} `{}`", self.reference.repository());
        let finding = answered(&what, self.reference, self.login.as_ref(), answer);
        Err(finding.await.into())
    }

    fn failed(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Transport(error) => self.unreachable(error).into(),
            Fault::Unsafe(finding) => (*finding).into(),
        }
    }

    pub(super) fn unreachable(&self, error: reqwest::Error) -> Diagnostic {
        unreachable(self.reference.host(), &self.base, self.led.get(), error)
    }
}

/// Authorities that the engine trusts for this registry: `/etc/docker/certs.d/<host>/*.crt`.
fn engine_roots(host: &str) -> Vec<reqwest::Certificate> {
    let Ok(entries) = std::fs::read_dir(format!("/etc/docker/certs.d/{host}")) else {
        return Vec::new();
    };
    let files = entries.flatten().map(|entry| entry.path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
        .filter_map(|path| std::fs::read(path).ok())
        .filter_map(|pem| reqwest::Certificate::from_pem_bundle(&pem).ok())
        .flatten()
        .collect()
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// A name that is not known, a refused connection or a bad certificate stays so; the rest may pass.
fn is_transient(error: &reqwest::Error) -> bool {
    error.is_timeout() || (error.is_request() && !error.is_connect())
}
