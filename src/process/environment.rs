//! Which variables of ours a foreign program may see. Pure: it is given the variables.

use crate::{passwords, secret_names};

/// Our variables, divided.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// Passed on.
    pub(crate) kept: Vec<(String, String)>,
    /// Names of those that the program does not get although they have a value.
    pub(crate) withheld: Vec<String>,
}

impl Inherited {
    /// Divides the variables. `pass` names what is passed on although it looks secret.
    pub(crate) fn divide(
        variables: impl IntoIterator<Item = (String, String)>,
        pass: impl Fn(&str) -> bool,
    ) -> Self {
        let mut divided = Self::default();
        for (name, value) in variables {
            let secret =
                looks_secret(&name) || holds_login(&name, &value) || passwords::holds_key(&value);
            if pass(&name) || !secret {
                divided.kept.push((name, value));
            } else if !value.is_empty() {
                divided.withheld.push(name);
            }
        }
        divided.withheld.sort();
        divided
    }
}

/// Families of variables that no training needs: the runner's own, and the keys of engine, cluster and clouds.
const FAMILIES: &[&str] = &[
    "INPUT_",
    "ACTIONS_",
    "DOCKER_",
    "AWS_",
    "AZURE_",
    "ARM_",
    "GOOGLE_",
    "GCLOUD_",
    "GCP_",
    "CLOUDSDK_",
    "ALICLOUD_",
    "OCI_CLI_",
    "DIGITALOCEAN_",
    "CI_JOB_JWT",
    "CI_REGISTRY_",
    "TF_VAR_",
    "VAULT_",
];

/// Single names: files through which a step speaks to the runner, and files that hold credentials.
const NAMES: &[&str] = &[
    "GITHUB_OUTPUT",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "KUBECONFIG",
    "SSH_AUTH_SOCK",
    "NETRC",
    "GH_CONFIG_DIR",
    "REGISTRY_AUTH_FILE",
];

/// Files and switches that are no secret although their family is withheld.
const HARMLESS: &[&str] = &[
    "AWS_CA_BUNDLE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
];

/// Whether a program that we do not know should not see this variable.
pub(crate) fn looks_secret(name: &str) -> bool {
    // Tracking is what the training is for, and these carry its credentials.
    if name.starts_with("MLFLOW_") || name.starts_with("WANDB_") || HARMLESS.contains(&name) {
        return false;
    }
    let upper = name.to_uppercase();
    FAMILIES.iter().any(|family| upper.starts_with(family))
        || NAMES.contains(&upper.as_str())
        || secret_names::mentioned(name)
}

/// A package index whose URL holds a name or password: what is needed is installed before the program starts.
fn holds_login(name: &str, value: &str) -> bool {
    let upper = name.to_uppercase();
    let index = upper.starts_with("UV_") || upper.starts_with("PIP_");
    let mut hosts = value.split("://").skip(1).map(|rest| {
        let end = rest
            .find(|c: char| c == '/' || c.is_whitespace())
            .unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    });
    index && hosts.any(|host| host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_withheld_and_the_rest_is_kept() {
        for secret in [
            "INPUT_REGISTRY-PASSWORD",
            "INPUT_IMAGE",
            "ACTIONS_RUNTIME_TOKEN",
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            "GITHUB_TOKEN",
            "GITHUB_OUTPUT",
            "GITHUB_STEP_SUMMARY",
            "DOCKER_AUTH_CONFIG",
            "KUBECONFIG",
            "AWS_SECRET_ACCESS_KEY",
            "ARM_CLIENT_ID",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "db_password",
            "OPENAI_API_KEY",
            "HF_TOKEN",
            "GH_PAT",
            "CI_JOB_TOKEN",
        ] {
            assert!(looks_secret(secret), "{secret}");
        }
        for plain in [
            "PATH",
            "HOME",
            "GITHUB_SHA",
            "GITHUB_WORKSPACE",
            "MLFLOW_TRACKING_PASSWORD",
            "WANDB_API_KEY",
            "LANG",
            "HTTPS_PROXY",
            "TOKENIZERS_PARALLELISM",
            "CUDA_VISIBLE_DEVICES",
            "SSL_CERT_FILE",
            "PYTHONPATH",
        ] {
            assert!(!looks_secret(plain), "{plain}");
        }
    }

    #[test]
    fn an_index_with_a_password_is_withheld_and_one_without_is_not() {
        assert!(holds_login("PIP_INDEX_URL", "https://u:p@h/simple"));
        assert!(holds_login("UV_INDEX", "a=https://h/x b=https://t@h/y"));
        assert!(!holds_login("UV_INDEX_URL", "https://h/simple/a@b"));
        assert!(!holds_login("HTTPS_PROXY", "http://u:p@proxy:3128"));
    }

    #[test]
    fn what_is_asked_for_is_passed_and_empty_ones_are_not_worth_a_word() {
        let variables = [
            ("HF_TOKEN", "a"),
            ("GH_TOKEN", "b"),
            ("X_TOKEN", ""),
            ("DEPLOYER", "-----BEGIN PRIVATE KEY-----"),
            ("HOME", "/"),
        ];
        let variables = variables.map(|(n, v)| (n.to_owned(), v.to_owned()));
        let divided = Inherited::divide(variables, |name| name == "HF_TOKEN");
        assert_eq!(divided.withheld, ["DEPLOYER", "GH_TOKEN"]);
        let kept: Vec<_> = divided.kept.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(kept, ["HF_TOKEN", "HOME"]);
    }
}
