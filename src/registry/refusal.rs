//! What it means when a registry refuses or cannot be reached, in words that help.

use reqwest::{Response, StatusCode, Url};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::login::OF_JOB;
use super::plain::speaks_no_tls;
use super::{Credentials, Reference};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::failure::chain;

/// The most that is told of a registry's own words: lines, and characters of each.
const LINES: usize = 3;
const LONGEST: usize = 300;

/// What is added when a login may be empty.
const FORKS: &str = "a secret is empty on pull requests from forks and from Dependabot";

/// Why there is no answer.
pub(super) enum Fault {
    Transport(reqwest::Error),
    /// We do not ask.
    Unsafe(Box<Diagnostic>),
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error)
    }
}

/// What to say when a registry refuses: which account was used, where it came from, and what is likely wrong.
pub(crate) fn denied(
    code: Code,
    what: &str,
    host: &str,
    login: Option<&Credentials>,
) -> Diagnostic {
    match login {
        None => Diagnostic::error(
            code,
            format!("{what}: registry `{host}` wants a login and none was given"),
        )
        .help(format!("set {}; {FORKS}", inputs(host))),
        Some(login) if login.secret.expose_secret().is_empty() => Diagnostic::error(
            code,
            format!(
                "{what}: the password of `{}` from {} is empty",
                login.username, login.origin
            ),
        )
        .help(FORKS),
        Some(Credentials {
            right: Some(right),
            origin,
            ..
        }) => Diagnostic::error(code, format!("{what}: registry `{host}` refuses {origin}"))
            .help(right),
        Some(login) => {
            let of_job = login.origin == OF_JOB;
            let help = if host == "ghcr.io" || of_job && host.starts_with("containers.") {
                "give the job `permissions: packages: write`, and give this repository access in the package's settings"
            } else if login.origin.starts_with("ECR for") {
                "allow the identity to push to this repository, in its policy or, in another account, in the repository's (docs/aws.md has the statement)"
            } else if of_job {
                "a job's token pushes to the registry of its own project: another project must let it in (Settings, CI/CD, Job token permissions)"
            } else if host == "docker.io" {
                "correct the password, or give the account the right to push to this repository; an `image` that names no registry, such as ghcr.io, is Docker Hub's"
            } else {
                "correct the password, or give the account the right to push to this repository"
            };
            Diagnostic::error(
                code,
                format!(
                    "{what}: registry `{host}` refuses account `{}` from {}",
                    login.username, login.origin
                ),
            )
            .help(help)
        }
    }
}

/// The inputs that say who we are at a registry, by whose it is.
fn inputs(host: &str) -> &'static str {
    let name = host.split(':').next().unwrap_or(host);
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if name == "ghcr.io" {
        "`github-token`, and give the job `permissions: packages: write`"
    } else if name == "gcr.io" || ends(&[".gcr.io", "-docker.pkg.dev"]) {
        "`workload-identity-provider` or `credentials-json` (docs/google.md)"
    } else if ends(&[".amazonaws.com", ".amazonaws.com.cn"]) || name == "public.ecr.aws" {
        "`role-to-assume` or `aws-access-key-id` and `aws-secret-access-key` (docs/aws.md)"
    } else if ends(&[".azurecr.io", ".azurecr.cn", ".azurecr.us"]) {
        "`client-id` and `tenant-id`, or `creds` (docs/azure.md)"
    } else if name == "docker.io" {
        "`registry-username` and `registry-password`; an `image` that names no registry, such as ghcr.io, is Docker Hub's"
    } else {
        "`registry-username` and `registry-password`"
    }
}

