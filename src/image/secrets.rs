//! What the machine knows about a private package index and a company CA, offered to the build as secrets: a `RUN` that
//! mounts them sees them, the image and its history do not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::context::Context;
use crate::plan::BuildSpec;
use crate::python::{PackageIndex, package_index};

/// The user's secrets, `pip-conf` and `ca-bundle` where the machine has them. The user's own win. Passwords are masked first,
/// because a `RUN` may print what it sees.
pub(super) async fn offered(ctx: &Context, spec: &BuildSpec) -> BTreeMap<String, SecretString> {
    let index = package_index();
    for password in &index.passwords {
        ctx.events
            .mask(&SecretString::from(password.as_str()))
            .await;
    }
    let mut secrets = BTreeMap::new();
    if let Some(text) = authorities(&index) {
        secrets.insert("ca-bundle".to_owned(), text.into());
    }
    if let Some(text) = index.pip_conf {
        secrets.insert("pip-conf".to_owned(), text.into());
    }
    secrets.extend(spec.secrets.clone());
    secrets
}

/// The authorities that this machine trusts, when it was told which.
fn authorities(index: &PackageIndex) -> Option<String> {
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"]
        .iter()
        .filter_map(|name| std::env::var_os(name).map(PathBuf::from))
        .chain(index.authority.clone())
        .find_map(|path| read(&path))
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    (!text.trim().is_empty()).then_some(text)
}
