//! What of a build's arguments and labels would be a secret that everybody reads in the image. Pure: it is given the secrets.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::BuildSpec;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::{passwords, secret_names};

/// A shorter value may equal a secret by chance.
const SHORTEST: usize = 8;
/// Arguments that builders know by themselves and keep nowhere.
const PROXIES: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// Names in `args` whose value is one of the secrets, whatever they are called.
pub(super) fn known<'a>(
    args: &'a BTreeMap<String, String>,
    secrets: &[SecretString],
) -> Vec<&'a str> {
    let is_known = |value: &str| {
        let same = |secret: &SecretString| secret.expose_secret().trim() == value;
        value.len() >= SHORTEST && secrets.iter().any(same)
    };
    let found = args.iter().filter(|(_, value)| is_known(value.trim()));
    found.map(|(name, _)| name.as_str()).collect()
}

/// The finding for a name of [`known`], in the input of this name.
pub(super) fn refusal(input: &str, name: &str) -> Diagnostic {
    let message = format!(
        "input `{input}` gives `{name}` a value that is a secret of this run, and everybody who may pull the image could read it in its {}",
        place(input)
    );
    Diagnostic::error(Code::SecretReadable, message).help(instead(input, name))
}

impl BuildSpec {
    /// What looks like a secret and stays readable in the image: by its name, or because it is an address with a password.
    pub(crate) fn readable(&self) -> Vec<Diagnostic> {
        let of = |input: &'static str, pairs: &BTreeMap<String, String>| -> Vec<Diagnostic> {
            let told = pairs.iter().filter_map(|(name, value)| {
                let why = suspicious(name, value)?;
                let message = format!(
                    "input `{input}` has `{name}`, {why}: everybody who may pull the image reads its value in the image's {}",
                    place(input)
                );
                Some(Diagnostic::warning(Code::SecretReadable, message).help(instead(input, name)))
            });
            told.collect()
        };
        let mut found = of("build-args", &self.args);
        found.extend(of("labels", &self.labels));
        found
    }
}

/// Why a value may be secret.
fn suspicious(name: &str, value: &str) -> Option<&'static str> {
    if value.is_empty() || PROXIES.contains(&name.to_uppercase().as_str()) {
        return None;
    }
    if secret_names::variable(name) {
        return Some("which is named like a secret");
    }
    if passwords::holds_key(value) {
        return Some("which holds a private key");
    }
    (!passwords::in_urls(value).is_empty()).then_some("which is an address with a password in it")
}

fn place(input: &str) -> &'static str {
    match input {
        "labels" => "labels",
        _ => "history",
    }
}

fn instead(input: &str, name: &str) -> String {
    if input == "labels" {
        return format!("leave `{name}` out: nothing in a label can be hidden");
    }
    let id = name.to_ascii_lowercase();
    format!(
        "give it as a build secret: `secrets: {id}=…`, and in the Dockerfile `RUN --mount=type=secret,id={id}` in place of `ARG {name}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        owned.collect()
    }

    #[test]
    fn only_values_of_secrets_are_known() {
        let secrets = [
            SecretString::from("hunter22-secret\n"),
            SecretString::from("short"),
        ];
        let args = pairs(&[
            ("HARMLESS", " hunter22-secret "),
            ("OTHER", "hunter22-secret-and-more"),
            ("BRIEF", "short"),
        ]);
        assert_eq!(known(&args, &secrets), ["HARMLESS"]);
        let said = refusal("build-args", "HARMLESS");
        assert!(!said.message.contains("hunter22") && !said.advice().contains("hunter22"));
        assert!(said.advice().contains("id=harmless"));
    }

    #[test]
    fn names_keys_and_addresses_are_suspicious() {
        for (name, value) in [
            ("NPM_TOKEN", "x"),
            (
                "PIP_INDEX_URL",
                "https://robot:pa55word@index.example/simple",
            ),
            ("SSH", "-----BEGIN PRIVATE KEY-----\nMII"),
        ] {
            assert!(suspicious(name, value).is_some(), "{name}");
        }
        for (name, value) in [
            ("VERSION", "1.2"),
            ("NPM_TOKEN", ""),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("PIP_INDEX_URL", "https://index.example/simple"),
            // Neither history nor image keep these.
            ("http_proxy", "http://robot:pa55word@proxy.example:3128"),
        ] {
            assert!(suspicious(name, value).is_none(), "{name}");
        }
    }
}
