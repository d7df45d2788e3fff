//! Requests to a registry over its HTTP API, and the questions that need no more: may we push, which digest has a tag.
//! Source: opencontainers/distribution-spec, distribution `spec/auth/token`.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::credentials::{Credentials, credentials};
use super::refusal::{denied, unreachable};
use super::{Reference, challenge::Challenge};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome, chain};
use crate::plan::RegistryLogin;
use crate::sha256;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a question is asked when the registry is busy or the connection breaks.
const TRIES: u32 = 4;

/// The kinds of manifest that we understand.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// The digest of a tag or digest; `None` when the registry does not have it.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`.
pub(crate) async fn digest(
    reference: &Reference,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<String>> {
    let registry = Registry::open(reference, login).await?;
    let name = reference.digest().or(reference.tag()).unwrap_or("latest");
    let path = format!("/v2/{}/manifests/{name}", reference.path());
    let answer = registry.ask(Method::HEAD, &path, "pull").await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = registry.succeeded(answer, "read the manifest of")?;
    if let Some(digest) = answer
        .headers()
        .get("Docker-Content-Digest")
        .and_then(|value| value.to_str().ok())
    {
        return Ok(Some(digest.to_owned()));
    }
    // Older registries leave the header out; the digest is the hash of what they serve.
    let answer = registry.ask(Method::GET, &path, "pull").await?;
    let body = registry
        .succeeded(answer, "read the manifest of")?
        .bytes()
        .await;
    let body = body.map_err(|error| Failure::from(registry.unreachable(&error)))?;
    Ok(Some(format!("sha256:{}", sha256::of(&body))))
}

/// Whether we may push: begins an upload and cancels it. Nothing is left behind, but for a repository that was missing and had
/// to be made for that (`create`); it is named.
///
/// # Errors
/// One finding with `RegistryUnreachable`, `RegistryTls`, `RegistryDenied` or `RepositoryMissing`, or of the cloud's.
pub(crate) async fn check_push(
    repository: &Reference,
    login: Option<&RegistryLogin>,
    create: bool,
) -> Result<Option<String>, Diagnostic> {
    let first = |failure: Failure| {
        let mut findings = failure.into_findings();
        findings.remove(0)
    };
    let (host, path) = (repository.host(), repository.path());
    let made = match login.filter(|login| !login.has_password(host)) {
        Some(login) => login.clouds.repository(host, path, create).await,
        None => Ok(None),
    };
    let made = made.map_err(first)?;
    let registry = Registry::open(repository, login).await.map_err(first)?;
    let path = format!("/v2/{}/blobs/uploads/", repository.path());
    let answer = registry
        .ask(Method::POST, &path, "pull,push")
        .await
        .map_err(first)?;
    let answer = registry
        .succeeded(answer, "begin a push to")
        .map_err(first)?;
    let location = answer
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    if let Some(url) = location.and_then(|location| answer.url().join(location).ok()) {
        // The registry also forgets an upload by itself; a failed cancel changes nothing.
        let cancel = registry.request(Method::DELETE, url.as_str(), "pull,push", None);
        drop(cancel.await);
    }
    Ok(made)
}

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
    base: String,
    login: Option<Credentials>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl<'a> Registry<'a> {
    pub(super) async fn open(
        reference: &'a Reference,
        login: Option<&RegistryLogin>,
    ) -> Outcome<Self> {
        let login = credentials(reference.host(), login).await?;
        let host = match reference.host() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        let scheme = if is_local(host) { "http" } else { "https" };
        let mut builder = Client::builder()
            .user_agent(concat!("ml-deploy/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(10));
        builder = builder.tls_certs_merge(engine_roots(host));
        let client = builder.build().map_err(|error| {
            Failure::new(
                Code::RegistryUnreachable,
                format!(
                    "failed to set up a connection to `{host}`: {}",
                    chain(&error.into())
                ),
            )
        })?;
        Ok(Self {
            client,
            reference,
            base: format!("{scheme}://{host}"),
            login,
        })
    }

    /// Asks for a path of the registry; what is transient is tried again.
    pub(super) async fn ask(&self, method: Method, path: &str, actions: &str) -> Outcome<Response> {
        self.send(method, &format!("{}{path}", self.base), actions, None)
            .await
    }

    /// The same for a path that is written to.
    pub(super) async fn put(&self, path: &str, content: Content) -> Outcome<Response> {
        let url = format!("{}{path}", self.base);
        self.send(Method::PUT, &url, "pull,push", Some(content))
            .await
    }

    /// The same for a URL, such as one that the registry has named.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        actions: &str,
        content: Option<Content>,
    ) -> Outcome<Response> {
        let mut pause = Duration::from_millis(500);
        for _ in 1..TRIES {
            let sent = self.request(method.clone(), url, actions, content.clone());
            match sent.await {
                Ok(answer) if !is_busy(answer.status()) => return Ok(answer),
                Err(error) if !is_transient(&error) => return Err(self.unreachable(&error).into()),
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        let last = self.request(method, url, actions, content).await;
        last.map_err(|error| self.unreachable(&error).into())
    }

    /// Sends a request; when the registry asks who we are, answers and sends it again.
    async fn request(
        &self,
        method: Method,
        url: &str,
        actions: &str,
        content: Option<Content>,
    ) -> reqwest::Result<Response> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, http::HeaderValue::from_static(MANIFESTS));
        if let Some(content) = &content {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content.kind));
        }
        let send = |headers: HeaderMap| {
            let request = self.client.request(method.clone(), url).headers(headers);
            match &content {
                Some(content) => request.body(content.bytes.clone()).send(),
                None => request.send(),
            }
        };
        let answer = send(headers.clone()).await?;
        // Uploads may be sent to a store of files at another host, which must not learn who we are.
        let ours = answer
            .url()
            .as_str()
            .starts_with(&format!("{}/", self.base));
        if answer.status() != StatusCode::UNAUTHORIZED || !ours {
            return Ok(answer);
        }
        let asked = answer
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let Some(value) = self
            .authorise(asked.filter_map(Challenge::parse).next(), actions)
            .await?
        else {
            return Ok(answer);
        };
        headers.insert(AUTHORIZATION, value);
        send(headers).await
    }

    /// The header that answers a challenge; `None` when we have nothing to answer with.
    async fn authorise(
        &self,
        challenge: Option<Challenge>,
        actions: &str,
    ) -> reqwest::Result<Option<http::HeaderValue>> {
        let text = match challenge {
            Some(Challenge::Bearer { realm, service }) => {
                match self.token(&realm, &service, actions).await? {
                    Some(token) => format!("Bearer {}", token.expose_secret()),
                    None => return Ok(None),
                }
            }
            Some(Challenge::Basic) => match &self.login {
                Some(login) => {
                    use base64::Engine as _;
                    let pair = format!("{}:{}", login.username, login.secret.expose_secret());
                    format!(
                        "Basic {}",
                        base64::engine::general_purpose::STANDARD.encode(pair)
                    )
                }
                None => return Ok(None),
            },
            None => return Ok(None),
        };
        let value = http::HeaderValue::from_str(&text).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Ok(value)
    }

    async fn token(
        &self,
        realm: &str,
        service: &str,
        actions: &str,
    ) -> reqwest::Result<Option<SecretString>> {
        let scope = format!("repository:{}:{actions}", self.reference.path());
        let request = match &self.login {
            Some(login) if login.identity_token => self.client.post(realm).form(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", login.secret.expose_secret()),
                ("service", service),
                ("scope", &scope),
                ("client_id", "ml-deploy"),
            ]),
            Some(login) => self
                .client
                .get(realm)
                .query(&[
                    ("service", service),
                    ("scope", &scope),
                    ("account", &login.username),
                ])
                .basic_auth(&login.username, Some(login.secret.expose_secret())),
            None => self
                .client
                .get(realm)
                .query(&[("service", service), ("scope", &scope)]),
        };
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let token: Token = answer.json().await?;
        let text = if token.token.is_empty() {
            token.access_token
        } else {
            token.token
        };
        Ok((!text.is_empty()).then(|| text.into()))
    }

    /// The answer, if it is a success.
    pub(super) fn succeeded(&self, answer: Response, tried: &str) -> Outcome<Response> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let what = format!("failed to {tried} `{}`", self.reference.repository());
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => denied(
                Code::RegistryDenied,
                &what,
                self.reference.host(),
                self.login.as_ref(),
            ),
            StatusCode::NOT_FOUND => Diagnostic::error(
                Code::RegistryDenied,
                format!("{what}: the registry does not know it (404)"),
            )
            .help(super::make(self.reference)),
            _ => Diagnostic::error(
                Code::RegistryUnreachable,
                format!("{what}: the registry answers {status}"),
            ),
        }
        .into())
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Diagnostic {
        unreachable(self.reference.host(), error)
    }
}

/// Registries on this machine are asked without TLS, as the engine does.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked_without_tls() {
        assert!(is_local("127.0.0.1:5001") && is_local("localhost:5000") && is_local("127.3.0.1"));
        assert!(!is_local("registry.test:5003") && !is_local("10.0.0.1:5000"));
    }
}
