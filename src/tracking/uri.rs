//! What a tracking URI means. Pure.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::plan::TrackingUri;

/// Kinds that MLflow reads and we leave to it.
const OTHER: &[&str] = &[
    "file",
    "postgresql",
    "mysql",
    "mssql",
    "databricks",
    "databricks-uc",
    "uc",
];

/// Parses a URI as MLflow's client takes it. A user name and a password within a server's URL are left out: ask
/// `credentials` for them. A relative path stays relative; the plan joins it to the working directory.
pub(crate) fn parse(uri: &str) -> Result<TrackingUri, String> {
    let uri = uri.trim();
    if uri.is_empty() {
        return Err(
            "is empty; a secret is empty on pull requests from forks and from Dependabot"
                .to_owned(),
        );
    }
    if uri == "databricks" || uri == "uc" {
        return Ok(TrackingUri::Other(uri.to_owned()));
    }
    let Some((scheme, rest)) = uri.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok(TrackingUri::Other(uri.to_owned()));
    };
    let scheme = scheme.to_lowercase();
    // `postgresql+psycopg2`: the driver does not matter here.
    let kind = scheme.split('+').next().unwrap_or(&scheme);
    match kind {
        "http" | "https" => server(&scheme, rest),
        "sqlite" => {
            let path = rest.strip_prefix("///").unwrap_or_default();
            if path.is_empty() || path == ":memory:" {
                return Err(
                    "names no file; write `sqlite:///mlflow.db`, or `sqlite:////absolute/path.db`"
                        .to_owned(),
                );
            }
            Ok(TrackingUri::Sqlite(PathBuf::from(
                path.split('?').next().unwrap_or(path),
            )))
        }
        kind if OTHER.contains(&kind) => Ok(TrackingUri::Other(uri.to_owned())),
        _ => Err(format!(
            "has the unknown scheme `{scheme}`; known are http, https, sqlite, file (or a path), databricks, postgresql, mysql, mssql"
        )),
    }
}

/// User name and password within a server's URL.
pub(crate) fn credentials(uri: &str) -> Option<(String, SecretString)> {
    let url: reqwest::Url = uri.trim().parse().ok()?;
    let password = url.password()?;
    Some((
        decoded(url.username()),
        SecretString::from(decoded(password)),
    ))
}

fn server(scheme: &str, rest: &str) -> Result<TrackingUri, String> {
    let mut url: reqwest::Url = format!("{scheme}:{rest}")
        .parse()
        .map_err(|error| format!("is not a URL: {error}"))?;
    url.set_username("").ok();
    url.set_password(None).ok();
    url.set_query(None);
    url.set_fragment(None);
    Ok(TrackingUri::Server(
        url.as_str().trim_end_matches('/').to_owned(),
    ))
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// `%xx` undone; text that is not valid stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = (first == b'%')
            .then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn every_kind_is_known_by_its_scheme() {
        let server = |url: &str| TrackingUri::Server(url.to_owned());
        let other = |uri: &str| TrackingUri::Other(uri.to_owned());
        for (text, expected) in [
            ("https://u:p@h:5000/ml/", server("https://h:5000/ml")),
            ("HTTP://h", server("http://h")),
            (
                "sqlite:///mlflow.db",
                TrackingUri::Sqlite("mlflow.db".into()),
            ),
            ("sqlite:////a/b.db", TrackingUri::Sqlite("/a/b.db".into())),
            ("./mlruns", other("./mlruns")),
            ("file:///a/mlruns", other("file:///a/mlruns")),
            ("databricks://profile", other("databricks://profile")),
            (
                "postgresql+psycopg2://u:p@h/db",
                other("postgresql+psycopg2://u:p@h/db"),
            ),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        assert!(parse("ftp://h").unwrap_err().contains("known are http"));
        assert!(
            parse("sqlite://mlflow.db")
                .unwrap_err()
                .contains("sqlite:///")
        );
        assert!(parse(" ").is_err());
    }

    #[test]
    fn credentials_leave_the_url() {
        let (user, password) = credentials("https://u%40x:p%2Fw@h").unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("u@x", "p/w"));
        assert!(credentials("https://h").is_none());
    }
}
