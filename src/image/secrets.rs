//! What the machine knows about a private package index and a company CA, offered to the build as secrets: a `RUN` that
//! mounts them sees them, the image and its history do not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::plan::BuildSpec;

/// The user's secrets, `pip-conf` and `ca-bundle` where the machine has them. The user's own win.
pub(super) async fn offered(spec: &BuildSpec) -> BTreeMap<String, SecretString> {
    let mut secrets = BTreeMap::new();
    if let Some(text) = pip_conf().await {
        secrets.insert("pip-conf".to_owned(), text.into());
    }
    if let Some(text) = first(
        ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"]
            .iter()
            .filter_map(|name| path_in(name)),
    )
    .await
    {
        secrets.insert("ca-bundle".to_owned(), text.into());
    }
    secrets.extend(spec.secrets.clone());
    secrets
}

/// pip's configuration: the file that pip itself would read, else one made from its variables.
async fn pip_conf() -> Option<String> {
    let home = path_in("HOME");
    let user =
        path_in("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let candidates = [
        path_in("PIP_CONFIG_FILE"),
        user.map(|folder| folder.join("pip/pip.conf")),
        home.map(|home| home.join(".pip/pip.conf")),
        Some(PathBuf::from("/etc/pip.conf")),
    ];
    let variables = [
        ("PIP_INDEX_URL", "index-url"),
        ("PIP_EXTRA_INDEX_URL", "extra-index-url"),
        ("PIP_TRUSTED_HOST", "trusted-host"),
    ];
    let set: Vec<String> = variables
        .iter()
        .filter_map(|(variable, key)| Some(format!("{key} = {}\n", value(variable)?)))
        .collect();
    // Variables win over files in pip too.
    if !set.is_empty() {
        return Some(format!("[global]\n{}", set.concat()));
    }
    first(candidates.into_iter().flatten()).await
}

async fn first(paths: impl Iterator<Item = PathBuf>) -> Option<String> {
    for path in paths {
        if let Ok(text) = tokio::fs::read_to_string(&path).await
            && !text.trim().is_empty()
        {
            return Some(text);
        }
    }
    None
}

fn value(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn path_in(name: &str) -> Option<PathBuf> {
    value(name).map(PathBuf::from)
}
