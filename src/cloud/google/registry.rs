//! Logins of Google's registries: the access token is the password.
//! Source: cloud.google.com/artifact-registry/docs/docker/authentication.

use super::super::registry::Login;
use super::Google;
use crate::code::Code;
use crate::failure::Outcome;

/// The name that goes with an access token.
const USER: &str = "oauth2accesstoken";

impl Google {
    /// The login for a registry of Google; see [`super::super::Clouds::registry`].
    ///
    /// # Errors
    /// Those of having a token.
    pub(in super::super) async fn registry(
        &self,
        host: &str,
        named: bool,
    ) -> Outcome<Option<Login>> {
        if !is_ours(host) || named != self.identity.is_named() {
            return Ok(None);
        }
        let secret = match self.identity.token().await {
            Ok(secret) => secret,
            // Most machines have no identity of their own, and some repositories are open.
            Err(failure)
                if failure.code() == Code::CloudIdentity && self.identity.is_guess().await =>
            {
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let member = self.identity.member().await;
        let member = member.map_or_else(|| "it".to_owned(), |member| format!("`{member}`"));
        Ok(Some(Login {
            username: USER.to_owned(),
            secret,
            identity_token: false,
            origin: self.identity.name().await,
            right: Some(format!(
                "give {member} the role Artifact Registry Writer (`roles/artifactregistry.writer`) on the repository; one that does not exist is refused in the same way (docs/google.md has the line that makes it)"
            )),
        }))
    }
}

/// Whether the name is one of Google's registries: whoever answers there must show a certificate for it.
fn is_ours(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or(host);
    name == "gcr.io" || name.ends_with(".gcr.io") || name.ends_with("-docker.pkg.dev")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_googles_registries() {
        for ours in [
            "gcr.io",
            "eu.gcr.io",
            "europe-west4-docker.pkg.dev",
            "us-docker.pkg.dev:443",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "docker.io",
            "gcr.io.example",
            "notgcr.io",
            "europe-python.pkg.dev",
            "localhost:5001",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
