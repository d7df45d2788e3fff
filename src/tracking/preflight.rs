//! Whether the tracking server answers and lets us in, before a training is paid for. Reads only.

use std::time::Duration;

use reqwest::StatusCode;

use super::client;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::failure;
use crate::plan::{TrackingSpec, TrackingUri};

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Findings about the tracking server; none for stores without one.
pub(crate) async fn preflight(spec: &TrackingSpec) -> Vec<Diagnostic> {
    match &spec.uri {
        TrackingUri::Server(url) => ask(spec, url).await.err().into_iter().collect(),
        TrackingUri::Sqlite(_) | TrackingUri::Other(_) => Vec::new(),
    }
}

async fn ask(spec: &TrackingSpec, url: &str) -> Result<(), Diagnostic> {
    let failed = |why: &str| {
        Diagnostic::error(
            Code::TrackingUnreachable,
            format!("failed to reach the tracking server `{url}`: {why}"),
        )
    };
    let client = client::client(LIMIT).map_err(|error| failed(&failure::chain(&error)))?;
    let request = client
        .get(format!("{url}/api/2.0/mlflow/experiments/search"))
        .query(&[("max_results", "1")]);
    let response = client::authorised(request, spec)
        .send()
        .await
        .map_err(|error| failed(&in_words(error)))?;
    let status = response.status();
    if status.is_success() {
        return match response.json::<serde_json::Value>().await {
            Ok(answer) if answer.is_object() => Ok(()),
            _ => Err(failed("it answers, but it is no MLflow server")),
        };
    }
    let said = client::said(response).await;
    Err(match status {
        // MLflow 3 checks the name that it is called by.
        StatusCode::FORBIDDEN if said.contains("Host header") => failed(&said)
            .help("start the server with `--allowed-hosts` and the name in `mlflow-tracking-uri`"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let as_whom = match (&spec.username, &spec.token) {
                (Some(username), _) => format!("user `{username}`"),
                (None, Some(_)) => "the token".to_owned(),
                (None, None) => "requests without credentials".to_owned(),
            };
            Diagnostic::error(
                Code::TrackingDenied,
                format!("tracking server `{url}` refuses {as_whom}: {said}"),
            )
        }
        StatusCode::NOT_FOUND => failed("it answers, but it is no MLflow server (404)"),
        _ => failed(&said),
    })
}

/// Why there was no answer, for a person.
fn in_words(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let chain = failure::chain(&error.without_url().into());
    let lower = chain.to_lowercase();
    let said = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if timed_out {
        format!("no answer within {} s", LIMIT.as_secs())
    } else if said(&["dns error", "failed to lookup", "name or service not known"]) {
        "its name is not known (DNS)".to_owned()
    } else if said(&["connection refused"]) {
        "connection refused: nothing listens there".to_owned()
    } else if said(&["certificate", "unknownissuer"]) {
        format!(
            "its certificate is not trusted ({chain}); give the company CA through SSL_CERT_FILE"
        )
    } else if said(&["invalid message", "corrupt message", "invalidcontenttype"]) {
        "it does not speak TLS; is it `http://`?".to_owned()
    } else {
        chain
    }
}
