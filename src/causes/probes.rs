//! Probes that do not pass, read together with what the server says about its own address.

use serde_json::Value;

use super::listen::{Address, addresses};
use super::text;
use super::{Cause, Seen, between, ended, last_error, shorten, specification, start};
use crate::code::Code;

/// A probe as it failed last.
struct Probe<'a> {
    /// `readiness`, `liveness` or `startup`.
    kind: &'a str,
    /// What the kubelet saw. Untrusted.
    saw: &'a str,
    /// Field of the container.
    field: String,
    specification: &'a Value,
}

/// Whether the probe is what matters: the container runs and never ended, or ended because it was told to.
pub(super) fn decides(seen: &Seen<'_>) -> bool {
    let Some(end) = ended(seen) else {
        return seen.container.pointer("/state/running").is_some();
    };
    // A server that stops in good order exits 0.
    let told = matches!(
        end.get("exitCode").and_then(Value::as_i64),
        Some(0 | 137 | 143)
    );
    told && start::killed_by_probe(seen)
}

/// What the failing probe means.
pub(super) fn recognise(seen: &Seen<'_>) -> Option<Cause> {
    let probe = last(seen)?;
    if let Some(status) = probe
        .saw
        .split_once("statuscode: ")
        .map(|(_, rest)| rest.trim())
        .filter(|_| probe.saw.contains("HTTP probe failed"))
    {
        return Some(answered(seen, &probe, status));
    }
    if probe.saw.contains("connection refused") {
        return Some(refused(seen, &probe));
    }
    let asked = asked(seen, &probe);
    if probe.saw.contains("context deadline exceeded")
        || probe.saw.contains("timed out")
        || probe.saw.contains("timeout")
    {
        let seconds = probe
            .specification
            .get("timeoutSeconds")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        return last_error(seen).filter(|cause| cause.code.is_some()).or_else(|| Some(
            Cause::new(None, format!("{asked} does not answer within {seconds} s"))
                .help(format!("raise `{0}.timeoutSeconds`, or let the handler answer without running the model", probe.field))
                .field(format!("{}.timeoutSeconds", probe.field)),
        ));
    }
    if probe
        .saw
        .contains("server gave HTTP response to HTTPS client")
        || probe.saw.contains("malformed HTTP response")
    {
        return Some(
            Cause::new(None, format!("{asked}: {}", probe.saw))
                .help("set the probe's `httpGet.scheme` to what the server speaks")
                .field(format!("{}.httpGet.scheme", probe.field)),
        );
    }
    if let Some(cause) = last_error(seen).filter(|cause| cause.code.is_some()) {
        return Some(cause);
    }
    Some(Cause::new(None, format!("{} probe: {}", probe.kind, probe.saw)).field(probe.field))
}

/// The last event about a probe; readiness is asked all the time, so the others tell more when they are there.
fn last<'a>(seen: &Seen<'a>) -> Option<Probe<'a>> {
    ["Startup", "Liveness", "Readiness"]
        .into_iter()
        .find_map(|kind| {
            let mark = format!("{kind} probe failed: ");
            let saw = seen
                .events
                .iter()
                .rev()
                .find_map(|event| event.split_once(&mark).map(|(_, saw)| saw))?;
            let (kind, field) = match kind {
                "Startup" => ("startup", "startupProbe"),
                "Liveness" => ("liveness", "livenessProbe"),
                _ => ("readiness", "readinessProbe"),
            };
            Some(Probe {
                kind,
                saw,
                field: field.to_owned(),
                specification: specification(seen).get(field).unwrap_or(&Value::Null),
            })
        })
}

/// The server answers the probe with an error.
fn answered(seen: &Seen<'_>, probe: &Probe<'_>, status: &str) -> Cause {
    let what = format!("{} answers {status}", asked(seen, probe));
    let cause = Cause::new(Code::ProbePath, &what).field(format!("{}.httpGet.path", probe.field));
    if status.starts_with('5') {
        // The handler's own error is what must be repaired.
        return match last_error(seen) {
            Some(inner) => Cause {
                code: inner.code.or(Some(Code::ProbePath)),
                what: shorten(&format!("{what}: {}", inner.what)),
                places: inner.places.into_iter().chain(cause.places).collect(),
                help: inner.help,
            },
            None => {
                cause.help("read the handler's error in the log; it answers with a server error")
            }
        };
    }
    match status {
        "404" => cause.help(format!(
            "set `{}.httpGet.path` to a path that the service answers, or add a handler for it",
            probe.field
        )),
        "401" | "403" => cause.help("let the path answer without a login; the kubelet has none"),
        "405" => cause.help("let the handler answer GET; probes ask with nothing else"),
        "400" => cause.help("the server may accept only its own host name (`ALLOWED_HOSTS`): set the probe's `httpGet.httpHeaders` to `Host`"),
        _ => cause,
    }
}

