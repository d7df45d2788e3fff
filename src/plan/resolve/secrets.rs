//! What is secret in variables, inputs and the files that they name, to be hidden before anything is said.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::inputs::flags::{Inputs, SECRET_INPUTS};
use crate::inputs::layers;
use crate::plan::GoogleCredentials;
use crate::{passwords, secret_names};

/// Variables that name a file with nothing but a token: of a pod or a container at AWS, of a pod at Azure.
const TOKEN_FILES: &[&str] = &[
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
];
/// Variables that name a file of Google's credentials.
const GOOGLE_FILES: &[&str] = &[
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "GOOGLE_GHA_CREDS_PATH",
];

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
        // The same for GOOGLE_APPLICATION_CREDENTIALS and others of the kind.
        _ if names_a_secret(name) && value.starts_with('/') && Path::new(value).is_file() => {
            Vec::new()
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
    let documents = docker.into_iter().chain(kube).filter_map(read);
    let passwords = netrc.and_then(read).map(|text| passwords::in_netrc(&text));
    documents
        .chain(passwords.into_iter().flatten())
        .chain(of_clouds(&variable))
        .collect()
}

fn read(path: PathBuf) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// What the files hold in which the clouds' programs and machines keep keys and tokens, whether this run uses them or not.
fn of_clouds(variable: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    let home = variable("HOME").map(PathBuf::from);
    let at = |name: &str, below: &str| {
        let named = variable(name).map(PathBuf::from);
        named.or_else(|| Some(home.as_ref()?.join(below)))
    };
    let profiles = [
        at("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        at("AWS_CONFIG_FILE", ".aws/config"),
    ];
    let profiles = profiles.into_iter().flatten().filter_map(read);
    let mut found: Vec<String> = profiles
        .flat_map(|text| passwords::in_profiles(&text))
        .collect();
    let tokens = TOKEN_FILES.iter().filter_map(|name| variable(name));
    found.extend(tokens.filter_map(|path| read(path.into())));
    let gcloud = at("CLOUDSDK_CONFIG", ".config/gcloud");
    let gcloud = gcloud.map(|folder| folder.join("application_default_credentials.json"));
    let google = GOOGLE_FILES.iter().filter_map(|name| variable(name));
    for text in google.map(PathBuf::from).chain(gcloud).filter_map(read) {
        let text = SecretString::from(text);
        let secrets = of_google_file(&text);
        found.extend(secrets.map(|secret| secret.expose_secret().to_owned()));
    }
    found
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

/// Every secret value of the inputs, to be hidden before anything is said.
pub(crate) fn of_inputs(inputs: &Inputs) -> Vec<SecretString> {
    let mut secrets = known(inputs);
    secrets.extend(in_lines(&inputs.build_args));
    secrets
}

/// The same but for the build arguments, which everybody may read in the image: single values, and those inside of inputs that hold
/// several: the kubeconfig, be it a file, each build secret, each variable that is named like one, and passwords in URLs.
pub(super) fn known(inputs: &Inputs) -> Vec<SecretString> {
    let single = [
        &inputs.registry_password,
        &inputs.mlflow_tracking_password,
        &inputs.mlflow_tracking_token,
        &inputs.gitlab_token,
        &inputs.github_token,
        &inputs.aws.aws_secret_access_key,
        &inputs.aws.aws_session_token,
    ];
    let single: Vec<SecretString> = single.into_iter().flatten().cloned().collect();
    let blocks = inputs.secrets.iter().map(|block| block.expose_secret());
    let build = blocks.flat_map(str::lines).map(after_name);
    let urls = inputs
        .extra_requirements
        .iter()
        .chain(&inputs.mlflow_tracking_uri)
        .flat_map(|text| passwords::in_urls(text));
    let principal = inputs
        .azure
        .creds
        .iter()
        .filter_map(super::azure::secret_of);
    let kubeconfig = inputs.kubeconfig.iter().map(|given| {
        // A path is no secret, and hiding it would hide it in every message about it.
        let given = given.expose_secret();
        fs::read_to_string(given.trim()).unwrap_or_else(|_| given.to_owned())
    });
    let inside = build.chain(kubeconfig).chain(urls).chain(principal);
    single
        .into_iter()
        .chain(inside.map(SecretString::from))
        .chain(in_lines(&inputs.train_env))
        .chain(in_lines(&inputs.container_env))
        .chain(of_google(inputs))
        .collect()
}

/// Of lines `NAME=value` the values whose name says that they are secret, and passwords in URLs.
fn in_lines(blocks: &[String]) -> Vec<SecretString> {
    let lines = blocks.iter().flat_map(|block| block.lines());
    let named = lines
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| names_a_secret(name.trim()))
        .map(|(_, value)| value.to_owned());
    let urls = blocks.iter().flat_map(|text| passwords::in_urls(text));
    named.chain(urls).map(SecretString::from).collect()
}

/// What is secret inside of Google's credentials.
fn of_google(inputs: &Inputs) -> impl Iterator<Item = SecretString> {
    let given = inputs.google.credentials_json.as_ref();
    given.into_iter().flat_map(of_google_file)
}

/// What is secret inside of a file of Google's credentials, and the token in the file that it names; of what cannot be read
/// nothing is known.
fn of_google_file(text: &SecretString) -> impl Iterator<Item = SecretString> {
    let read = GoogleCredentials::read(text).ok();
    let token = read.as_ref().and_then(|found| found.token_in_file());
    let secrets = read.map(|found| found.secrets()).unwrap_or_default();
    secrets.into_iter().chain(token)
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
    fn files_of_the_clouds_are_read_whether_they_are_used_or_not() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name).display().to_string();
        fs::create_dir_all(at(".aws")).unwrap();
        fs::create_dir_all(at(".config/gcloud")).unwrap();
        let profiles = "[default]\naws_access_key_id = AKIA\naws_secret_access_key=one\n[b]\nregion = eu\naws_session_token = two\n";
        fs::write(at(".aws/credentials"), profiles).unwrap();
        fs::write(at("web"), "three").unwrap();
        fs::write(at("subject"), "{\"value\": \"four\"}").unwrap();
        let external = serde_json::json!({"type": "external_account", "audience": "//iam.googleapis.com/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": at("subject"), "format": {"type": "json", "subject_token_field_name": "value"}}});
        fs::write(at("external"), external.to_string()).unwrap();
        let person = r#"{"type": "authorized_user", "client_id": "me", "client_secret": "five", "refresh_token": "six"}"#;
        fs::write(
            at(".config/gcloud/application_default_credentials.json"),
            person,
        )
        .unwrap();
        let variable = |name: &str| match name {
            "HOME" => Some(home.path().display().to_string()),
            "AWS_WEB_IDENTITY_TOKEN_FILE" => Some(at("web")),
            "AZURE_FEDERATED_TOKEN_FILE" => Some(at("nowhere")),
            "GOOGLE_APPLICATION_CREDENTIALS" => Some(at("external")),
            _ => None,
        };
        assert_eq!(
            in_files(variable),
            ["one", "two", "three", "four", "five", "six"]
        );
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
        let variable = "GOOGLE_APPLICATION_CREDENTIALS";
        assert!(found(variable, "/etc/passwd").is_empty());
        assert_eq!(found(variable, "/nowhere/key"), ["/nowhere/key"]);
    }
}
