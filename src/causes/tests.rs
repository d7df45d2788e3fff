//! Recorded logs and states, each with the cause that a person would name; and the same words where they mean nothing.

use serde_json::json;

use super::*;

/// A log of `tests/fixtures/logs`.
pub(super) fn recorded(name: &str) -> Vec<String> {
    let path = format!(
        "{}/tests/fixtures/logs/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {path}"));
    text.lines().map(str::to_owned).collect()
}

pub(super) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

pub(super) fn exited(code: i64) -> Value {
    json!({"name": "model", "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": code, "reason": "Error"}}})
}

pub(super) fn running() -> Value {
    json!({"name": "model", "ready": false, "state": {"running": {}}})
}

fn pod() -> Value {
    json!({"spec": {"containers": [{"name": "model", "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}}}]}})
}

pub(super) fn cause(container: &Value, log: &[String], events: &[&str]) -> Option<Cause> {
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    recognise(&Seen {
        container,
        pod: &pod(),
        log,
        events: &events,
    })
}

/// A table of `tests/fixtures/causes`: columns by tabs, `#` begins a comment, `\\n` is a new line.
fn table(name: &str) -> Vec<Vec<String>> {
    let path = format!(
        "{}/tests/fixtures/causes/{name}.tsv",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        line.split('\t')
            .map(|cell| cell.replace("\\n", "\n"))
            .collect()
    })
    .collect()
}

/// Recorded logs of servers that have no error of their own.
const HARMLESS: &[&str] = &[
    "healthy",
    "listen-flask-loopback",
    "listen-gunicorn-loopback",
    "listen-gunicorn-other",
    "listen-http-server",
    "listen-uvicorn-loopback",
    "probe-path",
];

#[test]
fn recorded_logs_are_named() {
    let table = table("recorded");
    for row in &table {
        let [name, code, what, help] = row.as_slice() else {
            panic!("{row:?}");
        };
        let found = cause(&exited(1), &recorded(name), &[]).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(
            found.code.map_or("", Code::slug),
            *code,
            "{name}: {found:?}"
        );
        assert!(found.what.contains(what), "{name}: {found:?}");
        let said = found.help.unwrap_or_default();
        assert!(said.contains(help), "{name}: {said}");
    }
    for name in HARMLESS {
        assert_eq!(cause(&exited(1), &recorded(name), &[]), None, "{name}");
    }
    let folder = format!("{}/tests/fixtures/logs", env!("CARGO_MANIFEST_DIR"));
    let all = std::fs::read_dir(folder).unwrap().flatten();
    let logs = all.filter(|entry| entry.path().extension().is_some_and(|end| end == "txt"));
    assert_eq!(
        logs.count(),
        table.len() + HARMLESS.len(),
        "a recorded log has no line in the table"
    );
}

/// A log that ends with the exception, or is the line.
fn log_of(kind: &str, text: &str) -> Vec<String> {
    match kind {
        "exception" => lines(&format!(
            "Traceback (most recent call last):\n  File \"/app/serve.py\", line 3, in f\n    load()\n  File \"/usr/lib/python3/dist-packages/torch/serialization.py\", line 9, in load\n    g(x)\n{text}"
        )),
        _ => lines(text),
    }
}

#[test]
fn quoted_messages_are_named() {
    for row in table("quoted") {
        let found = cause(&exited(1), &log_of(&row[1], &row[2]), &[]);
        let found = found.unwrap_or_else(|| panic!("{row:?}"));
        assert_eq!(
            found.code.map_or("", Code::slug),
            row[0],
            "{row:?}: {found:?}"
        );
    }
}

/// The words of every rule where no rule may act.
#[test]
fn words_that_only_mention_an_error_are_none() {
    for row in table("harmless") {
        let found = cause(&exited(1), &log_of(&row[0], &row[1]), &[]);
        match row[0].as_str() {
            "exception" => assert_eq!(found.and_then(|found| found.code), None, "{row:?}"),
            _ => assert_eq!(found, None, "{row:?}"),
        }
    }
}

#[test]
fn the_last_error_wins_and_a_server_that_came_up_ends_the_search() {
    let early = recorded("module-missing");
    let with = |more: &str| {
        let mut log = early.clone();
        log.extend(lines(more));
        log
    };
    let found = cause(&exited(1), &with("sh: 1: gunicorn: not found"), &[]).unwrap();
    assert_eq!(found.code, Some(Code::ContainerStart));
    let found = cause(
        &exited(3),
        &with("[2026] [7] [INFO] Listening at: http://0.0.0.0:8080 (7)"),
        &[],
    );
    assert_eq!(found, None);
}

#[test]
fn a_wrapping_exception_leaves_the_word_to_its_cause() {
    let chain = |tie: &str, source: &str, last: &str| {
        lines(&format!(
            "Traceback (most recent call last):\n  File \"/app/serve.py\", line 3, in f\n    import sklearn\nModuleNotFoundError: No module named 'sklearn'\n\n{tie}\n\nTraceback (most recent call last):\n  File \"/app/serve.py\", line 5, in f\n    {source}\n{last}"
        ))
    };
    const CAUSE: &str = "The above exception was the direct cause of the following exception:";
    const HANDLING: &str = "During handling of the above exception, another exception occurred:";
    for tie in [CAUSE, HANDLING] {
        let found = cause(
            &exited(1),
            &chain(
                tie,
                "raise RuntimeError(\"no model\")",
                "RuntimeError: no model",
            ),
            &[],
        )
        .unwrap();
        assert_eq!(found.code, Some(Code::ModuleMissing));
        assert_eq!(
            found.what,
            "ModuleNotFoundError: No module named 'sklearn' (RuntimeError: no model)"
        );
    }
    // The handler itself is wrong, or its error is one that we know.
    let found = cause(
        &exited(1),
        &chain(HANDLING, "float(\"x\")", "ValueError: x"),
        &[],
    )
    .unwrap();
    assert_eq!((found.code, found.what.as_str()), (None, "ValueError: x"));
    let found = cause(&exited(1), &chain(CAUSE, "raise", "MemoryError"), &[]).unwrap();
    assert_eq!(found.code, Some(Code::OutOfMemory));
}

#[test]
fn the_runtime_goes_before_the_log() {
    let killed =
        json!({"name": "model", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}});
    let found = cause(&killed, &recorded("module-missing"), &[]).unwrap();
    assert_eq!(found.code, Some(Code::OutOfMemory));
    assert_eq!(found.what, "it needs more memory than its limit of 64Mi");
    assert_eq!(
        found.places,
        [Place::Field("resources.limits.memory".to_owned())]
    );
    let waiting = |reason: &str, message: &str| {
        let container =
            json!({"name": "model", "state": {"waiting": {"reason": reason, "message": message}}});
        cause(&container, &[], &[]).and_then(|cause| cause.code)
    };
    for (reason, message, code) in [
        (
            "RunContainerError",
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"gunicorn\": executable file not found in $PATH: unknown",
            Some(Code::ContainerStart),
        ),
        (
            "RunContainerError",
            "… unable to start container process: exec: \"/app/run\": permission denied: unknown",
            Some(Code::PermissionDenied),
        ),
        (
            "RunContainerError",
            "… unable to start container process: exec /app/run: exec format error: unknown",
            Some(Code::ExecFormat),
        ),
        (
            "RunContainerError",
            "… error running hook #0: nvidia-container-cli: initialization error: nvml error: driver not loaded",
            Some(Code::CudaUnavailable),
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root (pod: \"x\", container: model)",
            Some(Code::PermissionDenied),
        ),
        ("CreateContainerConfigError", "secret \"x\" not found", None),
        ("ImagePullBackOff", "exec format error", None),
        ("RunContainerError", "context deadline exceeded", None),
    ] {
        assert_eq!(waiting(reason, message), code, "{message}");
    }
}

#[test]
fn exit_codes_mean_something_when_nothing_else_is_known() {
    let what = |code| cause(&exited(code), &[], &[]).map(|cause| (cause.code, cause.what));
    assert_eq!(what(126).unwrap().0, Some(Code::ContainerStart));
    assert_eq!(what(127).unwrap().0, Some(Code::ContainerStart));
    assert_eq!(
        what(139).unwrap(),
        (None, "crash in native code (SIGSEGV)".to_owned())
    );
    assert_eq!(
        what(143).unwrap(),
        (None, "it was told to stop (SIGTERM)".to_owned())
    );
    assert_eq!(what(137).unwrap().0, None);
    assert_eq!(what(1), None);
    assert_eq!(what(0), None);
    // With its own words, an exit code adds nothing.
    let found = cause(&exited(139), &recorded("segfault"), &[]).unwrap();
    assert_eq!(found.what, "Fatal Python error: Segmentation fault");
    let shell = cause(&exited(137), &lines("loading\nKilled"), &[]).unwrap();
    assert_eq!(shell.code, Some(Code::OutOfMemory));
    assert_eq!(cause(&exited(1), &lines("loading\nKilled"), &[]), None);
}

#[test]
fn gunicorn_kills_a_silent_worker_itself() {
    let log = lines(
        "[2026] [1] [CRITICAL] WORKER TIMEOUT (pid:7)\n[2026] [1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?",
    );
    let found = cause(&exited(1), &log, &[]).unwrap();
    assert_eq!(found.code, None);
    assert!(found.help.unwrap().contains("--timeout"));
}

#[test]
fn a_page_of_text_becomes_one_short_line() {
    let log = lines(&format!(
        "Traceback (most recent call last):\n  File \"/app/a.py\", line 1, in f\nValueError: {}",
        "x ".repeat(900)
    ));
    let found = cause(&exited(1), &log, &[]).unwrap();
    assert!(found.what.chars().count() <= MOST + 1);
}
