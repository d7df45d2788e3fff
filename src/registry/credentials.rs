//! Whose name we use at a registry: the inputs' login, else what Docker's own configuration holds for the host.
//! Source of the order and of the helpers' protocol: docker/cli `cli/config`, docker/docker-credential-helpers.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use crate::cloud;
use crate::code::Code;
use crate::failure::{Failure, Outcome, chain};
use crate::host;
use crate::plan::{RegistryLogin, RegistryPassword};

/// How long a credential helper may take; some ask a cloud.
const HELPER: Duration = Duration::from_secs(30);

/// The key under which Docker keeps the login of its own hub, and its name there.
pub(crate) const HUB: &str = "https://index.docker.io/v1/";
const HUB_NAME: &str = "index.docker.io";

/// Where a login is from that the place gives its jobs.
pub(super) const OF_JOB: &str = "the job's own token";

/// A login at one registry.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) secret: SecretString,
    /// The secret is an OAuth2 refresh token, not a password.
    pub(crate) identity_token: bool,
    /// Where it came from, for messages: `inputs`, or the path of a file and the helper.
    pub(crate) origin: String,
    /// What would give a cloud's identity the right to push.
    pub(crate) right: Option<String>,
}

/// The login for a registry host: the inputs' password when it is for this host, that of a cloud whose identity the inputs
/// name, what Docker keeps, that of a cloud of the surroundings, what the place gives its jobs.
/// `None`: the registry is asked without a name. Callers mask the secret before they do anything else, and ask again at each
/// use: a cloud's login lives for some minutes or hours.
///
/// # Errors
/// `InputInvalid` when Docker's configuration cannot be read or its helper is not here or fails; those of a cloud.
pub(crate) async fn credentials(
    host: &str,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<Credentials>> {
    let Some(login) = login else {
        return docker(host).await;
    };
    if let Some(found) = of(login.password.as_ref(), host, "the inputs") {
        return Ok(Some(found));
    }
    if let Some(found) = login.clouds.registry(host, true).await? {
        return Ok(Some(found.into()));
    }
    if let Some(found) = docker(host).await? {
        return Ok(Some(found));
    }
    if let Some(found) = login.clouds.registry(host, false).await? {
        return Ok(Some(found.into()));
    }
    Ok(of(login.job.as_ref(), host, OF_JOB))
}

/// A password that is for this host; no other one is ever given it.
fn of(password: Option<&RegistryPassword>, host: &str, origin: &str) -> Option<Credentials> {
    let found = password.filter(|password| password.host == host)?;
    Some(Credentials {
        username: found.username.clone(),
        secret: found.password.clone(),
        identity_token: false,
        origin: origin.to_owned(),
        right: None,
    })
}

impl From<cloud::Login> for Credentials {
    fn from(login: cloud::Login) -> Self {
        Self {
            username: login.username,
            secret: login.secret,
            identity_token: login.identity_token,
            origin: login.origin,
            right: login.right,
        }
    }
}

/// What Docker keeps for a host.
async fn docker(host: &str) -> Outcome<Option<Credentials>> {
    let Some(path) = host::docker::folder().map(|folder| folder.join("config.json")) else {
        return Ok(None);
    };
    stored(&path, host).await.map_err(|error| {
        Failure::new(Code::InputInvalid, chain(&error)).help(
            "set `registry-username` and `registry-password`, or correct Docker's configuration",
        )
    })
}

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

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Reads the login for a host from Docker's configuration. A missing file holds none.
async fn stored(path: &Path, host: &str) -> anyhow::Result<Option<Credentials>> {
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

/// Asks a credential helper. `None` when it holds nothing for the server.
async fn ask(helper: &str, server: &str, path: &Path) -> anyhow::Result<Option<Credentials>> {
    let program = format!("docker-credential-{helper}");
    let child = tokio::process::Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => anyhow::bail!(
            "failed to log in to `{server}`: `{}` names the helper `{program}`, which is not on PATH here",
            path.display()
        ),
        Err(error) => return Err(error).context(format!("failed to start `{program}`")),
    };
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(server.as_bytes())
            .await
            .with_context(|| format!("failed to ask `{program}`"))?;
    }
    let output = tokio::time::timeout(HELPER, child.wait_with_output())
        .await
        .with_context(|| format!("failed to ask `{program}`: no answer within 30 s"))?
        .with_context(|| format!("failed to ask `{program}`"))?;
    if !output.status.success() {
        // The protocol prints errors to stdout; they never hold the secret.
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if said.contains("credentials not found") {
            return Ok(None);
        }
        anyhow::bail!("failed to ask `{program}` for `{server}`: {said}");
    }
    // A parse error could quote the secret: only say that it failed.
    let Ok(answer) = serde_json::from_slice::<Answer>(&output.stdout) else {
        anyhow::bail!(
            "failed to read the answer of `{program}`: it is not the JSON of a credential helper"
        );
    };
    Ok(Some(Credentials {
        identity_token: answer.username == "<token>",
        username: answer.username,
        secret: answer.secret.into(),
        origin: String::new(),
        right: None,
    }))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

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
