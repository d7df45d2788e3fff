//! GitHub's REST interface as we use it: one client, and rules of our own for asking again. octocrab would repeat a request that
//! makes something without knowing whether it was made. It knows requests and answers, not what is reported.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::header::{ACCEPT, LOCATION};
use http::{Method, Uri};
use jiff::Timestamp;
use octocrab::Octocrab;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::trouble::{Next, Trouble, judge};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(20);
/// How often something is asked for that GitHub does not answer.
const TRIES: u32 = 4;
/// Redirects that are followed, as after a repository was renamed.
const REDIRECTS: u32 = 3;

/// One repository and who asks. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api {
    crab: Octocrab,
    base: Uri,
    /// `/repos/owner/name`.
    repository: String,
    /// When our patience is over.
    until: Instant,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Api").field(&self.repository).finish()
    }
}

impl Api {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// When one of the three cannot be right.
    pub(super) fn open(base: &str, repository: &str, token: &SecretString) -> anyhow::Result<Self> {
        let uri: Uri = base
            .parse()
            .ok()
            .filter(|uri: &Uri| uri.authority().is_some())
            .with_context(|| format!("`{base}` is no address of an interface"))?;
        let (owner, name) = repository.split_once('/').unwrap_or_default();
        let plain = |part: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.chars().all(fine)
        };
        ensure!(
            plain(owner) && plain(name),
            "`{repository}` is no repository"
        );
        let header = token.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        ensure!(header, "`github-token` holds what no token has");
        // Redirects are followed below: they must keep method and body, and the token must not leave the host.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(REQUEST)
            .build()?;
        let crab = Octocrab::builder()
            .base_uri(uri.clone())?
            .add_header(ACCEPT, "application/vnd.github+json".to_owned())
            .personal_token(token.clone())
            .build_with_reqwest(client)?;
        Ok(Self {
            crab,
            base: uri,
            repository: format!("/repos/{owner}/{name}"),
            until: Instant::now(),
        })
    }

    /// The same, with patience for this long from now on.
    pub(super) fn within(&self, time: Duration) -> Self {
        Self {
            until: Instant::now() + time,
            ..self.clone()
        }
    }

    /// Reads. `path` begins behind the repository, unless it begins with `/`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Trouble> {
        let path = self.path(path);
        let ask = async |limited| self.once(Method::GET, &path, None, limited).await;
        self.settled(ask, never).await
    }

    /// Changes what can be changed twice without harm.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.change(Method::PATCH, path, body, never).await
    }

    /// Makes something. When nobody knows whether it was made, `find` looks for it before it is tried again.
    pub(super) async fn post<F>(&self, path: &str, body: &Value, find: F) -> Result<Value, Trouble>
    where
        F: AsyncFn() -> Result<Option<Value>, Trouble>,
    {
        self.change(Method::POST, path, body, find).await
    }

    /// A change that must not be made twice: `find` tells whether it was made.
    pub(super) async fn change<F>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        find: F,
    ) -> Result<Value, Trouble>
    where
        F: AsyncFn() -> Result<Option<Value>, Trouble>,
    {
        let path = self.path(path);
        let ask = async |limited| self.once(method.clone(), &path, Some(body), limited).await;
        self.settled(ask, find).await
    }

    fn path(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        format!("{}/{path}", self.repository)
    }

    /// Asks until there is an answer that counts, or our patience is over.
    async fn settled<A, F>(&self, ask: A, find: F) -> Result<Value, Trouble>
    where
        A: AsyncFn(u32) -> Result<Value, Next>,
        F: AsyncFn() -> Result<Option<Value>, Trouble>,
    {
        let (mut limited, mut unanswered) = (0_u32, 0_u32);
        loop {
            let answer = timeout_at(self.until, ask(limited)).await;
            let late = || Next::Unknown("no answer in time".to_owned());
            let next = match answer.unwrap_or_else(|_| Err(late())) {
                Ok(value) => return Ok(value),
                Err(next) => next,
            };
            match next {
                Next::Leave(trouble) => return Err(trouble),
                Next::Wait(pause) => {
                    limited += 1;
                    if Instant::now() + pause >= self.until {
                        let seconds = pause.as_secs();
                        return Err(Trouble::Limited(format!(
                            "rate limit: GitHub lets this token wait for {seconds} s"
                        )));
                    }
                    sleep(pause).await;
                }
                Next::Unknown(why) => {
                    unanswered += 1;
                    let pause = Duration::from_secs(1 << unanswered.min(4)) / 2;
                    if unanswered >= TRIES || Instant::now() + pause >= self.until {
                        return Err(Trouble::Unanswered(why));
                    }
                    sleep(pause).await;
                    if let Some(value) = Box::pin(find()).await? {
                        return Ok(value);
                    }
                }
            }
        }
    }

    /// One request, redirects included; `limited` is how often a rate limit was met before.
    async fn once(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limited: u32,
    ) -> Result<Value, Next> {
        let unknown = |error: octocrab::Error| Next::Unknown(told(&error));
        let mut uri = path.to_owned();
        for _ in 0..=REDIRECTS {
            let request = http::request::Builder::new()
                .method(method.clone())
                .uri(&uri);
            let request = self.crab.build_request(request, body).map_err(unknown)?;
            let answer = self.crab.execute(request).await.map_err(unknown)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let text = self.crab.body_to_string(answer).await.map_err(unknown)?;
            let value: Option<Value> = serde_json::from_str(&text).ok();
            if status.is_success() {
                return value.ok_or_else(|| {
                    Next::Unknown(format!("{}: the answer is no JSON", status.as_u16()))
                });
            }
            if status.is_redirection()
                && let Some(to) = headers.get(LOCATION).and_then(|to| self.own(to))
            {
                uri = to;
                continue;
            }
            let message = value.as_ref().map_or_else(|| text.clone(), message);
            let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
            return Err(judge(status, &headers, &message, now, limited));
        }
        Err(Next::Leave(Trouble::Rejected {
            status: 301,
            why: "redirected again and again".to_owned(),
        }))
    }

    /// Where a redirect leads, as long as it stays with the host that the token is for.
    fn own(&self, to: &http::HeaderValue) -> Option<String> {
        let to: Uri = to.to_str().ok()?.parse().ok()?;
        let same = to.authority().is_none()
            || (to.scheme() == self.base.scheme() && to.authority() == self.base.authority());
        same.then(|| to.to_string())
    }
}

