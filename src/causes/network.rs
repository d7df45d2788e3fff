//! Hosts that a service needs and does not reach, and ports that it cannot take.

use super::{Cause, between};
use crate::code::Code;

/// Signs that a name is not known.
const UNKNOWN: &[&str] = &[
    "Name or service not known",
    "Temporary failure in name resolution",
    "No address associated with hostname",
    "nodename nor servname provided",
    "could not translate host name",
    "Failed to resolve",
];

/// Signs that a host is known and does not answer.
const SILENT: &[&str] = &[
    "Connection refused",
    "Network is unreachable",
    "No route to host",
    "Connection timed out",
    "timed out",
    "Max retries exceeded",
    "All connection attempts failed",
    "We couldn't connect to",
];

/// Exceptions about ports and hosts.
pub(super) fn recognise(kind: &str, what: &str, message: &str) -> Option<Cause> {
    if message.starts_with("[Errno 98]") || message.starts_with("[Errno 48]") {
        return Some(in_use(what));
    }
    let about = kind.ends_with("ConnectionError")
        || kind.ends_with("ConnectError")
        || matches!(
            kind,
            "gaierror"
                | "ConnectionRefusedError"
                | "OperationalError"
                | "URLError"
                | "MaxRetryError"
                | "NewConnectionError"
                | "NameResolutionError"
                | "ConnectTimeout"
                | "ConnectTimeoutError"
                | "ConnectionTimeout"
                | "ServerSelectionTimeoutError"
                | "AutoReconnect"
                | "NoBrokersAvailable"
                | "MlflowException"
                | "LocalEntryNotFoundError"
                | "OSError"
        );
    let unknown = UNKNOWN.iter().any(|sign| message.contains(sign));
    let silent = SILENT.iter().any(|sign| message.contains(sign));
    if !about || !(unknown || silent) {
        return None;
    }
    let host = host(message);
    let said = match (&host, unknown) {
        (Some(host), true) => format!("the name of host {host} is not known ({kind})"),
        (Some(host), false) => format!("host {host} does not answer ({kind})"),
        (None, _) => what.to_owned(),
    };
    let cause = Cause::new(Code::HostUnresolved, said);
    let local = host.as_deref().is_some_and(|host| {
        host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("0.0.0.0")
    });
    Some(if local {
        cause.help("in a pod this address is the pod itself: use the name of the Service, such as `mlflow.ml.svc:5000`")
    } else {
        cause
    })
}

/// A port that another process has.
pub(super) fn in_use(what: &str) -> Cause {
    Cause::new(Code::PortInUse, what).field("ports[0].containerPort")
}

/// The host that an error names, with its port where it says one.
fn host(message: &str) -> Option<String> {
    if let Some(host) = between(message, "host='", "'") {
        let port = between(message, "port=", ")").filter(|port| digits(port));
        return Some(match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        });
    }
    if let Some(rest) = message.split("connecting to ").nth(1) {
        let host = rest.split([' ', ',']).next()?;
        return clean(host);
    }
    if let Some(host) = between(message, "could not translate host name \"", "\"") {
        return clean(host);
    }
    if let Some(host) = between(message, "connection to server at \"", "\"") {
        let port = between(message, "port ", " ").filter(|port| digits(port));
        return Some(match port {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        });
    }
    if let Some(rest) = message.split("://").nth(1) {
        // A password in the URL stands before the `@`.
        let host = rest.split(['/', ' ', '\'', '"', '?']).next()?;
        return clean(host.rsplit('@').next().unwrap_or(host));
    }
    clean(message.split(": [Errno").next()?)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

/// A host's name with an optional port, and nothing else.
fn clean(text: &str) -> Option<String> {
    let text = text.trim_end_matches(['.', ',', ':']);
    let valid = !text.is_empty()
        && text.len() <= 260
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    valid.then(|| text.to_owned())
}
