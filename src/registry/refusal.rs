//! What it means when a registry refuses or cannot be reached, in words that help.

use secrecy::ExposeSecret as _;

use super::Credentials;
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// What is added when a login may be empty.
const FORKS: &str = "a secret is empty on pull requests from forks and from Dependabot";

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
        .help(format!(
            "set `registry-username` and `registry-password`; {FORKS}"
        )),
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
            let help = if host == "ghcr.io" {
                "give the job `permissions: packages: write`, and give this repository access in the package's settings"
            } else if login.origin.starts_with("ECR for") {
                "allow the identity to push to this repository, in its policy or, in another account, in the repository's (docs/aws.md has the statement)"
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

/// What to say when a registry cannot be asked at all.
pub(super) fn unreachable(host: &str, error: &reqwest::Error) -> Diagnostic {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let lower = text.to_lowercase();
    if lower.contains("certificate") || lower.contains("unknownissuer") {
        return Diagnostic::error(
            Code::RegistryTls,
            format!("failed to trust the certificate of registry `{host}`"),
        )
        .evidence([text]);
    }
    if lower.contains("corrupt message") || lower.contains("tls") && lower.contains("alert") {
        return Diagnostic::error(
            Code::RegistryTls,
            format!("failed to open a TLS connection to registry `{host}`"),
        )
        .evidence([text]);
    }
    let why = if lower.contains("dns error") || lower.contains("lookup") {
        "its host name is not known"
    } else if lower.contains("refused") {
        "nothing listens there"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection failed"
    };
    Diagnostic::error(
        Code::RegistryUnreachable,
        format!("failed to reach registry `{host}`: {why}"),
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
}
