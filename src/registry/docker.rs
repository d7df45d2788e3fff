//! The logins in Docker's own configuration: its file, and the helpers that the file names.
//! Source: docker/cli `cli/config`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::login::{Credentials, HUB};
use super::programs::ask;

/// The hub's name in some of its keys.
const HUB_NAME: &str = "index.docker.io";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Configuration {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// Reads the login for a host from Docker's configuration. A missing file holds none.
pub(super) async fn stored(path: &Path, host: &str) -> anyhow::Result<Option<Credentials>> {
    let text = match tokio::fs::read_to_string(path).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("failed to read `{}`", path.display())),
    };
    // The parser's own words may quote a login.
    let configuration: Configuration = serde_json::from_str(&text).map_err(|error| {
        anyhow::anyhow!(
            "failed to parse `{}`: line {}, column {} is not as Docker writes it",
            path.display(),
            error.line(),
            error.column()
        )
    })?;
    let is_hub = host == "docker.io";
    let key = if is_hub { HUB } else { host };
    let helper = configuration
        .cred_helpers
        .get(host)
        .or_else(|| configuration.cred_helpers.get(key))
        .or(configuration
            .creds_store
            .as_ref()
            .filter(|store| !store.is_empty()));
    if let Some(helper) = helper
        && let Some(mut found) = ask(helper, key, path).await?
    {
        found.origin = format!("`docker-credential-{helper}` of `{}`", path.display());
        return Ok(Some(found));
    }
    // Docker's own key first: the hub's others may hold a token that is for something else.
    let named = configuration.auths.get(key);
    let entry = named.or_else(|| {
        let mut entries = configuration.auths.iter();
        let is_for = |name: &str| name == host || is_hub && name == HUB_NAME;
        let whole = |name: &&String| !name.contains("/v1/") || !is_hub;
        entries
            .find(|(name, _)| whole(name) && is_for(bare(name)))
            .map(|(_, entry)| entry)
    });
    let Some(entry) = entry else { return Ok(None) };
    let found = read(entry).with_context(|| {
        format!(
            "failed to read the login for `{host}` in `{}`",
            path.display()
        )
    })?;
    Ok(found.map(|found| Credentials {
        origin: format!("`{}`", path.display()),
        ..found
    }))
}

/// `https://host/v1/` is written `host` by newer clients.
fn bare(name: &str) -> &str {
    let name = name
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    name.split('/').next().unwrap_or(name)
}

fn read(entry: &Entry) -> anyhow::Result<Option<Credentials>> {
    let (mut username, mut password) = (entry.username.clone(), entry.password.clone());
    if !entry.auth.is_empty() {
        let text = STANDARD
            .decode(&entry.auth)
            .context("`auth` is not base64")?;
        let text = String::from_utf8(text).context("`auth` is not text")?;
        let (name, secret) = text
            .split_once(':')
            .context("`auth` is not `user:password`")?;
        (username, password) = (name.to_owned(), secret.trim_end_matches('\0').to_owned());
    }
    let identity_token = !entry.identitytoken.is_empty();
    if identity_token {
        password.clone_from(&entry.identitytoken);
    }
    if username.is_empty() && password.is_empty() {
        return Ok(None);
    }
    Ok(Some(Credentials {
        username,
        secret: password.into(),
        identity_token,
        origin: String::new(),
        right: None,
    }))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::failure::chain;

    async fn look_up(json: &str, host: &str) -> anyhow::Result<Option<Credentials>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        stored(&path, host).await
    }

    #[tokio::test]
    async fn logins_of_docker_are_found() {
        let auth = STANDARD.encode("robot:pa:ss");
        let json = format!(r#"{{"auths":{{"r.test:5000":{{"auth":"{auth}"}}}}}}"#);
        let found = look_up(&json, "r.test:5000").await.unwrap().unwrap();
        assert_eq!(
            (found.username.as_str(), found.secret.expose_secret()),
            ("robot", "pa:ss")
        );
        assert!(look_up(&json, "r.test").await.unwrap().is_none());

        let json = format!(r#"{{"auths":{{"{HUB}":{{"auth":"{auth}","identitytoken":"t"}}}}}}"#);
        let found = look_up(&json, "docker.io").await.unwrap().unwrap();
        assert!(found.identity_token);
        assert_eq!(found.secret.expose_secret(), "t");

        // What `docker login` of newer clients leaves beside it is for Docker's own service.
        let other = STANDARD.encode("robot:of-docker");
        let beside = format!(
            r#"{{"auths":{{"https://index.docker.io/v1/access-token":{{"auth":"{other}"}},"https://index.docker.io/v1/refresh-token":{{"auth":"{other}"}}"#
        );
        let json = format!("{beside}}}}}");
        assert!(look_up(&json, "docker.io").await.unwrap().is_none());
        for key in [
            HUB,
            "docker.io",
            "index.docker.io",
            "https://index.docker.io",
        ] {
            let json = format!(r#"{beside},"{key}":{{"auth":"{auth}"}}}}}}"#);
            let found = look_up(&json, "docker.io").await.unwrap().unwrap();
            assert_eq!(found.secret.expose_secret(), "pa:ss", "{key}");
        }
    }

    #[tokio::test]
    async fn a_broken_configuration_is_not_quoted() {
        let auth = STANDARD.encode("robot:password");
        let json = format!(r#"{{"auths":{{"r.test":"{auth}"}}}}"#);
        let error = chain(&look_up(&json, "r.test").await.unwrap_err());
        assert!(
            error.contains("line 1") && !error.contains(&auth),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_missing_helper_is_named() {
        let json = r#"{"credHelpers":{"r.test":"not-here"}}"#;
        let error = look_up(json, "r.test").await.unwrap_err().to_string();
        assert!(error.contains("docker-credential-not-here"), "{error}");
        assert!(look_up(json, "other.test").await.unwrap().is_none());
    }
}