/// What to say of an answer that is no success. The registry's own words are evidence: they often name the right or the limit.
pub(super) async fn answered(
    what: &str,
    reference: &Reference,
    login: Option<&Credentials>,
    answer: Response,
) -> Diagnostic {
    let status = answer.status();
    // A body that breaks off says nothing.
    let body = answer.bytes().await.unwrap_or_default();
    let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let finding = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            denied(Code::RegistryDenied, what, reference.host(), login)
        }
        StatusCode::NOT_FOUND => Diagnostic::error(
            Code::RegistryDenied,
            format!("{what}: the registry does not know it (404)"),
        )
        .help(super::make(reference)),
        _ => Diagnostic::error(
            Code::RegistryUnreachable,
            format!("{what}: the registry answers {status}"),
        )
        .help(match status {
            StatusCode::TOO_MANY_REQUESTS => {
                "it limits how often it is asked: run again later, or log in with an account that may ask more often"
            }
            _ if busy => "run again; when it stays so, tell who keeps the registry",
            _ => "see what the registry says below, and check `image`",
        }),
    };
    finding.evidence(words(&body))
}

/// What a registry, or its service of tokens, says in a body.
fn words(body: &[u8]) -> Vec<String> {
    let one_line = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(LONGEST) {
            Some(_) => text.chars().take(LONGEST - 1).chain(['…']).collect(),
            None => text,
        }
    };
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(one_line);
    if let Some(errors) = said.get("errors").and_then(Value::as_array) {
        let lines = errors.iter().filter_map(|error| {
            let (code, message) = (text(error, "code"), text(error, "message"));
            let known: Vec<String> = [code, message].into_iter().flatten().collect();
            (!known.is_empty()).then(|| known.join(": "))
        });
        return lines.take(LINES).collect();
    }
    let keys = ["message", "details", "error_description", "error"];
    keys.iter()
        .find_map(|key| text(&said, key))
        .into_iter()
        .collect()
}

