//! Who we are at Azure: which of the known kinds of identity there is, and its tokens. One token a scope, kept until shortly
//! before it ends, hidden the moment it exists.
//! Sources: learn.microsoft.com "OAuth 2.0 client credentials flow", azure-sdk `DefaultAzureCredential` (the order).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;

use super::super::Surroundings;
use super::super::environment::Environment;
use super::super::kept::{Fresh, Kept};
use super::super::oidc::{Claims, JobIdentity, JobToken};
use super::denial::{Asker, Proof, denied};
use super::managed::{self, Managed};
use super::sovereign::Endpoints;
use crate::cloud::spec::{AzureIdentity, AzureSpec, may_carry_secrets};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// The kinds of identity.
#[derive(Clone, Debug)]
enum Who {
    /// An application and its proof.
    Application {
        client_id: String,
        tenant_id: String,
        by: By,
    },
    /// What Azure gives the machine that we run on.
    Managed(Managed),
}

/// How an application proves that it is it.
#[derive(Clone, Debug)]
enum By {
    Secret {
        secret: SecretString,
        place: &'static str,
    },
    /// The job's own token.
    Job,
    /// A token in a file, which somebody renews: workload identity of a pod.
    File(String),
}

/// The identity and its tokens. Cheap to clone.
#[derive(Clone)]
pub(super) struct Identity(Arc<Inner>);

struct Inner {
    who: Who,
    named: bool,
    endpoints: Endpoints,
    around: Surroundings,
    tokens: Mutex<BTreeMap<String, Arc<Kept<SecretString>>>>,
}

impl Identity {
    pub(super) fn new(spec: &AzureSpec, around: Surroundings) -> Self {
        Self(Arc::new(Inner {
            who: who(spec, &around),
            named: spec.identity.is_some(),
            endpoints: Endpoints::new(spec, &around.environment),
            around,
            tokens: Mutex::default(),
        }))
    }

    pub(super) fn endpoints(&self) -> &Endpoints {
        &self.0.endpoints
    }

    /// Whether the inputs name it.
    pub(super) fn is_named(&self) -> bool {
        self.0.named
    }

    /// Whether it is only a guess that there is one: a machine of Azure may have an identity or not.
    pub(super) fn is_guess(&self) -> bool {
        matches!(&self.0.who, Who::Managed(managed) if managed.is_guess())
    }

    /// The tenant, where it is known.
    pub(super) fn tenant(&self) -> Option<&str> {
        match &self.0.who {
            Who::Application { tenant_id, .. } => Some(tenant_id),
            Who::Managed(_) => None,
        }
    }

    /// What `--assignee` of `az role assignment create` takes.
    pub(super) fn assignee(&self) -> &str {
        match &self.0.who {
            Who::Application { client_id, .. } => client_id,
            Who::Managed(managed) => managed.client_id().unwrap_or("PRINCIPAL-ID"),
        }
    }

    /// A token for the scope. `what` is it for, in words, for the log.
    ///
    /// # Errors
    /// `CloudIdentity`, `CloudDenied`, `CloudUnreachable`.
    pub(super) async fn token(&self, scope: &str, what: &str) -> Outcome<SecretString> {
        let kept = {
            let mut tokens = self.0.tokens.lock().await;
            let new = || {
                let voice = self.0.around.voice.clone();
                Arc::new(Kept::new(format!("Azure token for {what}"), voice))
            };
            tokens.entry(scope.to_owned()).or_insert_with(new).clone()
        };
        kept.get(async || self.0.fresh(scope).await).await
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.who {
            Who::Application { client_id, .. } => write!(f, "Azure's application `{client_id}`"),
            Who::Managed(managed) => match managed.client_id() {
                Some(client_id) => write!(f, "Azure's managed identity `{client_id}`"),
                None => f.write_str("Azure's managed identity of this machine"),
            },
        }
    }
}

/// The first that there is: of the inputs, of the variables, of the machine.
fn who(spec: &AzureSpec, around: &Surroundings) -> Who {
    let env = &around.environment;
    let file = env.get("AZURE_FEDERATED_TOKEN_FILE").map(str::to_owned);
    let job = match &*around.job {
        JobIdentity::Asked { .. } => true,
        JobIdentity::Given(tokens) => !tokens.is_empty(),
        JobIdentity::NotAllowed | JobIdentity::None => false,
    };
    let federated = |client_id: String, tenant_id: String| Who::Application {
        client_id,
        tenant_id,
        by: match file.clone() {
            Some(file) if !job => By::File(file),
            _ => By::Job,
        },
    };
    match spec.identity.clone() {
        Some(AzureIdentity::Secret {
            client_id,
            tenant_id,
            secret,
        }) => Who::Application {
            client_id,
            tenant_id,
            by: By::Secret {
                secret,
                place: "input `creds`",
            },
        },
        Some(AzureIdentity::Federated {
            client_id,
            tenant_id,
        }) => federated(client_id, tenant_id),
        None => of_variables(env, file, job).unwrap_or_else(|| Who::Managed(Managed::new(env))),
    }
}

