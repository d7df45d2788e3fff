//! Probes that do not pass, beside what the server said of itself.

use super::tests::{cause, exited, lines, recorded, running};
use super::*;

const REFUSED: &str = "Unhealthy: Readiness probe failed: Get \"http://10.244.0.9:8080/healthz\": dial tcp 10.244.0.9:8080: connect: connection refused";

#[test]
fn the_address_of_the_server_is_compared_with_the_probes_port() {
    for (name, what) in [
        (
            "listen-gunicorn-loopback",
            "the server listens on 127.0.0.1:8000, the readiness probe asks port 8080",
        ),
        (
            "listen-uvicorn-loopback",
            "the server listens on 127.0.0.1:8000, the readiness probe asks port 8080",
        ),
        (
            "listen-flask-loopback",
            "the server listens on 127.0.0.1:5000, the readiness probe asks port 8080",
        ),
        (
            "listen-gunicorn-other",
            "the server listens on 0.0.0.0:5000, the readiness probe asks port 8080",
        ),
        (
            "listen-http-server",
            "the server listens on 0.0.0.0:9000, the readiness probe asks port 8080",
        ),
    ] {
        let found = cause(&running(), &recorded(name), &[REFUSED]).unwrap();
        assert_eq!(
            (found.code, found.what.as_str()),
            (Some(Code::PortNotOpen), what),
            "{name}"
        );
        assert_eq!(
            found.places.last(),
            Some(&Place::Field("readinessProbe.httpGet.port".to_owned()))
        );
    }
    let local = lines("INFO:     Uvicorn running on http://127.0.0.1:8080 (Press CTRL+C to quit)");
    let found = cause(&running(), &local, &[REFUSED]).unwrap();
    assert!(found.what.contains("127.0.0.1:8080 only"), "{}", found.what);
    let found = cause(&running(), &lines("loading the model"), &[REFUSED]).unwrap();
    assert_eq!(
        found.what,
        "readiness probe GET /healthz on port 8080: connection refused"
    );
    // A container that exits refuses connections in between; its log says why.
    let found = cause(&exited(1), &recorded("module-missing"), &[REFUSED]).unwrap();
    assert_eq!(found.code, Some(Code::ModuleMissing));
    // Without a probe that fails, an address is no fault.
    assert_eq!(
        cause(&running(), &recorded("listen-flask-loopback"), &[]),
        None
    );
}

#[test]
fn a_server_that_is_killed_while_it_starts_needs_a_startup_probe() {
    const KILLING: &str = "Killing: Container model failed liveness probe, will be restarted";
    let refused = |kind: &str| REFUSED.replace("Readiness", kind);
    let loading = lines("loading the model\n");
    let killed = |log: &[String], kind: &str, killing: &str| {
        cause(&exited(137), log, &[&refused(kind), killing]).unwrap()
    };
    let found = killed(&loading, "Liveness", KILLING);
    assert_eq!(found.code, None);
    assert_eq!(
        found.what,
        "the liveness probe gave up before the server listened on port 8080; it was still starting, its last line is `loading the model`"
    );
    assert!(found.help.unwrap().contains("`startupProbe`"));
    let found = killed(&loading, "Startup", &KILLING.replace("liveness", "startup"));
    assert!(
        found
            .help
            .unwrap()
            .contains("startupProbe.failureThreshold")
    );
    // It says nothing, or listens elsewhere: that is no sign of a slow start.
    assert_eq!(
        killed(&[], "Liveness", KILLING).code,
        Some(Code::PortNotOpen)
    );
    let elsewhere = recorded("listen-uvicorn-loopback");
    let found = killed(&elsewhere, "Liveness", KILLING);
    assert_eq!(found.code, Some(Code::PortNotOpen));
    // A server that stopped with an error of its own has another cause.
    let found = killed(&recorded("module-missing"), "Liveness", KILLING);
    assert_eq!(found.code, Some(Code::ModuleMissing));
}

#[test]
fn a_probe_that_is_answered_with_an_error() {
    let answered = |status: u16| {
        format!("Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: {status}")
    };
    let found = cause(&running(), &recorded("probe-path"), &[&answered(404)]).unwrap();
    assert_eq!(found.code, Some(Code::ProbePath));
    assert_eq!(
        found.what,
        "readiness probe GET /healthz on port 8080 answers 404"
    );
    assert_eq!(
        found.places,
        [Place::Field("readinessProbe.httpGet.path".to_owned())]
    );
    let found = cause(&running(), &[], &[&answered(405)]).unwrap();
    assert!(found.help.unwrap().contains("GET"));
    let found = cause(&running(), &recorded("probe-500"), &[&answered(500)]).unwrap();
    assert_eq!(found.code, Some(Code::ProbePath));
    assert_eq!(
        found.what,
        "readiness probe GET /healthz on port 8080 answers 500: ZeroDivisionError: division by zero"
    );
    assert!(matches!(found.places.first(), Some(Place::Frames(_))));
    // The kubelet killed it for another probe: that one counts.
    let killing = "Killing: Container model failed liveness probe, will be restarted";
    let live = "Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 503";
    let found = cause(&exited(143), &[], &[&answered(404), live, killing]).unwrap();
    assert_eq!(
        found.what,
        "liveness probe GET /live on port 8080 answers 503"
    );
    // It was killed before, but ended by itself the last time.
    let found = cause(
        &exited(3),
        &recorded("module-missing"),
        &[&answered(404), live, killing],
    );
    assert_eq!(found.unwrap().code, Some(Code::ModuleMissing));
    let slow = "Unhealthy: Readiness probe failed: Get \"http://x:8080/healthz\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let found = cause(&running(), &[], &[slow]).unwrap();
    assert_eq!(
        (found.code, found.what.as_str()),
        (
            None,
            "readiness probe GET /healthz on port 8080 does not answer within 1 s"
        )
    );
    // A word in another event is no answer of a probe.
    assert_eq!(cause(&running(), &[], &["BackOff: statuscode: 404"]), None);
}