/// What to say when a registry, or what it leads to, cannot be asked at all.
/// `led` is where it has led the request to.
pub(super) fn unreachable(
    host: &str,
    base: &Url,
    led: Option<Url>,
    error: reqwest::Error,
) -> Diagnostic {
    let elsewhere = |url: &&Url| url.origin() != base.origin();
    let asked = error.url().filter(elsewhere);
    let place = match asked.or(led.as_ref().filter(elsewhere)) {
        Some(url) => format!(
            "`{}`, to which registry `{host}` leads",
            url.host_str().unwrap_or("?")
        ),
        None => format!("registry `{host}`"),
    };
    let (no_tls, late) = (speaks_no_tls(&error), error.is_timeout());
    // An address may be signed, which is as good as a password.
    let text = chain(&error.without_url().into());
    let lower = text.to_lowercase();
    if lower.contains("certificate") || lower.contains("unknownissuer") {
        return Diagnostic::error(
            Code::RegistryTls,
            format!("failed to trust the certificate of {place}"),
        )
        .evidence([text]);
    }
    if no_tls || lower.contains("tls") && lower.contains("alert") {
        let finding = Diagnostic::error(
            Code::RegistryTls,
            format!("failed to open a TLS connection to {place}"),
        )
        .evidence([text]);
        return match no_tls {
            true => finding.help(format!(
                "it speaks no TLS: give it a certificate, or name `{host}` in `insecure-registries` of the engine's daemon.json, where we look too"
            )),
            false => finding,
        };
    }
    let why = if lower.contains("dns error") || lower.contains("lookup") {
        "its host name is not known"
    } else if lower.contains("refused") {
        "nothing listens there"
    } else if late {
        "no answer in time"
    } else {
        "the connection failed"
    };
    Diagnostic::error(
        Code::RegistryUnreachable,
        format!("failed to reach {place}: {why}"),
    )
    .evidence([text])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_password_is_said_to_come_from_a_fork() {
        let login = Credentials {
            username: "u".to_owned(),
            secret: String::new().into(),
            identity_token: false,
            origin: "the inputs".to_owned(),
            right: None,
        };
        let finding = denied(Code::RegistryDenied, "failed", "h", Some(&login));
        assert!(finding.advice().contains("Dependabot"));
        let of_ecr = Credentials {
            secret: "s".into(),
            origin: "ECR for the inputs".to_owned(),
            ..login
        };
        let finding = denied(Code::RegistryDenied, "failed", "h", Some(&of_ecr));
        assert!(finding.advice().contains("docs/aws.md"));
        assert!(
            denied(Code::RegistryDenied, "failed", "h", None)
                .advice()
                .contains("Dependabot")
        );
    }

    #[test]
    fn who_gave_no_login_is_told_the_inputs_of_that_registry() {
        for (host, input) in [
            ("ghcr.io", "`github-token`"),
            ("eu.gcr.io", "`credentials-json`"),
            ("docker.io", "names no registry"),
            ("europe-docker.pkg.dev:443", "`workload-identity-provider`"),
            ("1.dkr.ecr.eu-west-1.amazonaws.com", "`role-to-assume`"),
            ("wine.azurecr.io", "`creds`"),
            ("harbor.example:8443", "`registry-username`"),
        ] {
            let finding = denied(Code::RegistryDenied, "failed", host, None);
            assert!(finding.advice().contains(input), "{host}: {finding:?}");
        }
    }

    #[tokio::test]
    async fn a_signed_address_is_not_told() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let store = listener.local_addr().unwrap();
        drop(listener);
        let base = "https://r.example".parse().unwrap();
        let url = format!("http://{store}/blob?X-Amz-Signature=hunter22-signed");
        let refused = client.get(url).send().await.unwrap_err();
        let finding = unreachable("r.example", &base, None, refused);
        assert!(!format!("{finding:?}").contains("hunter22"), "{finding:?}");
        assert_eq!(finding.code, Code::RegistryUnreachable);
        assert_eq!(
            finding.message,
            "failed to reach `127.0.0.1`, to which registry `r.example` leads: nothing listens there"
        );
    }

    #[test]
    fn who_may_not_push_is_told_what_gives_the_right() {
        let login = |origin: &str, right: Option<&str>| Credentials {
            username: "u".to_owned(),
            secret: "s".into(),
            identity_token: false,
            origin: origin.to_owned(),
            right: right.map(str::to_owned),
        };
        let ecr = "1.dkr.ecr.eu-west-1.amazonaws.com";
        for (host, login, advice) in [
            ("ghcr.io", login("the inputs", None), "packages: write"),
            ("ghcr.io", login(OF_JOB, None), "packages: write"),
            (
                "containers.wine.ghe.com",
                login(OF_JOB, None),
                "packages: write",
            ),
            ("registry.gitlab.example", login(OF_JOB, None), "Job token"),
            (ecr, login("ECR for the inputs", None), "docs/aws.md"),
            (
                "wine.azurecr.io",
                login("it", Some("give it AcrPush")),
                "give it AcrPush",
            ),
            (
                "harbor.example",
                login("the inputs", None),
                "the right to push",
            ),
        ] {
            let finding = denied(Code::RegistryDenied, "failed", host, Some(&login));
            assert!(finding.advice().contains(advice), "{host}: {finding:?}");
            assert!(finding.message.contains(host), "{finding:?}");
        }
        // Where the job's token is not for GitHub's own registry, no permission of the job helps.
        let finding = denied(
            Code::RegistryDenied,
            "failed",
            "containers.example",
            Some(&login("the inputs", None)),
        );
        assert!(!finding.advice().contains("packages: write"));
    }

    #[test]
    fn a_registry_s_own_words_are_evidence() {
        let said = |body: &str| words(body.as_bytes());
        assert_eq!(
            said(
                r#"{"errors":[{"code":"DENIED","message":"quota\nexceeded","detail":null},{"message":"x"}]}"#
            ),
            ["DENIED: quota exceeded", "x"]
        );
        assert_eq!(
            said(r#"{"details":"incorrect username or password"}"#).len(),
            1
        );
        assert!(said("<html>busy</html>").is_empty() && said("").is_empty());
        assert_eq!(
            said(&format!(r#"{{"message":"{}"}}"#, "a".repeat(999)))[0]
                .chars()
                .count(),
            LONGEST
        );
    }
}
