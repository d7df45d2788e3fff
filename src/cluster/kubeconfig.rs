//! The kubeconfig as people give it: text, base64 or a path, else the places where kubectl looks.
//! It reads and checks; it talks to no server. Nothing of the file's contents goes into a message but names.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{Kubeconfig, KubeconfigError};
use secrecy::{ExposeSecret, SecretString};

use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Reads what was given; `None` when nothing was given and no file is where kubectl looks.
pub(super) fn read(given: Option<&SecretString>) -> Outcome<Option<Kubeconfig>> {
    let Some(given) = given else {
        return default();
    };
    let text = given.expose_secret().trim();
    if text.is_empty() {
        return Err(invalid("failed to read kubeconfig: it is empty").help(
            "set the input; a secret is empty on pull requests from forks and from Dependabot",
        ));
    }
    if !text.contains('\n') && Path::new(text).is_file() {
        let config = Kubeconfig::read_from(text).map_err(|error| unreadable(text, &error))?;
        return usable(config).map(Some);
    }
    let decoded = decode(text)?;
    let text = decoded.as_deref().unwrap_or(text);
    parse(text).map(Some)
}

/// The document as text.
pub(super) fn parse(text: &str) -> Outcome<Kubeconfig> {
    let config = Kubeconfig::from_yaml(text).map_err(|error| unreadable("the value", &error))?;
    usable(config)
}

/// The files that kubectl reads: `KUBECONFIG`, then `~/.kube/config`.
fn default() -> Outcome<Option<Kubeconfig>> {
    match Kubeconfig::read() {
        Ok(config) => usable(config).map(Some),
        Err(KubeconfigError::FindPath) => Ok(None),
        Err(KubeconfigError::ReadConfig(error, _))
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(error) => Err(unreadable("the default file", &error)),
    }
}

/// The text behind base64; `None` when the text is no base64 and looks like YAML or JSON.
fn decode(text: &str) -> Outcome<Option<String>> {
    let alphabet =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'\n' | b'\r' | b' ');
    if !text.bytes().all(alphabet) {
        return if text.contains([':', '{']) {
            Ok(None)
        } else {
            Err(invalid(
                "failed to read kubeconfig: it is neither YAML, nor base64, nor an existing file",
            ))
        };
    }
    // `base64` breaks lines after 76 characters, and people paste them so.
    let packed: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(packed)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Some)
        .ok_or_else(|| invalid("failed to read kubeconfig: it is neither YAML, nor base64 of text, nor an existing file"))
}

/// Refuses a file that names no cluster: almost always a truncated secret or another file.
fn usable(config: Kubeconfig) -> Outcome<Kubeconfig> {
    if config.contexts.is_empty() || config.clusters.is_empty() {
        return Err(
            invalid("failed to read kubeconfig: it names no context and no cluster")
                .help("give the output of `kubectl config view --raw --minify --flatten`"),
        );
    }
    Ok(config)
}

/// The context that will be used; an unknown name is an error that lists the known ones.
pub(super) fn context(config: &Kubeconfig, asked: Option<&str>) -> Outcome<String> {
    let known: Vec<&str> = config
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    let list = || {
        known
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some(name) = asked
        .or(config.current_context.as_deref())
        .filter(|name| !name.is_empty())
    else {
        return Err(
            invalid("failed to choose a context: the kubeconfig has no `current-context`")
                .help(format!("set `kube-context` to one of {}", list())),
        );
    };
    if !known.contains(&name) {
        return Err(invalid(format!(
            "failed to choose context `{name}`: the kubeconfig does not have it"
        ))
        .help(format!("set `kube-context` to one of {}", list())));
    }
    Ok(name.to_owned())
}

/// The program that the context's user needs to get a token, if any.
pub(super) fn plugin(config: &Kubeconfig, context: &str) -> Option<String> {
    let user = config
        .contexts
        .iter()
        .find(|named| named.name == context)?
        .context
        .as_ref()?
        .user
        .as_deref()?;
    let auth = config
        .auth_infos
        .iter()
        .find(|named| named.name == user)?
        .auth_info
        .as_ref()?;
    auth.exec.as_ref()?.command.clone()
}

fn unreadable(what: &str, error: &KubeconfigError) -> Failure {
    let why = match error {
        // The parser quotes the text around an error, and that text may be a token.
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!(
                "not a kubeconfig at line {}, column {}",
                at.line(),
                at.column()
            ),
            None => "not a kubeconfig".to_owned(),
        },
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        other => other.to_string(),
    };
    invalid(format!("failed to read kubeconfig from {what}: {why}"))
}

/// A failure about the kubeconfig itself.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::KubeconfigInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n- name: a\n  context: {cluster: c, user: u}\n- name: b\n  context: {cluster: c, user: u}\nclusters:\n- name: c\n  cluster: {server: 'https://127.0.0.1:1'}\nusers:\n- name: u\n  user: {token: very-secret-token}\n";

    fn text(given: &str) -> Outcome<Option<Kubeconfig>> {
        read(Some(&SecretString::from(given)))
    }

    #[test]
    fn text_and_base64_mean_the_same() {
        let plain = text(GOOD).unwrap().unwrap();
        let wrapped: Vec<String> = STANDARD
            .encode(GOOD)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect();
        let decoded = text(&wrapped.join("\n")).unwrap().unwrap();
        assert_eq!(plain.contexts.len(), decoded.contexts.len());
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (given, why) in [
            ("  \n", "empty"),
            ("hello", "neither"),
            ("/no/such/file.yaml", "neither"),
            ("apiVersion: v1\n\tkind: Config\n", "at line 1"),
            ("foo: bar\n", "names no context"),
            (&STANDARD.encode([0xff_u8; 12]), "neither"),
        ] {
            let failure = text(given).unwrap_err();
            assert_eq!(failure.code(), Code::KubeconfigInvalid);
            let message = &failure.findings().next().unwrap().message;
            assert!(message.contains(why), "{given:?}: {message}");
        }
    }

    #[test]
    fn no_part_of_a_broken_file_is_quoted() {
        let failure = text(&GOOD.replace("users:", "users")).unwrap_err();
        assert!(!format!("{failure:?}").contains("very-secret-token"));
    }

    #[test]
    fn an_unknown_context_lists_the_known_ones() {
        let config = text(GOOD).unwrap().unwrap();
        assert_eq!(context(&config, None).unwrap(), "a");
        let failure = context(&config, Some("prod")).unwrap_err();
        assert!(
            failure
                .findings()
                .next()
                .unwrap()
                .advice()
                .contains("`a`, `b`")
        );
    }
}
