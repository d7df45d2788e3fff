//! The job's own identity: a token that the place signs for one audience, in exchange for which a cloud gives its own.
//! Sources: docs.github.com "OpenID Connect reference", docs.gitlab.com `ci/yaml#id_tokens`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::environment::Environment;
use super::http::Http;
use super::voice::Voice;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Ends of the names under which GitLab's `id_tokens` are looked for.
const GITLAB: &[&str] = &["ID_TOKEN", "OIDC_TOKEN"];

/// Where this job can have tokens from.
pub(super) enum JobIdentity {
    /// GitHub: every audience has a token for the asking.
    Asked { url: String, token: SecretString },
    /// GitLab: tokens made before the job began, one an audience.
    Given(Vec<JobToken>),
    /// A job of GitHub without `permissions: id-token: write`.
    NotAllowed,
    /// Anything else.
    None,
}

/// A token for one audience, and what stands in it.
#[derive(Clone, Debug)]
pub(super) struct JobToken {
    pub(super) secret: SecretString,
    pub(super) claims: Claims,
}

/// What a token says about the job, for messages: the token itself is never shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) subject: String,
    /// One, or several with `, ` between them.
    pub(super) audience: String,
    pub(super) issuer: String,
}

impl std::fmt::Display for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "subject `{}`, audience `{}`, issuer `{}`",
            self.subject, self.audience, self.issuer
        )
    }
}

impl JobIdentity {
    /// Looks at the variables of the place.
    pub(super) fn new(environment: &Environment) -> Self {
        let url = environment.get("ACTIONS_ID_TOKEN_REQUEST_URL");
        let token = environment.secret("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
        if let (Some(url), Some(token)) = (url, token) {
            let url = url.to_owned();
            return Self::Asked { url, token };
        }
        if environment.get("GITHUB_ACTIONS").is_some() {
            return Self::NotAllowed;
        }
        if environment.get("GITLAB_CI").is_none() {
            return Self::None;
        }
        let named = GITLAB.iter().flat_map(|end| environment.ending(end));
        let tokens = named.filter_map(|(_, secret)| {
            let claims = Claims::of(secret.expose_secret())?;
            let secret = secret.clone();
            Some(JobToken { secret, claims })
        });
        Self::Given(tokens.collect())
    }

    /// A token for the audience. On GitLab the one that was made for it, else the only one there is: the cloud then says what
    /// it thinks of its audience.
    ///
    /// # Errors
    /// `CloudIdentity`, with what to add to the job; `CloudUnreachable`.
    pub(super) async fn token(
        &self,
        audience: &str,
        http: &Http,
        voice: &Voice,
    ) -> Outcome<JobToken> {
        let failed = "failed to get the job's identity token";
        match self {
            Self::Asked { url, token } => {
                let tried = "get the job's identity token from the runner";
                let request = http
                    .client()
                    .get(url)
                    .query(&[("audience", audience)])
                    .bearer_auth(token.expose_secret());
                let answer = http.send(tried, request).await?;
                let value = answer.json();
                let Some(text) = value.get("value").and_then(Value::as_str) else {
                    return Err(Failure::new(
                        Code::CloudIdentity,
                        format!("{failed}: the runner answers {}", answer.status),
                    )
                    .help("give the job `permissions: id-token: write`"));
                };
                let secret = SecretString::from(text);
                voice.mask(&secret).await;
                let claims = Claims::of(text).unwrap_or_default();
                Ok(JobToken { secret, claims })
            }
            Self::Given(tokens) => {
                let made_for = tokens
                    .iter()
                    .find(|token| token.claims.audiences().any(|one| one == audience));
                let token = match (made_for, tokens.as_slice()) {
                    (Some(token), _) | (None, [token]) => token.clone(),
                    (None, tokens) => {
                        let why = if tokens.is_empty() {
                            "the job has none".to_owned()
                        } else {
                            let known = tokens.iter();
                            let known = known.map(|token| format!("`{}`", token.claims.audience));
                            let known = known.collect::<Vec<_>>().join(", ");
                            format!("the job's are for {known}, not for `{audience}`")
                        };
                        return Err(Failure::new(
                            Code::CloudIdentity,
                            format!("{failed}: {why}"),
                        )
                        .help(format!(
                            "add to the job `id_tokens: {{ML_DEPLOY_ID_TOKEN: {{aud: {audience}}}}}`"
                        )));
                    }
                };
                voice.mask(&token.secret).await;
                Ok(token)
            }
            Self::NotAllowed => Err(Failure::new(
                Code::CloudIdentity,
                format!("{failed}: the job may not have one"),
            )
            .help("give the job `permissions: id-token: write`; runs from forks cannot have it")),
            Self::None => Err(Failure::new(
                Code::CloudIdentity,
                format!("{failed}: only jobs of GitHub and GitLab have one"),
            )
            .help("here, give a key in its place: `aws-access-key-id`, `creds` for Azure, `credentials-json` for Google")),
        }
    }
}

impl Claims {
    fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audience.split(", ")
    }

