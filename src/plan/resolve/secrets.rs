//! What is secret in variables, inputs and the files that they name, to be hidden before anything is said.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::inputs::flags::{Inputs, SECRET_INPUTS};
use crate::inputs::layers;
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
        _ if names_a_secret(name) || passwords::holds_key(value) => vec![value.to_owned()],
        _ => passwords::in_urls(value),
    }
}

/// What the files hold in which programs keep our credentials: a training may read them too, and print what it read.
pub(super) fn in_files(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let at_home = |path: &str| Some(Path::new(&variable("HOME")?).join(path));
    let docker = variable("DOCKER_CONFIG").map(|folder| Path::new(&folder).join("config.json"));
    let docker = docker.or_else(|| at_home(".docker/config.json"));
    let kube: Vec<PathBuf> = match variable("KUBECONFIG") {
        Some(paths) => std::env::split_paths(&paths).collect(),
        None => at_home(".kube/config").into_iter().collect(),
    };
    let netrc = variable("NETRC").map(PathBuf::from);
    let netrc = netrc.or_else(|| at_home(".netrc"));
    let read = |path: PathBuf| fs::read_to_string(path).ok();
    let documents = docker.into_iter().chain(kube).filter_map(read);
    let passwords = netrc.and_then(read).map(|text| passwords::in_netrc(&text));
    documents.chain(passwords.into_iter().flatten()).collect()
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

/// The values inside of inputs that hold several: the kubeconfig, be it a file, each build secret, each variable that is named like one, and passwords in URLs.
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
    let kubeconfig = inputs.kubeconfig.iter().map(|given| {
        // A path is no secret, and hiding it would hide it in every message about it.
        let given = given.expose_secret();
        fs::read_to_string(given.trim()).unwrap_or_else(|_| given.to_owned())
    });
    let principal = inputs
        .azure
        .creds
        .iter()
        .filter_map(super::azure::secret_of);
    build
        .chain(kubeconfig)
        .chain(named)
        .chain(urls)
        .chain(principal)
        .map(SecretString::from)
        .collect()
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
    fn files_with_credentials_are_read_where_programs_look() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let variable = |name: &str| match name {
            "HOME" => Some(home.path().display().to_string()),
            "KUBECONFIG" => Some(format!("{}:/nowhere", at("kube").display())),
            _ => None,
        };
        assert!(in_files(variable).is_empty());
        fs::create_dir(at(".docker")).unwrap();
        fs::write(at(".docker/config.json"), "{}").unwrap();
        fs::write(at("kube"), "users: []").unwrap();
        fs::write(at(".netrc"), "machine a login b password cdef").unwrap();
        assert_eq!(in_files(variable), ["{}", "users: []", "cdef"]);
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
        let key = "-----BEGIN PRIVATE KEY-----\nMII";
        assert_eq!(found("ACCOUNT", key), [key]);
        assert!(found("INPUT_IMAGE", "ghcr.io/o/n").is_empty());
        assert!(found("INPUT_KUBECONFIG", "/etc/passwd").is_empty());
    }
}
