//! Where Google's services answer: by their universe, unless the variables that gcloud reads name another place.
//! Source: cloud.google.com/sdk/gcloud/reference/topic/configurations, `api_endpoint_overrides`.

use super::super::environment::Environment;
use crate::cloud::spec::{UNIVERSE, may_carry_secrets};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Domain of the services when no credentials name one.
pub(super) fn universe(env: &Environment) -> &str {
    env.get("GOOGLE_CLOUD_UNIVERSE_DOMAIN")
        .or_else(|| env.get("CLOUDSDK_CORE_UNIVERSE_DOMAIN"))
        .unwrap_or(UNIVERSE)
}

/// URL of a service, without a slash at its end.
///
/// # Errors
/// `CloudIdentity` when the variable names what no token may be sent to.
pub(super) fn endpoint(env: &Environment, service: &str, universe: &str) -> Outcome<String> {
    let name = format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{}", service.to_uppercase());
    let Some(url) = env.get(&name) else {
        return Ok(format!("https://{service}.{universe}"));
    };
    if !may_carry_secrets(url) {
        return Err(Failure::new(
            Code::CloudIdentity,
            format!("failed to use `{name}`: it is no https:// URL, and a token would be sent there readably"),
        )
        .help("correct the variable, or unset it"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_universe_and_by_variable() {
        let name = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER";
        let env = |value: &str| Environment::new(&[(name.to_owned(), value.to_owned())]);
        let of = |env: &Environment| endpoint(env, "container", universe(env));
        assert_eq!(
            of(&Environment::default()).unwrap(),
            "https://container.googleapis.com"
        );
        assert_eq!(
            of(&env("http://127.0.0.1:4010/")).unwrap(),
            "http://127.0.0.1:4010"
        );
        assert!(of(&env("http://container.example/")).is_err());
    }
}