    /// Reads what a token says, without judging its signature: that is the cloud's business. `None` for what is no such token.
    pub(super) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let claims: Value = serde_json::from_slice(&bytes).ok()?;
        let text = |name: &str| {
            let value = claims.get(name).unwrap_or(&Value::Null);
            // An audience may be a list.
            let several = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            let several = several.iter().filter_map(Value::as_str);
            several.collect::<Vec<_>>().join(", ")
        };
        Some(Self {
            subject: text("sub"),
            audience: text("aud"),
            issuer: text("iss"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(audience: impl Into<Value>) -> String {
        let audience: Value = audience.into();
        let payload = json!({"sub": "project_path:o/n:ref_type:branch:ref:main", "aud": audience, "iss": "https://gitlab.example"});
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    fn job(variables: &[(&str, &str)]) -> JobIdentity {
        let variables: Vec<_> = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        JobIdentity::new(&Environment::new(&variables))
    }

    async fn ask(job: &JobIdentity, audience: &str) -> Outcome<JobToken> {
        let voice = Voice::default();
        job.token(audience, &Http::new(voice.clone()), &voice).await
    }

    #[tokio::test]
    async fn gitlab_tokens_are_chosen_by_their_audience() {
        let (aws, other) = (token("sts.amazonaws.com"), token("https://gitlab.example"));
        let both = job(&[
            ("GITLAB_CI", "true"),
            ("AWS_ID_TOKEN", &aws),
            ("GITLAB_OIDC_TOKEN", &other),
            ("MY_ID_TOKEN", "no token at all"),
        ]);
        let found = ask(&both, "sts.amazonaws.com").await.unwrap();
        assert_eq!(found.secret.expose_secret(), aws);
        let failure = ask(&both, "api://AzureADTokenExchange").await.unwrap_err();
        let finding = failure.findings().next().unwrap();
        assert!(
            finding.message.contains("`sts.amazonaws.com`"),
            "{failure:?}"
        );
        assert!(finding.advice().contains("aud: api://AzureADTokenExchange"));
        // One token may be for several.
        let several = token(json!([
            "https://vault.example",
            "api://AzureADTokenExchange"
        ]));
        let third = ("VAULT_ID_TOKEN", several.as_str());
        let job_of_three = job(&[
            ("GITLAB_CI", "true"),
            ("AWS_ID_TOKEN", &aws),
            ("GITLAB_OIDC_TOKEN", &other),
            third,
        ]);
        let found = ask(&job_of_three, "api://AzureADTokenExchange").await;
        assert_eq!(found.unwrap().secret.expose_secret(), several);
        let one = job(&[("GITLAB_CI", "true"), ("GITLAB_OIDC_TOKEN", &other)]);
        assert!(ask(&one, "sts.amazonaws.com").await.is_ok());
    }

    #[tokio::test]
    async fn who_has_none_is_told_what_to_add() {
        for (variables, help) in [
            (&[("GITHUB_ACTIONS", "true")][..], "id-token: write"),
            (&[("GITLAB_CI", "true")], "id_tokens"),
            (&[], "give a key in its place"),
        ] {
            let failure = ask(&job(variables), "a").await.unwrap_err();
            assert_eq!(failure.code(), Code::CloudIdentity);
            let finding = failure.findings().next().unwrap();
            assert!(finding.advice().contains(help), "{finding:?}");
        }
    }

    #[test]
    fn claims_are_read_from_the_middle_part() {
        let claims = Claims::of(&token("a")).unwrap();
        assert_eq!(claims.audience, "a");
        assert!(claims.to_string().starts_with("subject `project_path:o/n"));
        assert_eq!(Claims::of("a.b"), None);
    }
}
