//! What the inputs say of Google, and what stands in a file of its credentials, once it was read.
//! Sources: google.aip.dev/auth/4110 to 4117, and the files that google-github-actions/auth and gcloud write.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Google's public cloud.
pub(crate) const UNIVERSE: &str = "googleapis.com";

/// Who we are at Google.
#[derive(Clone, Debug, Default)]
pub(crate) struct GoogleSpec {
    /// `None`: what the surroundings offer.
    pub(crate) identity: Option<GoogleIdentity>,
    /// Project of what names none.
    pub(crate) project: Option<String>,
}

/// An identity that the inputs name.
#[derive(Clone, Debug)]
pub(crate) enum GoogleIdentity {
    Credentials(Box<GoogleCredentials>),
    /// The job's own token is exchanged.
    Federated {
        /// `projects/…/providers/…`.
        provider: String,
        service_account: Option<String>,
    },
}

/// A file of credentials.
#[derive(Clone, Debug)]
pub(crate) struct GoogleCredentials {
    pub(crate) kind: GoogleKind,
    pub(crate) project: Option<String>,
    /// Domain of the cloud's services.
    pub(crate) universe: String,
}

/// The kinds of files that are understood.
#[derive(Clone, Debug)]
pub(crate) enum GoogleKind {
    ServiceAccount {
        email: String,
        /// Name of the key, which the signature carries.
        key_id: Option<String>,
        /// PEM.
        key: SecretString,
        token_url: String,
    },
    /// A token of somebody else is exchanged.
    External(GoogleExternal),
    /// A person's, of `gcloud auth application-default login`.
    User {
        client_id: String,
        client_secret: SecretString,
        refresh_token: SecretString,
        token_url: String,
    },
}

/// Which token is exchanged, for whom, and where.
#[derive(Clone, Debug)]
pub(crate) struct GoogleExternal {
    /// `//iam.googleapis.com/projects/…/providers/…`.
    pub(crate) audience: String,
    /// Kind of the token, `urn:…`.
    pub(crate) token_type: String,
    pub(crate) token_url: String,
    /// Where the token of a service account is had.
    pub(crate) impersonation_url: Option<String>,
    pub(crate) source: GoogleSource,
}

/// Where the token to be exchanged is found.
#[derive(Clone, Debug)]
pub(crate) struct GoogleSource {
    pub(crate) place: GooglePlace,
    /// What is found is JSON, and the token is this field of it.
    pub(crate) field: Option<String>,
}

/// See [`GoogleSource`].
#[derive(Clone, Debug)]
pub(crate) enum GooglePlace {
    File(String),
    Url {
        url: SecretString,
        headers: Vec<(String, SecretString)>,
    },
}

impl GoogleCredentials {
    /// The token in the file that it names, when there is one now.
    pub(crate) fn token_in_file(&self) -> Option<SecretString> {
        let GoogleKind::External(external) = &self.kind else {
            return None;
        };
        let GooglePlace::File(path) = &external.source.place else {
            return None;
        };
        let found = std::fs::read_to_string(path).ok()?;
        external.source.token(&found)
    }

    /// What is secret inside of it, to be hidden by itself too.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        match &self.kind {
            GoogleKind::ServiceAccount { key, .. } => {
                let lines = key.expose_secret().lines().map(str::trim);
                let secret = lines.filter(|line| line.len() >= 8 && !line.starts_with("-----"));
                secret.map(SecretString::from).collect()
            }
            GoogleKind::External(external) => match &external.source.place {
                GooglePlace::File(_) => Vec::new(),
                GooglePlace::Url { headers, .. } => headers
                    .iter()
                    .map(|(_, value)| {
                        let value = value.expose_secret();
                        value.rsplit(' ').next().unwrap_or(value).into()
                    })
                    .collect(),
            },
            GoogleKind::User {
                client_secret,
                refresh_token,
                ..
            } => vec![client_secret.clone(), refresh_token.clone()],
        }
    }
}

impl GoogleSource {
    /// The token in what was found; `None`: what was found is another thing than the file of credentials says.
    pub(crate) fn token(&self, found: &str) -> Option<SecretString> {
        let Some(field) = &self.field else {
            return Some(found.trim().into());
        };
        let document: Value = serde_json::from_str(found).ok()?;
        let token = document.get(field).and_then(Value::as_str)?;
        Some(token.trim().into())
    }
}
