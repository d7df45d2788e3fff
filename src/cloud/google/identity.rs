//! Who we are at Google: which of the known kinds of identity there is. Its token is kept until shortly before it ends.
//! Source of the order: google.aip.dev/auth/4110, after what the inputs name.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::super::Surroundings;
use super::super::environment::Environment;
use super::super::kept::Kept;
use super::endpoints::{endpoint, universe};
use super::exchange::Exchanger;
use super::metadata::Metadata;
use super::token::{Who, fresh, job_audience};
use crate::cloud::spec::{GoogleCredentials, GoogleIdentity, GoogleKind, GoogleSpec};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Variables that name a file of credentials: of Google's libraries, of gcloud, of google-github-actions/auth.
const FILES: &[&str] = &[
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "GOOGLE_GHA_CREDS_PATH",
];
/// Variables that name a project.
const PROJECTS: &[&str] = &[
    "GOOGLE_CLOUD_PROJECT",
    "CLOUDSDK_CORE_PROJECT",
    "GCLOUD_PROJECT",
    "GCP_PROJECT",
];

/// The identity and its token. Cheap to clone.
#[derive(Clone)]
pub(super) struct Identity(Arc<Inner>);

struct Inner {
    spec: GoogleSpec,
    around: Surroundings,
    who: OnceCell<Who>,
    token: Kept<SecretString>,
    /// For messages, once it is known: asking may be a request.
    account: OnceCell<String>,
    member: OnceCell<String>,
}

impl Identity {
    pub(super) fn new(spec: GoogleSpec, around: Surroundings) -> Self {
        Self(Arc::new(Inner {
            token: Kept::new("access token of Google", around.voice.clone()),
            spec,
            around,
            who: OnceCell::new(),
            account: OnceCell::new(),
            member: OnceCell::new(),
        }))
    }

    /// Whether the inputs name it.
    pub(super) fn is_named(&self) -> bool {
        self.0.spec.identity.is_some()
    }

    /// Whether nothing says that there is one.
    pub(super) async fn is_guess(&self) -> bool {
        matches!(self.0.who().await, Ok(Who::Machine(metadata)) if metadata.is_guess)
    }

    /// A token that is good now.
    ///
    /// # Errors
    /// `CloudIdentity`, `CloudDenied`, `CloudUnreachable`.
    pub(super) async fn token(&self) -> Outcome<SecretString> {
        let inner = &self.0;
        let make = async || fresh(&inner.around, inner.who().await?).await;
        inner.token.get(make).await
    }

    /// Domain of Google's services for it.
    pub(super) async fn universe(&self) -> Outcome<String> {
        Ok(match self.0.who().await? {
            Who::Credentials { credentials, .. } => credentials.universe.clone(),
            Who::Job { .. } | Who::Machine(_) => universe(&self.0.around.environment).to_owned(),
        })
    }

    /// The project of the identity, when anything names one.
    pub(super) async fn project(&self) -> Outcome<Option<String>> {
        if let Some(project) = &self.0.spec.project {
            return Ok(Some(project.clone()));
        }
        let who = self.0.who().await?;
        if let Who::Credentials { credentials, .. } = who
            && let Some(project) = &credentials.project
        {
            return Ok(Some(project.clone()));
        }
        let env = &self.0.around.environment;
        if let Some(project) = PROJECTS.iter().find_map(|name| env.get(name)) {
            return Ok(Some(project.to_owned()));
        }
        if let Who::Machine(metadata) = who {
            let around = &self.0.around;
            return Ok(metadata.word(around, "project/project-id").await);
        }
        let account = self.account().await;
        let domain = account.as_deref().and_then(|email| email.split_once('@'));
        let project =
            domain.and_then(|(_, domain)| domain.strip_suffix(".iam.gserviceaccount.com"));
        Ok(project.map(str::to_owned))
    }

    /// How Google's policies call it: `serviceAccount:…`, `principal://…`; `None` when it does not tell.
    pub(super) async fn member(&self) -> Option<String> {
        let find = async || self.find_member().await.ok_or(());
        self.0.member.get_or_try_init(find).await.ok().cloned()
    }

    async fn find_member(&self) -> Option<String> {
        if let Some(email) = self.account().await {
            return Some(format!("serviceAccount:{email}"));
        }
        let (Who::Job { exchanger, .. }, job) = (self.0.who().await.ok()?, &self.0.around.job)
        else {
            return None;
        };
        let audience = job_audience(exchanger);
        let around = &self.0.around;
        let token = job
            .token(&audience, &around.http, &around.voice)
            .await
            .ok()?;
        Some(super::denial::member(&exchanger.audience, &token.claims))
    }

