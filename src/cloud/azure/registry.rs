//! Logins of Azure's registries: a token of ours is exchanged for one of the registry's own, good for three hours.
//! Source: github.com/Azure/acr `docs/AAD-OAuth.md`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::WWW_AUTHENTICATE;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::super::kept::{Fresh, Kept};
use super::super::registry::Login;
use super::Azure;
use super::sovereign::{is_registry, registry_name};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// The name that goes with a refresh token: the registry knows by it that the password is one.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// How long a registry's token lives when it does not say so itself.
const LIFE: Duration = Duration::from_secs(3 * 3600);

/// A registry that was asked for: the login that is kept for it, or nothing when it is not Azure's.
pub(super) type Known = Option<Arc<Kept<SecretString>>>;

impl Azure {
    /// The login for a registry of Azure; see [`super::super::Clouds::registry`].
    ///
    /// # Errors
    /// Those of having a token; `CloudDenied` when the registry does not let us in.
    pub(in super::super) async fn registry(
        &self,
        host: &str,
        named: bool,
    ) -> Outcome<Option<Login>> {
        if named != self.identity.is_named() {
            return Ok(None);
        }
        let Some(kept) = self.known(host, named).await else {
            return Ok(None);
        };
        let secret = match kept.get(async || self.exchange(host).await).await {
            Ok(secret) => secret,
            // Most machines have no identity of their own, and many registries are open.
            Err(failure) if failure.code() == Code::CloudIdentity && self.identity.is_guess() => {
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        Ok(Some(Login {
            username: NOBODY.to_owned(),
            secret,
            identity_token: true,
            origin: self.identity.to_string(),
            right: Some(self.push_right(host)),
        }))
    }

    /// What is kept for the host; `None` when it is no registry of Azure.
    async fn known(&self, host: &str, named: bool) -> Known {
        let mut registries = self.registries.lock().await;
        if let Some(known) = registries.get(host) {
            return known.clone();
        }
        let ours =
            is_registry(host) || named && is_loopback(host) && self.asks_as_ours(host).await?;
        let kept = || {
            let what = format!("login for registry `{host}`");
            Arc::new(Kept::new(what, self.around.voice.clone()))
        };
        let known = ours.then(kept);
        registries.insert(host.to_owned(), known.clone());
        known
    }

    /// Whether a registry on this machine, which may stand for any, wants its tokens as Azure's do: from itself, at
    /// `/oauth2/token`. Elsewhere the name decides, so that no token of ours goes to a stranger. `None`: it does not answer.
    async fn asks_as_ours(&self, host: &str) -> Option<bool> {
        let request = self.around.http.client().get(format!("http://{host}/v2/"));
        let answer = self
            .around
            .http
            .send_at_most(1, "ask the registry how to log in", request)
            .await;
        let answer = answer.ok()?;
        let asked = answer.headers.get_all(WWW_AUTHENTICATE).iter();
        Some(
            asked
                .filter_map(|value| value.to_str().ok())
                .any(|value| is_ours(value, host)),
        )
    }

    async fn exchange(&self, host: &str) -> Outcome<Fresh<SecretString>> {
        let scope = self.identity.endpoints().registry_scope.clone();
        let token = self.identity.token(&scope, "registries").await?;
        let scheme = if is_loopback(host) { "http" } else { "https" };
        let mut form = vec![
            ("grant_type", "access_token"),
            ("service", host),
            ("access_token", token.expose_secret()),
        ];
        form.extend(self.identity.tenant().map(|tenant| ("tenant", tenant)));
        let request = self
            .around
            .http
            .client()
            .post(format!("{scheme}://{host}/oauth2/exchange"))
            .form(&form);
        let tried = format!("log in to registry `{host}` as {}", self.identity);
        let answer = self.around.http.send(&tried, request).await?;
        let body = answer.json();
        let Some(text) = body.get("refresh_token").and_then(Value::as_str) else {
            let said = body.pointer("/errors/0/message").and_then(Value::as_str);
            let why = if answer.status.is_success() {
                "its answer holds no token".to_owned()
            } else {
                format!("it answers {}", answer.status)
            };
            return Err(
                Failure::new(Code::CloudDenied, format!("failed to {tried}: {why}"))
                    .help(self.push_right(host))
                    .evidence(said.map(str::to_owned)),
            );
        };
        let value = SecretString::from(text);
        self.around.voice.mask(&value).await;
        Ok(Fresh {
            life: Some(life(text).unwrap_or(LIFE)),
            value,
        })
    }

    /// The line that gives the right to push.
    fn push_right(&self, host: &str) -> String {
        let name = registry_name(host);
        format!(
            "give the identity the role AcrPush: az role assignment create --assignee {} --role AcrPush --scope \"$(az acr show --name {name} --query id --output tsv)\"; a new assignment takes up to five minutes",
            self.identity.assignee()
        )
    }
}

/// `Bearer realm="https://HOST/oauth2/token",service="HOST"`, as only Azure's registries ask.
fn is_ours(challenge: &str, host: &str) -> bool {
    let of = |scheme: &str| format!("realm=\"{scheme}://{host}/oauth2/token\"");
    challenge.to_ascii_lowercase().starts_with("bearer ")
        && (challenge.contains(&of("https")) || challenge.contains(&of("http")))
        && challenge.contains(&format!("service=\"{host}\""))
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address = name.parse::<std::net::Ipv4Addr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// How long a token lives, by its own times: our clock may be wrong.
fn life(token: &str) -> Option<Duration> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&bytes).ok()?;
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    let made = time("iat").unwrap_or_else(|| jiff::Timestamp::now().as_second());
    u64::try_from(time("exp")?.checked_sub(made)?)
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_azures_registries_ask_like_this() {
        let host = "127.0.0.1:5000";
        let challenge = |realm: &str| format!(r#"Bearer realm="{realm}",service="{host}""#);
        assert!(is_ours(
            &challenge("http://127.0.0.1:5000/oauth2/token"),
            host
        ));
        assert!(!is_ours(
            &challenge("http://127.0.0.1:6000/oauth2/token"),
            host
        ));
        assert!(!is_ours(&challenge("http://127.0.0.1:5000/token"), host));
        assert!(!is_ours("Basic realm=\"x\"", host));
        assert!(is_loopback(host) && !is_loopback("wine.azurecr.io"));
    }

    #[test]
    fn the_life_of_a_login_stands_in_it() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iat":1700000000,"exp":1700011700}"#);
        let token = format!("e30.{payload}.c2ln");
        assert_eq!(life(&token), Some(Duration::from_secs(11700)));
        assert_eq!(life("opaque"), None);
    }
}
