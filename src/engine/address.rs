//! Where the engine listens: `DOCKER_HOST`, else Docker's context, else the usual sockets. It reads the environment and the files
//! of Docker's own client, and opens no connection. Source of order and layout: docker/cli `cli/command`, `cli/context/store`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Where Docker listens unless told otherwise.
const USUAL: &str = "/var/run/docker.sock";

/// The context that stands for `DOCKER_HOST` and the usual socket.
const DEFAULT: &str = "default";

/// Where the engine listens, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `unix:///var/run/docker.sock`, `tcp://10.0.0.1:2376`.
    pub(super) host: String,
    /// `None`: the environment, or nobody.
    pub(super) context: Option<Context>,
}

/// One of Docker's contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Context {
    name: String,
    /// What chose it: `DOCKER_CONTEXT`, or the path of Docker's configuration.
    chosen_by: String,
    /// Folder of `ca.pem`, `cert.pem` and `key.pem`, when it came with certificates.
    pub(super) certificates: Option<PathBuf>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.host)?;
        match &self.context {
            Some(context) => write!(
                f,
                " (Docker's context `{}`, chosen by {})",
                context.name, context.chosen_by
            ),
            None => Ok(()),
        }
    }
}

impl Address {
    fn of(host: String) -> Self {
        Self {
            host,
            context: None,
        }
    }
}

/// Finds it in the order of Docker's own client. `docker` is the folder of its configuration.
///
/// # Errors
/// A context that is chosen and cannot be read.
pub(super) fn find(
    variable: impl Fn(&str) -> Option<String>,
    docker: Option<&Path>,
) -> anyhow::Result<Address> {
    if let Some(host) = variable("DOCKER_HOST") {
        return Ok(Address::of(host));
    }
    let chosen = match (variable("DOCKER_CONTEXT"), docker) {
        (Some(name), _) => Some((name, "DOCKER_CONTEXT".to_owned())),
        (None, Some(docker)) => {
            let file = docker.join("config.json");
            current(&file)?.map(|name| (name, format!("`{}`", file.display())))
        }
        (None, None) => None,
    };
    match chosen {
        Some((name, by)) if name != DEFAULT => context(&name, by, docker),
        _ => Ok(usual(Path::new(USUAL), variable("XDG_RUNTIME_DIR"))),
    }
}

/// The socket of a system's Docker, else that of a user's own (rootless).
fn usual(system: &Path, runtime: Option<String>) -> Address {
    let own = runtime.map(|folder| Path::new(&folder).join("docker.sock"));
    let socket = own
        .filter(|own| !system.exists() && own.exists())
        .unwrap_or_else(|| system.to_owned());
    Address::of(format!("unix://{}", socket.display()))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Configuration {
    current_context: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "Host")]
    host: String,
    #[serde(rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The context that `docker context use` has chosen.
fn current(file: &Path) -> anyhow::Result<Option<String>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        // Who may not read it never chose a context in it.
        Err(_) => return Ok(None),
    };
    // The parser's own words may quote a login.
    let read: Configuration = serde_json::from_str(&text).map_err(|error| {
        anyhow::anyhow!(
            "failed to parse `{}`: line {}, column {} is not as Docker writes it",
            file.display(),
            error.line(),
            error.column()
        )
    })?;
    Ok(Some(read.current_context).filter(|name| !name.is_empty()))
}

fn context(name: &str, chosen_by: String, docker: Option<&Path>) -> anyhow::Result<Address> {
    let story = || format!("failed to read Docker's context `{name}`, chosen by {chosen_by}");
    let contexts = docker
        .context("there is no home folder to find it in")
        .with_context(story)?
        .join("contexts");
    let id: String = Sha256::digest(name)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let file = contexts.join("meta").join(&id).join("meta.json");
    let text = std::fs::read_to_string(&file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            anyhow::anyhow!(
                "there is no context of that name in `{}`",
                contexts.display()
            )
        }
        _ => anyhow::Error::from(error).context(format!("failed to read `{}`", file.display())),
    });
    let mut meta: Meta = serde_json::from_str(&text.with_context(story)?)
        .with_context(|| format!("failed to parse `{}`", file.display()))
        .with_context(story)?;
    let endpoint = meta.endpoints.remove("docker").unwrap_or_default();
    anyhow::ensure!(!endpoint.host.is_empty(), "{}: it names no engine", story());
    anyhow::ensure!(
        !endpoint.skip_tls_verify || endpoint.host.starts_with("unix://"),
        "{}: it turns the check of the engine's certificate off (SkipTLSVerify), and an engine that anybody may play is not used",
        story()
    );
    let certificates = contexts.join("tls").join(&id).join("docker");
    Ok(Address {
        host: endpoint.host,
        context: Some(Context {
            name: name.to_owned(),
            chosen_by,
            certificates: certificates.is_dir().then_some(certificates),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(variables: &[(&str, &str)], docker: &Path) -> anyhow::Result<Address> {
        find(
            |name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            },
            Some(docker),
        )
    }

    #[test]
    fn the_order_is_dockers_own() {
        let docker = tempfile::tempdir().unwrap();
        let docker = docker.path();
        std::fs::write(docker.join("config.json"), r#"{"currentContext": "gone"}"#).unwrap();
        let host = ("DOCKER_HOST", "tcp://a:1");
        let chosen = ("DOCKER_CONTEXT", "other");
        assert_eq!(look(&[host, chosen], docker).unwrap().host, "tcp://a:1");
        let said = |variables: &[_]| look(variables, docker).unwrap_err().to_string();
        assert!(said(&[chosen]).contains("`other`, chosen by DOCKER_CONTEXT"));
        assert!(said(&[]).contains("`gone`, chosen by `/"), "{}", said(&[]));
        let default = look(&[("DOCKER_CONTEXT", "default")], docker).unwrap();
        assert_eq!(default.context, None);
    }

    #[test]
    fn a_users_own_socket_is_used_where_the_system_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Some(folder.path().display().to_string());
        let system = folder.path().join("system.sock");
        let own = folder.path().join("docker.sock");
        let chosen = || usual(&system, runtime.clone()).host;
        assert_eq!(chosen(), format!("unix://{}", system.display()));
        std::fs::write(&own, "").unwrap();
        assert_eq!(chosen(), format!("unix://{}", own.display()));
        std::fs::write(&system, "").unwrap();
        assert_eq!(chosen(), format!("unix://{}", system.display()));
    }

    #[test]
    fn a_context_that_trusts_anybody_is_refused() {
        let docker = tempfile::tempdir().unwrap();
        let id: String = Sha256::digest("lax")
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let folder = docker.path().join("contexts/meta").join(id);
        std::fs::create_dir_all(&folder).unwrap();
        let meta = r#"{"Name":"lax","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://a:1","SkipTLSVerify":true}}}"#;
        std::fs::write(folder.join("meta.json"), meta).unwrap();
        let error = look(&[("DOCKER_CONTEXT", "lax")], docker.path()).unwrap_err();
        assert!(error.to_string().contains("SkipTLSVerify"), "{error}");
    }
}