/// For requests that may simply be repeated.
async fn never() -> Result<Option<Value>, Trouble> {
    Ok(None)
}

/// An error with its causes, without backtraces.
fn told(error: &octocrab::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let line = error.to_string();
        let line = line.lines().next().unwrap_or_default();
        if !text.contains(line) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(line);
        }
        cause = error.source();
    }
    text
}

/// GitHub's own words, with what it says of each field.
fn message(answer: &Value) -> String {
    let mut text = answer["message"].as_str().unwrap_or_default().to_owned();
    for error in answer["errors"].as_array().into_iter().flatten() {
        let word = |name: &str| error[name].as_str().unwrap_or_default();
        let one = match (error.as_str(), word("message")) {
            (Some(plain), _) => plain.to_owned(),
            (None, "") => format!("{} {}", word("field"), word("code")),
            (None, message) => message.to_owned(),
        };
        text.push_str(&format!("; {one}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(base: &str, repository: &str, token: &str) -> anyhow::Result<Api> {
        drop(rustls::crypto::ring::default_provider().install_default());
        Api::open(base, repository, &SecretString::from(token))
    }

    #[tokio::test]
    async fn what_cannot_be_right_is_refused_before_anything_is_asked() {
        let base = "https://ghe.example/api/v3";
        assert!(open(base, "org/wine", "ghs_x").is_ok());
        for (base, repository, token) in [
            ("ghe.example/api", "org/wine", "t"),
            (base, "wine", "t"),
            (base, "org/wine/../../user", "t"),
            (base, "org/wine", "two\nlines"),
        ] {
            let error = open(base, repository, token).unwrap_err().to_string();
            assert!(!error.contains("two"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_token_stays_with_its_host() {
        let api = open("https://ghe.example/api/v3", "org/wine", "t").unwrap();
        let own = |to: &'static str| api.own(&http::HeaderValue::from_static(to));
        for to in [
            "https://ghe.example/api/v3/repositories/1",
            "/repositories/1",
        ] {
            assert_eq!(own(to).as_deref(), Some(to));
        }
        for to in [
            "https://evil.example/",
            "http://ghe.example/api/v3/repositories/1",
        ] {
            assert_eq!(own(to), None, "{to}");
        }
    }

    #[test]
    fn githubs_words_on_each_field_are_told() {
        let answer = serde_json::json!({
            "message": "Validation Failed",
            "errors": [{"field": "ref", "code": "invalid"}, {"message": "No ref found"}, "plain"],
        });
        assert_eq!(
            message(&answer),
            "Validation Failed; ref invalid; No ref found; plain"
        );
    }
}