    /// E-mail address of the service account.
    async fn account(&self) -> Option<String> {
        let find = async || self.find_account().await.ok_or(());
        self.0.account.get_or_try_init(find).await.ok().cloned()
    }

    async fn find_account(&self) -> Option<String> {
        match self.0.who().await.ok()? {
            Who::Credentials { credentials, .. } => match &credentials.kind {
                GoogleKind::ServiceAccount { email, .. } => Some(email.clone()),
                GoogleKind::External(external) => {
                    Exchanger::from(external).account().map(str::to_owned)
                }
                GoogleKind::User { .. } => None,
            },
            Who::Job { exchanger, .. } => exchanger.account().map(str::to_owned),
            Who::Machine(metadata) => {
                let path = "instance/service-accounts/default/email";
                metadata.word(&self.0.around, path).await
            }
        }
    }

    /// Who it is, for messages.
    pub(super) async fn name(&self) -> String {
        if let Some(email) = self.account().await {
            return format!("Google's service account `{email}`");
        }
        match self.0.who().await {
            Ok(Who::Job { provider, .. }) => {
                format!("the job, which `{provider}` of Google trusts")
            }
            Ok(Who::Credentials { place, .. }) => format!("the Google account of {place}"),
            _ => "this machine's account at Google".to_owned(),
        }
    }
}

impl Inner {
    async fn who(&self) -> Outcome<&Who> {
        self.who.get_or_try_init(|| self.find()).await
    }

    /// The first that there is: of the inputs, of a file that a variable names, of gcloud, of the machine.
    async fn find(&self) -> Outcome<Who> {
        let env = &self.around.environment;
        match self.spec.identity.clone() {
            Some(GoogleIdentity::Credentials(credentials)) => {
                return Ok(Who::Credentials {
                    credentials,
                    place: "input `credentials-json`".to_owned(),
                });
            }
            Some(GoogleIdentity::Federated {
                provider,
                service_account,
            }) => return job(env, provider, service_account.as_deref()),
            None => {}
        }
        if let Some((name, path)) = FILES.iter().find_map(|name| Some((*name, env.get(name)?))) {
            let place = format!("{name}, `{path}`");
            let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                Failure::new(
                    Code::CloudIdentity,
                    format!("failed to read the credentials of {place}: {error}"),
                )
                .help(
                    "the variable must name a file that is here; in a container it must be mounted",
                )
            })?;
            return self.read(text, place).await;
        }
        if let Some(path) = of_gcloud(env)
            && let Ok(text) = tokio::fs::read_to_string(&path).await
        {
            return self
                .read(text, format!("gcloud, `{}`", path.display()))
                .await;
        }
        Ok(Who::Machine(Metadata::new(env)))
    }

    async fn read(&self, text: String, place: String) -> Outcome<Who> {
        let credentials = GoogleCredentials::read(&text.into()).map_err(|why| {
            Failure::new(
                Code::CloudIdentity,
                format!("failed to log in to Google: the file of {place} {why}"),
            )
        })?;
        for secret in credentials.secrets() {
            self.around.voice.mask(&secret).await;
        }
        Ok(Who::Credentials {
            credentials: Box::new(credentials),
            place,
        })
    }
}

/// The exchange of a job's own token.
fn job(env: &Environment, provider: String, account: Option<&str>) -> Outcome<Who> {
    let domain = universe(env);
    let impersonation_url = match account {
        None => None,
        Some(account) => Some(format!(
            "{}/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
            endpoint(env, "iamcredentials", domain)?
        )),
    };
    let exchanger = Exchanger {
        // The name is the same in every universe.
        audience: format!("//iam.googleapis.com/{provider}"),
        token_type: "urn:ietf:params:oauth:token-type:jwt".to_owned(),
        token_url: format!("{}/v1/token", endpoint(env, "sts", domain)?),
        impersonation_url,
    };
    Ok(Who::Job {
        provider,
        exchanger,
    })
}

/// Where gcloud keeps what `gcloud auth application-default login` was told.
fn of_gcloud(env: &Environment) -> Option<PathBuf> {
    let folder = match env.get("CLOUDSDK_CONFIG") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env.get("HOME")?).join(".config/gcloud"),
    };
    Some(folder.join("application_default_credentials.json"))
}
