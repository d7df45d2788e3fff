//! Which cloud a registry belongs to, and the login that it hands out for it.

use secrecy::SecretString;

use super::Clouds;
use crate::failure::Outcome;

/// A login for one registry, good for some minutes or hours: it is asked for at each use.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) secret: SecretString,
    /// The secret is an OAuth2 refresh token, not a password.
    pub(crate) identity_token: bool,
    /// Who it was made for, for messages.
    pub(crate) origin: String,
    /// What gives it the right to push, for when it has none.
    pub(crate) right: Option<String>,
}

impl Clouds {
    /// The login for a registry host; `None` when it is of no cloud, or when there is no identity of its cloud. With `named`
    /// only when the inputs name the identity; else also one of the surroundings.
    ///
    /// # Errors
    /// `CloudIdentity`, `CloudDenied`, `CloudUnreachable`.
    pub(crate) async fn registry(&self, host: &str, named: bool) -> Outcome<Option<Login>> {
        if let Some(login) = self.aws.registry(host, named).await? {
            return Ok(Some(login));
        }
        if let Some(login) = self.azure.registry(host, named).await? {
            return Ok(Some(login));
        }
        self.google.registry(host, named).await
    }

    /// Whether a registry may be one whose repositories are made here when they are missing.
    pub(crate) fn makes_repositories(&self, host: &str) -> bool {
        self.aws.has_registry(host)
    }

    /// Sees that a repository is there, where one has to be made before the first push; with `create` makes it when it is not.
    /// Returns what was made.
    ///
    /// # Errors
    /// `RepositoryMissing` with the line that makes it, `CloudDenied` when it may not be made.
    pub(crate) async fn repository(
        &self,
        host: &str,
        path: &str,
        create: bool,
    ) -> Outcome<Option<String>> {
        self.aws.repository(host, path, create).await
    }
}
