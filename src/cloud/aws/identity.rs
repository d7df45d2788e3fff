//! Who we are at AWS: what the inputs name, else what the surroundings offer, in the order of AWS's own tools.
//! Source of that order: SDK reference guide, "Standardized credential providers".

use std::path::Path;

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::super::kept::Fresh;
use super::Aws;
use super::keys::Keys;
use super::profile::{Profiles, Way};
use super::sts;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

impl Aws {
    /// Keys that are good now.
    ///
    /// # Errors
    /// `CloudIdentity` with where was looked, `CloudDenied`, `CloudUnreachable`.
    pub(super) async fn keys(&self) -> Outcome<Keys> {
        self.keys
            .get(async || {
                let value = self.find().await?;
                let life = value.life();
                Ok(Fresh { value, life })
            })
            .await
    }

    /// Whether the inputs say who we are.
    pub(super) fn is_named(&self) -> bool {
        self.spec.role.is_some() || self.spec.keys.is_some()
    }

    /// The region: of the inputs, of the environment, of the profile.
    pub(super) fn region(&self) -> Option<String> {
        let get = |name: &str| self.around.environment.get(name);
        let told = self.spec.region.as_deref();
        let told = told.or(get("AWS_REGION")).or(get("AWS_DEFAULT_REGION"));
        told.map(str::to_owned).or_else(|| {
            let profiles = Profiles::read(&self.around.environment).ok()?;
            let region = profiles.get(self.profile().0, "region")?;
            Some(region.to_owned())
        })
    }

    /// The profile, and whether it was asked for.
    fn profile(&self) -> (&str, bool) {
        let get = |name: &str| self.around.environment.get(name);
        let asked = get("AWS_PROFILE").or(get("AWS_DEFAULT_PROFILE"));
        asked.map_or(("default", false), |name| (name, true))
    }

    async fn find(&self) -> Outcome<Keys> {
        let of_inputs = self.of_inputs();
        if let Some(role) = &self.spec.role {
            return match of_inputs {
                Some(keys) => self.with_keys(role, &keys, None, None).await,
                None => self.of_role(role).await,
            };
        }
        match of_inputs {
            Some(keys) => Ok(keys),
            None => self.of_surroundings().await?.ok_or_else(nobody),
        }
    }

    fn of_inputs(&self) -> Option<Keys> {
        let keys = self.spec.keys.as_ref()?;
        Some(Keys {
            id: keys.id.clone(),
            secret: keys.secret.clone(),
            session_token: keys.session_token.clone(),
            expires: None,
            origin: "the inputs".to_owned(),
        })
    }

    /// The role of the inputs: by the job's own token, else by what the surroundings offer.
    async fn of_role(&self, role: &str) -> Outcome<Keys> {
        let around = &self.around;
        let token = around
            .job
            .token(sts::audience(role), &around.http, &around.voice);
        let failure = match token.await {
            Ok(token) => return self.with_token(role, &token.secret, None).await,
            // A job that may have no token can still run on a machine with a role.
            Err(failure) if failure.code() == Code::CloudIdentity => failure,
            Err(failure) => return Err(failure),
        };
        match self.of_surroundings().await {
            Ok(Some(keys)) => self.with_keys(role, &keys, None, None).await,
            Ok(None) | Err(_) => Err(failure.also(format!(
                ", which the role `{role}` is taken with; the surroundings have no keys either"
            ))),
        }
    }

    /// What the environment, the shared files, the container or the machine offer; `None`: nothing.
    async fn of_surroundings(&self) -> Outcome<Option<Keys>> {
        if let Some(keys) = self.of_environment()? {
            return Ok(Some(keys));
        }
        let get = |name: &str| self.around.environment.get(name);
        if let (Some(file), Some(role)) = (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN"))
        {
            return self.by_file(role, Path::new(file), None).await.map(Some);
        }
        let (profile, asked) = self.profile();
        let unusable = |why: String| {
            Failure::new(Code::CloudIdentity, why)
                .help("correct AWS_PROFILE or the file, or name an identity in the inputs")
        };
        let profiles = Profiles::read(&self.around.environment).map_err(unusable)?;
        if let Some(way) = profiles.way(profile, asked).map_err(unusable)? {
            return self.by(way, profile).await.map(Some);
        }
        if let Some(keys) = self.of_container().await? {
            return Ok(Some(keys));
        }
        self.of_machine().await
    }

    fn of_environment(&self) -> Outcome<Option<Keys>> {
        let environment = &self.around.environment;
        let id = environment.get("AWS_ACCESS_KEY_ID");
        let (id, secret) = match (id, environment.secret("AWS_SECRET_ACCESS_KEY")) {
            (None, None) => return Ok(None),
            (Some(id), Some(secret)) => (id.to_owned(), secret),
            (id, _) => {
                let missing = match id {
                    Some(_) => "AWS_SECRET_ACCESS_KEY",
                    None => "AWS_ACCESS_KEY_ID",
                };
                return Err(Failure::new(
                    Code::CloudIdentity,
                    format!("failed to use the keys of the environment: {missing} is not set"),
                )
                .help(
                    "set both; a secret is empty on pull requests from forks and from Dependabot",
                ));
            }
        };
        Ok(Some(Keys {
            id,
            secret,
            session_token: environment.secret("AWS_SESSION_TOKEN"),
            expires: None,
            origin: "the environment".to_owned(),
        }))
    }

    /// Follows what a profile says.
    fn by<'a>(&'a self, way: Way, profile: &'a str) -> BoxFuture<'a, Outcome<Keys>> {
        let none = move |what: &str| {
            Failure::new(
                Code::CloudIdentity,
                format!("failed to use profile `{profile}`: {what} has no keys"),
            )
        };
        Box::pin(async move {
            match way {
                Way::Keys(keys) => {
                    keys.mask(&self.around.voice).await;
                    Ok(keys)
                }
                Way::WebIdentity {
                    role,
                    file,
                    session,
                } => self.by_file(&role, &file, session.as_deref()).await,
                Way::Role {
                    role,
                    external_id,
                    session,
                    from,
                } => {
                    let keys = self.by(*from, profile).await?;
                    self.with_keys(&role, &keys, external_id.as_deref(), session.as_deref())
                        .await
                }
                Way::Environment => self
                    .of_environment()?
                    .ok_or_else(|| none("the environment")),
                Way::Container => self
                    .of_container()
                    .await?
                    .ok_or_else(|| none("the container")),
                Way::Instance => self.of_machine().await?.ok_or_else(|| none("the machine")),
            }
        })
    }

    /// A role in exchange for the token in a file, which is read again each time: what is in it is changed.
    async fn by_file(&self, role: &str, file: &Path, session: Option<&str>) -> Outcome<Keys> {
        let text = fs_err::read_to_string(file).map_err(|error| {
            Failure::new(
                Code::CloudIdentity,
                format!("failed to take the role `{role}`: {error}"),
            )
            .help("correct AWS_WEB_IDENTITY_TOKEN_FILE, or the profile that names the file")
        })?;
        let token = SecretString::from(text.trim());
        self.around.voice.mask(&token).await;
        self.with_token(role, &token, session).await
    }
}

/// What to say when there is no identity at all.
fn nobody() -> Failure {
    Failure::new(
        Code::CloudIdentity,
        "failed to find an identity at AWS: none in the inputs, in the environment (AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE), in ~/.aws, of a container or of a machine",
    )
    .help("set `role-to-assume` and give the job `permissions: id-token: write` (GitHub) or `id_tokens` (GitLab), or set `aws-access-key-id` and `aws-secret-access-key`")
}
