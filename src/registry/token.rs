//! How we say who we are when a registry asks: at once with a password, or with a token of the service that it names.
//! Source: distribution `spec/auth/token`, `spec/auth/oauth`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::challenge::Challenge;
use super::refusal::Fault;
use super::{Credentials, Reference};
use crate::cloud::Clouds;
use crate::cloud::spec::may_carry_secrets;
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// What came of a question who we are.
pub(super) enum Asked {
    /// Goes with the request.
    Show(http::HeaderValue),
    /// The service of tokens refuses us, or is busy.
    Refused(Response),
    /// We have nothing to say.
    Nobody,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    /// Some give a longer one along, which we do not need.
    #[serde(default)]
    refresh_token: String,
}

/// Who we are, where.
pub(super) struct Identity<'a> {
    pub(super) client: &'a Client,
    /// Where the registry answers.
    pub(super) base: &'a Url,
    pub(super) reference: &'a Reference,
    pub(super) login: Option<&'a Credentials>,
    /// They hide the tokens that we are given.
    pub(super) clouds: Option<&'a Clouds>,
}

impl Identity<'_> {
    /// Answers the first of the challenges that we can; a token rather than a password, as the engine does.
    pub(super) async fn answer(
        &self,
        challenges: &[Challenge],
        actions: &str,
    ) -> Result<Asked, Fault> {
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer { realm, service } => Some((realm, service)),
            Challenge::Basic => None,
        });
        if let Some((realm, service)) = bearer {
            return self.token(realm, service, actions).await;
        }
        let basic = challenges.contains(&Challenge::Basic);
        Ok(match self.login.filter(|_| basic) {
            Some(login) => {
                let pair = format!("{}:{}", login.username, login.secret.expose_secret());
                show(&format!("Basic {}", STANDARD.encode(pair)).into())
            }
            None => Asked::Nobody,
        })
    }

    async fn token(&self, realm: &str, service: &str, actions: &str) -> Result<Asked, Fault> {
        let url = self.place(realm)?;
        let scope = format!("repository:{}:{actions}", self.reference.path());
        let known = [("service", service), ("scope", &scope)];
        let request = match self.login {
            Some(login) if login.identity_token => self.client.post(url).form(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", login.secret.expose_secret()),
                ("service", service),
                ("scope", &scope),
                ("client_id", "ml-deploy"),
            ]),
            Some(login) => self
                .client
                .get(url)
                .query(&known)
                .query(&[("account", &login.username)])
                .basic_auth(&login.username, Some(login.secret.expose_secret())),
            None => self.client.get(url).query(&known),
        };
        let answer = request.send().await?;
        let status = answer.status();
        let says_why = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            || status == StatusCode::TOO_MANY_REQUESTS
            || status.is_server_error();
        if !status.is_success() {
            // Whatever else it says is not about us: then the registry's own words tell more.
            return Ok(if says_why {
                Asked::Refused(answer)
            } else {
                Asked::Nobody
            });
        }
        let token: Token = answer.json().await?;
        if let Some(clouds) = self.clouds {
            for text in [&token.token, &token.access_token, &token.refresh_token] {
                clouds.mask(&text.as_str().into()).await;
            }
        }
        let text = if token.token.is_empty() {
            token.access_token
        } else {
            token.token
        };
        Ok(match text.as_str() {
            "" => Asked::Nobody,
            text => show(&format!("Bearer {text}").into()),
        })
    }

    /// Where tokens are had. A password is sent there, so it must not be readable on the way, unless it already is.
    fn place(&self, realm: &str) -> Result<Url, Fault> {
        let host = self.reference.host();
        let bad = |why: &str| {
            let what = format!(
                "failed to log in to registry `{host}`: it sends us for a token to `{realm}`, {why}"
            );
            let finding = Diagnostic::error(Code::RegistryDenied, what);
            let finding = finding.help("the registry's own configuration names that place (`realm` of its service of tokens, in Harbor `hostname` with `https`): let it be an https:// URL");
            Fault::Unsafe(Box::new(finding))
        };
        let url = self.base.join(realm).map_err(|_| bad("which is no URL"))?;
        let as_safe = self.base.scheme() != "https" || may_carry_secrets(url.as_str());
        if !as_safe && self.login.is_some() {
            return Err(bad("where anybody on the way could read the password"));
        }
        Ok(url)
    }
}

fn show(text: &SecretString) -> Asked {
    match http::HeaderValue::from_str(text.expose_secret()) {
        Ok(mut value) => {
            value.set_sensitive(true);
            Asked::Show(value)
        }
        Err(_) => Asked::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a registry leads us that names this realm; who has no login has nothing to lose.
    fn place(base: &str, realm: &str, has_login: bool) -> Option<String> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let (client, base) = (Client::new(), base.parse().unwrap());
        let reference = "r.example/team/wine".parse().unwrap();
        let login = Credentials {
            username: "u".to_owned(),
            secret: "s".into(),
            identity_token: false,
            origin: String::new(),
            right: None,
        };
        let identity = Identity {
            client: &client,
            base: &base,
            reference: &reference,
            login: has_login.then_some(&login),
            clouds: None,
        };
        match identity.place(realm) {
            Ok(url) => Some(url.to_string()),
            Err(Fault::Unsafe(finding)) => {
                assert!(finding.message.contains(realm) && finding.advice().contains("https://"));
                None
            }
            Err(Fault::Transport(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_password_goes_to_a_service_of_tokens_that_nobody_overhears() {
        let at = |base, realm| place(base, realm, true);
        let safe = "https://auth.example/token?x=1";
        assert_eq!(at("https://r.example", safe).as_deref(), Some(safe));
        // Behind the registry itself.
        let own = at("https://r.example:8443", "/service/token");
        assert_eq!(own.as_deref(), Some("https://r.example:8443/service/token"));
        assert!(at("https://r.example", "http://127.0.0.1:5/token").is_some());
        let open = "http://auth.example/token";
        assert_eq!(at("https://r.example", open), None);
        assert!(place("https://r.example", open, false).is_some());
        // The engine was told that nothing there has TLS.
        assert!(at("http://r.example", open).is_some());
    }
}
