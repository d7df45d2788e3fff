//! What is secret in variables and inputs, to be hidden before anything is said. Pure, but for asking whether a path exists.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use crate::inputs::flags::{Inputs, SECRET_INPUTS};
use crate::inputs::layers;
use crate::plan::GoogleCredentials;
use crate::{passwords, secret_names};

/// What is secret in a variable: all of it when its name says so, else the passwords of its URLs (package indexes, proxies).
/// Inputs are known by their own names, also when something is wrong with them and they are never read.
pub(super) fn in_variable(name: &str, value: &str) -> Vec<String> {
    let input = name.strip_prefix("INPUT_").map(layers::input_name);
    match input.as_deref() {
        Some("secrets") => value.lines().map(after_name).collect(),
        // A path is no secret, and hiding it would hide it in every message about it.
        Some(input) if SECRET_INPUTS.contains(&input) && !Path::new(value).exists() => {
            vec![value.to_owned()]
        }
        _ if names_a_secret(name) => vec![value.to_owned()],
        _ => passwords::in_urls(value),
    }
}

/// The value of `NAME=value`; a line without a name is taken for one.
fn after_name(line: &str) -> String {
    line.split_once('=')
        .map_or(line, |(_, value)| value)
        .to_owned()
}

/// Whether a variable's name says that its value is secret. Inputs are known by their own names.
fn names_a_secret(name: &str) -> bool {
    !name.to_uppercase().starts_with("INPUT_") && secret_names::variable(name)
}

/// The values inside of inputs that hold several: each build secret, each variable that is named like one, and passwords in URLs.
pub(crate) fn of_inputs(inputs: &Inputs) -> Vec<SecretString> {
    let blocks = inputs.secrets.iter().map(|block| block.expose_secret());
    let build = blocks.flat_map(str::lines).map(after_name);
    let variables = [&inputs.train_env, &inputs.container_env, &inputs.build_args];
    let lines = variables
        .into_iter()
        .flatten()
        .flat_map(|block| block.lines());
    let named = lines
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| names_a_secret(name.trim()))
        .map(|(_, value)| value.to_owned());
    let urls = variables
        .into_iter()
        .chain([&inputs.extra_requirements])
        .flatten()
        .chain(&inputs.mlflow_tracking_uri)
        .flat_map(|text| passwords::in_urls(text));
    let principal = inputs
        .azure
        .creds
        .iter()
        .filter_map(super::azure::secret_of);
    build
        .chain(named)
        .chain(urls)
        .chain(principal)
        .map(SecretString::from)
        .chain(of_google(inputs))
        .collect()
}

/// What is secret inside of Google's credentials; what cannot be read is hidden as a whole.
fn of_google(inputs: &Inputs) -> impl Iterator<Item = SecretString> {
    let given = inputs.google.credentials_json.as_ref();
    let read = given.and_then(|text| GoogleCredentials::read(text).ok());
    read.into_iter().flat_map(|found| found.secrets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_are_named_secret_are_hidden() {
        for secret in [
            "MLFLOW_TRACKING_PASSWORD",
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "DB_PASSWORD_V2",
        ] {
            assert!(names_a_secret(secret), "{secret}");
        }
        for harmless in [
            "PATH",
            "AWS_REGION",
            "EPOCHS",
            "INPUT_REGISTRY-PASSWORD",
            "TOKENIZERS_PARALLELISM",
        ] {
            assert!(!names_a_secret(harmless), "{harmless}");
        }
    }

    #[test]
    fn secrets_of_the_environment_are_found_by_name_and_in_urls() {
        let found = |name, value| in_variable(name, value);
        assert_eq!(found("INPUT_REGISTRY-PASSWORD", "hunter22"), ["hunter22"]);
        assert_eq!(found("INPUT_REGISTRY_PASSWORD", "hunter22"), ["hunter22"]);
        assert_eq!(
            found("INPUT_SECRETS", "a=bcde\nno-name"),
            ["bcde", "no-name"]
        );
        assert_eq!(
            found("PIP_INDEX_URL", "https://u:pa55word@h/simple"),
            ["pa55word"]
        );
        assert!(found("INPUT_IMAGE", "ghcr.io/o/n").is_empty());
        assert!(found("INPUT_KUBECONFIG", "/etc/passwd").is_empty());
    }
}
