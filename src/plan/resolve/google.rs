//! The part of the plan about Google: which identity the inputs name.

use super::super::*;
use super::Resolver;

impl Resolver<'_> {
    /// The identity at Google that the inputs name.
    pub(super) fn google(&mut self) -> GoogleSpec {
        let inputs = self.inputs.google.clone();
        let identity = match (inputs.credentials_json, inputs.workload_identity_provider) {
            (Some(_), Some(_)) => {
                self.both(
                    "credentials-json",
                    "workload-identity-provider",
                    "only one of them can say who we are",
                );
                None
            }
            (Some(text), None) => match GoogleCredentials::read(&text) {
                Ok(credentials) => Some(GoogleIdentity::Credentials(Box::new(credentials))),
                Err(why) => {
                    self.invalid("credentials-json", why);
                    None
                }
            },
            (None, Some(provider)) => {
                let provider = provider.trim_matches('/').to_owned();
                if !is_provider(&provider) {
                    self.invalid(
                        "workload-identity-provider",
                        format!("is `{provider}`, expected projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/NAME with the project's number, not its name"),
                    );
                }
                Some(GoogleIdentity::Federated {
                    provider,
                    service_account: inputs.service_account.clone(),
                })
            }
            (None, None) => None,
        };
        if let Some(account) = &inputs.service_account {
            if !matches!(identity, Some(GoogleIdentity::Federated { .. })) {
                self.invalid(
                    "service-account",
                    "says who to act as with `workload-identity-provider`, which is not set; a key names its account itself",
                );
            } else if !is_email(account) {
                self.invalid(
                    "service-account",
                    format!("is `{account}`, expected NAME@PROJECT.iam.gserviceaccount.com"),
                );
            }
        }
        GoogleSpec {
            identity,
            project: inputs.project_id,
        }
    }
}

/// `projects/1234/locations/global/workloadIdentityPools/pool/providers/name`.
fn is_provider(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let [
        "projects",
        number,
        "locations",
        _,
        "workloadIdentityPools",
        pool,
        "providers",
        name,
    ] = parts.as_slice()
    else {
        return false;
    };
    number.chars().all(|c| c.is_ascii_digit())
        && ![number, pool, name].iter().any(|part| part.is_empty())
}

/// An address that may stand in a URL.
fn is_email(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '@' | '_' | ':');
    text.split('@').filter(|part| !part.is_empty()).count() == 2 && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_a_number_and_all_parts() {
        assert!(is_provider(
            "projects/12/locations/global/workloadIdentityPools/p/providers/x"
        ));
        for wrong in [
            "projects/wine/locations/global/workloadIdentityPools/p/providers/x",
            "projects/12/locations/global/workloadIdentityPools/p",
            "projects/12/locations/global/workloadIdentityPools//providers/x",
        ] {
            assert!(!is_provider(wrong), "{wrong}");
        }
        assert!(is_email("ci@wine.iam.gserviceaccount.com"));
        assert!(!is_email("ci") && !is_email("a@b/../c") && !is_email("@b"));
    }
}