/// An identity that Azure's own libraries would find in the variables.
fn of_variables(env: &Environment, file: Option<String>, job: bool) -> Option<Who> {
    let client_id = env.get("AZURE_CLIENT_ID")?.to_owned();
    let tenant_id = env.get("AZURE_TENANT_ID")?.to_owned();
    let by = match (env.secret("AZURE_CLIENT_SECRET"), file) {
        (Some(secret), _) => By::Secret {
            secret,
            place: "AZURE_CLIENT_SECRET",
        },
        (None, Some(file)) => By::File(file),
        (None, None) if job => By::Job,
        (None, None) => return None,
    };
    Some(Who::Application {
        client_id,
        tenant_id,
        by,
    })
}

impl Inner {
    async fn fresh(&self, scope: &str) -> Outcome<Fresh<SecretString>> {
        let answer = match &self.who {
            Who::Managed(managed) => managed.ask(&self.around, scope).await?,
            Who::Application {
                client_id,
                tenant_id,
                by,
            } => self.ask(client_id, tenant_id, by, scope).await?,
        };
        let Some(text) = answer.get("access_token").and_then(Value::as_str) else {
            return Err(Failure::new(
                Code::CloudIdentity,
                "failed to get a token from Azure: its answer holds none",
            ));
        };
        let value = SecretString::from(text);
        self.around.voice.mask(&value).await;
        let life = managed::life(&answer).or(Some(Duration::from_secs(3600)));
        Ok(Fresh { value, life })
    }

    /// Asks the authority in the name of an application.
    async fn ask(&self, client_id: &str, tenant_id: &str, by: &By, scope: &str) -> Outcome<Value> {
        let authority = &self.endpoints.authority;
        if !may_carry_secrets(authority) {
            return Err(Failure::new(
                Code::CloudIdentity,
                format!(
                    "failed to log in to Azure: AZURE_AUTHORITY_HOST is `{authority}`, which is no https:// URL, and a secret would be sent there readably"
                ),
            ));
        }
        let (proof, fields) = self.proof(by).await?;
        let mut form = vec![
            ("client_id", client_id),
            ("scope", scope),
            ("grant_type", "client_credentials"),
        ];
        form.extend(
            fields
                .iter()
                .map(|(name, value)| (*name, value.expose_secret())),
        );
        let request: RequestBuilder = self
            .around
            .http
            .client()
            .post(format!("{authority}/{tenant_id}/oauth2/v2.0/token"))
            .form(&form);
        let tried = format!("get a token from Azure at `{authority}`");
        let answer = self.around.http.send(&tried, request).await?;
        if answer.status.is_success() {
            return Ok(answer.json());
        }
        let asker = Asker {
            client_id: client_id.to_owned(),
            tenant_id: tenant_id.to_owned(),
            proof,
        };
        Err(denied(&asker, answer.status.as_u16(), &answer.json()))
    }

    /// What proves it, for messages, and the fields that carry it.
    async fn proof(&self, by: &By) -> Outcome<(Proof, Vec<(&'static str, SecretString)>)> {
        let token = match by {
            By::Secret { secret, place } => {
                self.around.voice.mask(secret).await;
                return Ok((
                    Proof::Secret(place),
                    vec![("client_secret", secret.clone())],
                ));
            }
            By::Job => {
                let Surroundings {
                    http, voice, job, ..
                } = &self.around;
                job.token(self.endpoints.audience, http, voice).await?
            }
            By::File(path) => {
                let token = read(path).await?;
                self.around.voice.mask(&token.secret).await;
                token
            }
        };
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields = vec![
            ("client_assertion_type", kind.into()),
            ("client_assertion", token.secret),
        ];
        Ok((Proof::Assertion(token.claims), fields))
    }
}

/// The token in the file, which is read each time because it is renewed there.
async fn read(path: &str) -> Outcome<JobToken> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| {
        Failure::new(
            Code::CloudIdentity,
            format!("failed to read the token of AZURE_FEDERATED_TOKEN_FILE, `{path}`: {error}"),
        )
        .help("the pod needs the label `azure.workload.identity/use: \"true\"` and a service account with the client's ID")
    })?;
    let claims = Claims::of(text.trim()).unwrap_or_default();
    Ok(JobToken {
        secret: text.trim().into(),
        claims,
    })
}