/// Nothing listens where the probe asks.
fn refused(seen: &Seen<'_>, probe: &Probe<'_>) -> Cause {
    let port = port(seen, probe);
    let listens = addresses(seen.log);
    let asked = asked(seen, probe);
    let field = ["httpGet", "tcpSocket", "grpc"]
        .iter()
        .find(|kind| probe.specification.get(**kind).is_some())
        .map_or(probe.field.clone(), |kind| {
            format!("{}.{kind}.port", probe.field)
        });
    let reached = |address: &&Address| !address.is_loopback() && Some(address.port) == port;
    if let (Some(port), None, Some(address)) = (port, listens.iter().find(reached), listens.last())
    {
        let all = listens.iter().find(|address| address.port == port);
        let cause = match all {
            Some(address) => Cause::new(
                Code::PortNotOpen,
                format!("the server listens on {address} only, which nothing outside of the container reaches; the {} probe asks port {port}", probe.kind),
            )
            .help("let the server listen on all addresses: `--bind 0.0.0.0:PORT` (gunicorn), `--host 0.0.0.0` (uvicorn, Flask)")
            .field("command"),
            None => Cause::new(
                Code::PortNotOpen,
                format!("the server listens on {address}, the {} probe asks port {port}", probe.kind),
            )
            .help(if address.is_loopback() {
                format!("let the server listen on 0.0.0.0:{port}")
            } else {
                format!("let the server listen on port {port}, or set the probe's and the container's port to {}", address.port)
            }),
        };
        return cause.field(field);
    }
    // A server that is still busy with an error says more than the port.
    if let Some(cause) = last_error(seen) {
        return cause;
    }
    if let Some(cause) = still_starting(seen, probe, port).filter(|_| listens.is_empty()) {
        return cause;
    }
    Cause::new(Code::PortNotOpen, format!("{asked}: connection refused"))
        .help("let the server listen on that port on 0.0.0.0, correct the probe, or give a slow start a `startupProbe`")
        .field(field)
}

/// A server that was killed before it listened anywhere, while its log shows that it was at work: it needs more time.
fn still_starting(seen: &Seen<'_>, probe: &Probe<'_>, port: Option<u16>) -> Option<Cause> {
    let last = seen.log.iter().rfind(|line| !line.trim().is_empty())?;
    // Once a startup probe has passed, the start is over.
    let started = probe.kind == "liveness" && specification(seen).get("startupProbe").is_some();
    if started || probe.kind == "readiness" || !start::killed_by_probe(seen) {
        return None;
    }
    let port = port.map_or("the probe's port".to_owned(), |port| format!("port {port}"));
    let what = format!(
        "the {} probe gave up before the server listened on {port}; it was still starting, its last line is `{}`",
        probe.kind,
        last.trim()
    );
    Some(match probe.kind {
        "startup" => Cause::new(None, what)
            .help("raise `startupProbe.failureThreshold`: times `periodSeconds` it must be longer than the start takes")
            .field("startupProbe.failureThreshold"),
        _ => Cause::new(None, what)
            .help("give it a `startupProbe` with the same request, whose `failureThreshold` times `periodSeconds` is longer than the start takes: the liveness probe waits for it")
            .field(&probe.field),
    })
}

/// What the probe asks, in words.
fn asked(seen: &Seen<'_>, probe: &Probe<'_>) -> String {
    let port = port(seen, probe).map_or(String::new(), |port| format!(" on port {port}"));
    if probe.specification.get("httpGet").is_some() {
        let path = text(probe.specification, "/httpGet/path");
        let path = if path.is_empty() { "/" } else { path };
        return format!("{} probe GET {path}{port}", probe.kind);
    }
    format!("{} probe{port}", probe.kind)
}

/// The probe's port; a name stands for the container's port of that name.
fn port(seen: &Seen<'_>, probe: &Probe<'_>) -> Option<u16> {
    let wanted = ["httpGet", "tcpSocket", "grpc"]
        .iter()
        .find_map(|kind| probe.specification.get(*kind)?.get("port"));
    let number = match wanted {
        Some(Value::String(name)) => specification(seen)
            .get("ports")?
            .as_array()?
            .iter()
            .find(|port| text(port, "/name") == name)?
            .get("containerPort")?
            .as_u64(),
        Some(number) => number.as_u64(),
        // The message names it too: `dial tcp 10.0.0.7:8080: connect: connection refused`.
        None => between(probe.saw, "dial tcp ", ": ")?
            .rsplit_once(':')?
            .1
            .parse()
            .ok(),
    };
    u16::try_from(number?).ok()
}
