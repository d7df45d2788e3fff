//! Tokens for tokens: somebody else's token for one of Google, and that for one of a service account.
//! Sources: cloud.google.com/iam/docs/reference/sts/rest, cloud.google.com/iam/docs/reference/credentials/rest.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::super::Surroundings;
use super::super::oidc::{Claims, JobToken};
use super::denial::{Exchange, denied_exchange, denied_impersonation};
use super::jwt::SCOPE;
use crate::cloud::spec::{GoogleExternal, GooglePlace, GoogleSource};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How long a service account's token is asked for.
const LIFE: &str = "3600s";

/// Where a token is exchanged, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Exchanger {
    /// `//iam.googleapis.com/projects/…/providers/…`.
    pub(super) audience: String,
    pub(super) token_type: String,
    pub(super) token_url: String,
    pub(super) impersonation_url: Option<String>,
}

impl From<&GoogleExternal> for Exchanger {
    fn from(external: &GoogleExternal) -> Self {
        Self {
            audience: external.audience.clone(),
            token_type: external.token_type.clone(),
            token_url: external.token_url.clone(),
            impersonation_url: external.impersonation_url.clone(),
        }
    }
}

impl Exchanger {
    /// The service account whose token comes out.
    pub(super) fn account(&self) -> Option<&str> {
        let (_, rest) = self
            .impersonation_url
            .as_deref()?
            .rsplit_once("/serviceAccounts/")?;
        rest.split(':').next()
    }

    /// Exchanges a token; the answer holds one of Google.
    ///
    /// # Errors
    /// `CloudDenied` with what stands in the token, `CloudUnreachable`.
    pub(super) async fn exchange(
        &self,
        around: &Surroundings,
        subject: &JobToken,
    ) -> Outcome<Value> {
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", &self.audience),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", subject.secret.expose_secret()),
            ("subject_token_type", &self.token_type),
        ];
        let request = around.http.client().post(&self.token_url).form(&form);
        let tried = "exchange the job's identity token at Google";
        let answer = around.http.send(tried, request).await?;
        let body = answer.json();
        let asked = Exchange {
            audience: &self.audience,
            account: self.account(),
            claims: &subject.claims,
        };
        if !answer.status.is_success() {
            return Err(denied_exchange(&asked, answer.status.as_u16(), &body));
        }
        let Some(url) = &self.impersonation_url else {
            return Ok(body);
        };
        let Some(federated) = body.get("access_token").and_then(Value::as_str) else {
            return Ok(body);
        };
        let federated = SecretString::from(federated);
        around.voice.mask(&federated).await;
        let request = around
            .http
            .client()
            .post(url)
            .bearer_auth(federated.expose_secret())
            .json(&json!({"scope": [SCOPE], "lifetime": LIFE}));
        let tried = format!(
            "get a token of Google's service account `{}`",
            self.account().unwrap_or("?")
        );
        let answer = around.http.send(&tried, request).await?;
        if answer.status.is_success() {
            return Ok(answer.json());
        }
        let status = answer.status.as_u16();
        Err(denied_impersonation(&asked, status, &answer.json()))
    }
}

/// The token that a file of credentials says is to be exchanged; read anew each time, because it is renewed there.
///
/// # Errors
/// `CloudIdentity` when it is not there.
pub(super) async fn subject(around: &Surroundings, source: &GoogleSource) -> Outcome<JobToken> {
    let text = match &source.place {
        GooglePlace::File(path) => {
            let read = tokio::fs::read_to_string(path).await;
            read.map_err(|error| {
                Failure::new(
                    Code::CloudIdentity,
                    format!("failed to read the token to exchange at Google, `{path}`: {error}"),
                )
                .help("the path stands in `credential_source` of the credentials; in a container it must be mounted")
            })?
        }
        GooglePlace::Url { url, headers } => {
            let tried = "get the token to exchange at Google from where the credentials say";
            let request = around
                .http
                .client()
                .get(url.expose_secret())
                .headers(of(headers));
            let answer = around.http.send(tried, request).await?;
            if !answer.status.is_success() {
                return Err(Failure::new(
                    Code::CloudIdentity,
                    format!("failed to {tried}: it answers {}", answer.status),
                )
                .help("the login of the step before has ended: set `workload-identity-provider` here instead, which asks for a token when one is needed"));
            }
            answer.text()
        }
    };
    let Some(secret) = source.token(&text) else {
        let field = source.field.as_deref().unwrap_or_default();
        return Err(Failure::new(
            Code::CloudIdentity,
            format!(
                "failed to find the token to exchange at Google: what the credentials point to is no JSON with `{field}`"
            ),
        ));
    };
    let claims = Claims::of(secret.expose_secret()).unwrap_or_default();
    around.voice.mask(&secret).await;
    Ok(JobToken { secret, claims })
}

fn of(headers: &[(String, SecretString)]) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        })
        .collect()
}
