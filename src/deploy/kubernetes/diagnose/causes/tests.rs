//! Recorded logs and states, each with the cause that a person would name; and the same words where they mean nothing.

use serde_json::json;

use super::*;

/// A log of `tests/fixtures/logs`.
fn recorded(name: &str) -> Vec<String> {
    let path = format!(
        "{}/tests/fixtures/logs/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {path}"));
    text.lines().map(str::to_owned).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn exited(code: i64) -> Value {
    json!({"name": "model", "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": code, "reason": "Error"}}})
}

fn running() -> Value {
    json!({"name": "model", "ready": false, "state": {"running": {}}})
}

fn pod() -> Value {
    json!({"spec": {"containers": [{"name": "model", "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"limits": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}}}]}})
}

fn cause(container: &Value, log: &[String], events: &[&str]) -> Option<Cause> {
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    recognise(&Seen {
        container,
        pod: &pod(),
        log,
        events: &events,
    })
}

/// Code, a part of the fragment and a part of the help of each recorded log, for a container that exits 1.
/// An empty code: the observation's own stays.
const RECORDED: &[(&str, &str, &str, &str)] = &[
    (
        "binary-numpy",
        "",
        "ValueError: numpy.dtype size changed",
        "pin `numpy`",
    ),
    (
        "binary-numpy2",
        "",
        "numpy.core.multiarray failed to import",
        "pin `numpy`",
    ),
    (
        "command-absent",
        "container-start",
        "exec: waitress-serve: not found",
        "install the program",
    ),
    (
        "cuda-library",
        "cuda-unavailable",
        "libcuda.so.1: cannot open shared object file",
        "",
    ),
    (
        "file-absent",
        "file-not-found",
        "'config/labels.json'",
        "COPY `config/labels.json`",
    ),
    (
        "gunicorn-attribute",
        "container-start",
        "attribute 'application' in 'serve'",
        "`serve:app`",
    ),
    (
        "gunicorn-chdir",
        "file-not-found",
        "can't chdir to '/srv/app'",
        "--chdir",
    ),
    (
        "host-mlflow",
        "host-unresolved",
        "the name of host mlflow.ml:5000 is not known",
        "",
    ),
    (
        "host-redis",
        "host-unresolved",
        "the name of host cache:6379 is not known",
        "",
    ),
    (
        "host-refused",
        "host-unresolved",
        "host 127.0.0.1:5432 does not answer",
        "the pod itself",
    ),
    (
        "host-requests",
        "host-unresolved",
        "the name of host features.internal:8080 is not known",
        "",
    ),
    (
        "import-libgl",
        "module-missing",
        "libGL.so.1: cannot open",
        "opencv-python-headless",
    ),
    (
        "import-name",
        "module-missing",
        "cannot import name 'Markup' from 'flask'",
        "`flask` has no `Markup`",
    ),
    ("key-missing", "", "KeyError: 'MODEL_PATH'", ""),
    (
        "memory-error",
        "out-of-memory",
        "(memory limit 64Mi)",
        "above 64Mi",
    ),
    (
        "memory-gunicorn",
        "out-of-memory",
        "was sent SIGKILL! Perhaps out of memory?",
        "fewer workers",
    ),
    (
        "memory-python",
        "out-of-memory",
        "MemoryError (memory limit 64Mi)",
        "above 64Mi",
    ),
    (
        "mlflow-unset",
        "variable-missing",
        "because MLFLOW_TRACKING_URI is not set",
        "`MLFLOW_TRACKING_URI`",
    ),
    (
        "model-absent",
        "model-not-found",
        "'/app/model/model.joblib'",
        "COPY the model to `/app/model/model.joblib`",
    ),
    (
        "model-hdf5",
        "pickle-mismatch",
        "file signature not found",
        "",
    ),
    (
        "model-keras-absent",
        "model-not-found",
        "filepath=absent.keras",
        "COPY the model to `absent.keras`",
    ),
    (
        "model-keras-layer",
        "pickle-mismatch",
        "could not be deserialized properly",
        "custom_objects",
    ),
    (
        "model-lightgbm",
        "pickle-mismatch",
        "Unknown model format",
        "",
    ),
    (
        "model-mlflow-absent",
        "model-not-found",
        "Registered Model with name=no-such-wine not found",
        "",
    ),
    (
        "model-mlflow-run-absent",
        "model-not-found",
        "RESOURCE_DOES_NOT_EXIST: Run with id=",
        "",
    ),
    (
        "model-xgboost",
        "pickle-mismatch",
        "Invalid model format",
        "",
    ),
    (
        "module-missing",
        "module-missing",
        "ModuleNotFoundError: No module named 'sklearn'",
        "add `scikit-learn`",
    ),
    (
        "module-missing-gunicorn",
        "module-missing",
        "No module named 'joblib'",
        "add `joblib`",
    ),
    (
        "module-optional",
        "",
        "ValueError: could not convert string to float: 'high'",
        "",
    ),
    (
        "module-own",
        "module-missing",
        "No module named 'features'",
        "",
    ),
    (
        "permission-port",
        "permission-denied",
        "('0.0.0.0', 80) failed: [Errno 13]",
        "below port 1024",
    ),
    (
        "permission-port-uvicorn",
        "permission-denied",
        "('0.0.0.0', 80): permission denied",
        "below port 1024",
    ),
    (
        "permission-shell",
        "permission-denied",
        "./serve.py: Permission denied",
        "chmod +x",
    ),
    (
        "permission-write",
        "permission-denied",
        "PermissionError: [Errno 13] Permission denied: '/var/cache/model'",
        "",
    ),
    (
        "pickle-attribute",
        "pickle-mismatch",
        "Can't get attribute 'Scaler'",
        "`Scaler` was defined in the training script",
    ),
    (
        "pickle-garbage",
        "model-not-found",
        "invalid load key, 'v'",
        "Git LFS",
    ),
    (
        "pickle-generator",
        "pickle-mismatch",
        "is not a known BitGenerator",
        "`numpy`",
    ),
    (
        "pickle-numpy",
        "pickle-mismatch",
        "No module named 'numpy._core'",
        "`numpy`",
    ),
    (
        "pickle-protocol",
        "pickle-mismatch",
        "unsupported pickle protocol: 6",
        "newer Python",
    ),
    (
        "pickle-sklearn",
        "pickle-mismatch",
        "No module named '_loss'",
        "",
    ),
    (
        "pickle-sklearn-predict",
        "pickle-mismatch",
        "no attribute '_fill_dtype'",
        "`scikit-learn==1.5.2`",
    ),
    (
        "pickle-sklearn-strict",
        "pickle-mismatch",
        "InconsistentVersionWarning",
        "`scikit-learn==1.5.2`",
    ),
    (
        "plain-exception",
        "",
        "ValueError: could not convert string to float: 'high'",
        "",
    ),
    (
        "plain-exception-gunicorn",
        "",
        "RuntimeError: feature store answers nothing",
        "",
    ),
    (
        "port-in-use-flask",
        "port-in-use",
        "Port 8080 is in use",
        "",
    ),
    (
        "port-in-use-gunicorn",
        "port-in-use",
        "Connection in use: ('0.0.0.0', 8080)",
        "",
    ),
    (
        "port-in-use-uvicorn",
        "port-in-use",
        "address already in use",
        "",
    ),
    ("probe-500", "", "ZeroDivisionError: division by zero", ""),
    (
        "read-only",
        "permission-denied",
        "Read-only file system: '/var/log/requests.jsonl'",
        "`emptyDir`",
    ),
    (
        "script-absent",
        "file-not-found",
        "can't open file '/app/server.py'",
        "COPY it to `/app/server.py`",
    ),
    ("segfault", "", "Fatal Python error: Segmentation fault", ""),
    ("syntax", "", "SyntaxError: invalid syntax", ""),
    (
        "uvicorn-attribute",
        "container-start",
        "Attribute \"application\" not found",
        "`serve:app`",
    ),
    (
        "uvicorn-module",
        "module-missing",
        "Could not import module \"main\"",
        "",
    ),
    (
        "variable-missing",
        "variable-missing",
        "KeyError: 'MODEL_PATH'",
        "set `MODEL_PATH` under `env`",
    ),
];

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
    for (name, code, what, help) in RECORDED {
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
        RECORDED.len() + HARMLESS.len(),
        "a recorded log has no line in the table"
    );
}

/// Messages of programs that are too large to be recorded here, as their sources write them.
#[test]
fn quoted_messages_are_named() {
    let raised = |exception: &str| {
        lines(&format!(
            "Traceback (most recent call last):\n  File \"/app/serve.py\", line 3, in <module>\n    load()\n  File \"/usr/lib/python3/dist-packages/torch/serialization.py\", line 9, in load\n    raise\n{exception}"
        ))
    };
    for (exception, code) in [
        (
            "AssertionError: Torch not compiled with CUDA enabled",
            "cuda-unavailable",
        ),
        (
            "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
            "cuda-unavailable",
        ),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
            "cuda-unavailable",
        ),
        (
            "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version",
            "cuda-unavailable",
        ),
        (
            "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
            "cuda-unavailable",
        ),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            "cuda-unavailable",
        ),
        (
            "RuntimeError: [enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory",
            "out-of-memory",
        ),
        (
            "RuntimeError: Error(s) in loading state_dict for Net:",
            "pickle-mismatch",
        ),
        (
            "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
            "pickle-mismatch",
        ),
        (
            "_pickle.UnpicklingError: Weights only load failed.",
            "pickle-mismatch",
        ),
        (
            "ValueError: Unknown layer: 'Scale'. Please ensure you are using a `keras.utils.custom_object_scope`",
            "pickle-mismatch",
        ),
        (
            "ValueError: node array from the pickle has an incompatible dtype:",
            "pickle-mismatch",
        ),
        (
            "TypeError: code expected at most 16 arguments, got 18",
            "pickle-mismatch",
        ),
        (
            "ModuleNotFoundError: No module named 'sklearn.ensemble.forest'",
            "pickle-mismatch",
        ),
        (
            "OSError: wine is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
            "model-not-found",
        ),
        (
            "psycopg2.OperationalError: could not translate host name \"db\" to address: Name or service not known",
            "host-unresolved",
        ),
        (
            "pymongo.errors.ServerSelectionTimeoutError: db:27017: [Errno -2] Name or service not known",
            "host-unresolved",
        ),
        ("OSError: [Errno 98] Address already in use", "port-in-use"),
        (
            "decouple.UndefinedValueError: MODEL_PATH not found. Declare it as envvar or define a default value.",
            "variable-missing",
        ),
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nmodel_path\n  Field required [type=missing, input_value={}, input_type=dict]",
            "variable-missing",
        ),
        (
            "ImportError: libgomp.so.1: cannot open shared object file: No such file or directory",
            "module-missing",
        ),
    ] {
        let found = cause(&exited(1), &raised(exception), &[]).unwrap();
        assert_eq!(
            found.code.map_or("", Code::slug),
            code,
            "{exception}: {found:?}"
        );
    }
    for (line, code) in [
        (
            "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
            "permission-denied",
        ),
        (
            "2026/01/01 00:00:00 listen tcp :8080: bind: address already in use",
            "port-in-use",
        ),
        (
            "Error: listen EADDRINUSE: address already in use :::3000",
            "port-in-use",
        ),
        (
            "exec /usr/local/bin/python3: exec format error",
            "exec-format",
        ),
        ("sh: exec: line 2: /tmp/x: Exec format error", "exec-format"),
        (
            "/app/run: line 1: \u{7f}ELF\u{fffd}: not found",
            "exec-format",
        ),
        (
            "exec ./entrypoint.sh: no such file or directory",
            "container-start",
        ),
        (
            "/usr/bin/env: 'python': No such file or directory",
            "container-start",
        ),
        (
            "bash: line 1: gunicorn: command not found",
            "container-start",
        ),
        ("sh: 1: MODEL_PATH: parameter not set", "variable-missing"),
        (
            "/usr/bin/python3: No module named gunicorn",
            "module-missing",
        ),
        (
            "/usr/bin/python3: Error while finding module specification for 'serve.app' (ModuleNotFoundError: No module named 'serve')",
            "module-missing",
        ),
        (
            "  what():  CUDA error: no CUDA-capable device is detected",
            "cuda-unavailable",
        ),
        (
            "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
            "out-of-memory",
        ),
    ] {
        let found = cause(&exited(1), &lines(line), &[]).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(found.code.map_or("", Code::slug), code, "{line}: {found:?}");
    }
}

/// The words of every rule where no rule may act.
#[test]
fn words_that_only_mention_an_error_are_none() {
    for line in [
        "INFO: ModuleNotFoundError: No module named 'xgboost' was handled",
        "No module named 'xgboost', falling back",
        "WARNING: ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "InconsistentVersionWarning: Trying to unpickle estimator X from version 1.5.2 when using version 1.9.1.",
        "checked for MemoryError and OOMKilled: none",
        "Perhaps out of memory? no: 2 GiB are free",
        "[INFO] Worker (pid:7) was sent SIGTERM!",
        "exec format error is what users see on arm64",
        "loaded ELF: not found",
        "2026-01-01 could not open window: cudart64 not found: CUDA driver version is insufficient",
        "W external: failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
        "permission denied",
        "user bob: permission denied",
        "GET /a.txt: no such file or directory",
        "FileNotFoundError: [Errno 2] No such file or directory: 'cache.json' (will be made)",
        "RESOURCE_DOES_NOT_EXIST: alias is not set yet",
        "address already in use? trying the next port",
        "KeyError: 'MODEL_PATH'",
        "Connection refused, will try again",
        "the command was not found",
        "Failed to resolve dependencies of the day",
        "what is this:  CUDA",
        "Killed 3 old sessions",
        "parameter not set: using the default",
        "Fatal Python",
    ] {
        assert_eq!(cause(&exited(1), &lines(line), &[]), None, "{line}");
    }
    let raised = |exception: &str| {
        lines(&format!(
            "Traceback (most recent call last):\n  File \"/app/serve.py\", line 3, in f\n    g(x)\n{exception}"
        ))
    };
    // Exceptions that look like one of ours: the observation's code stays.
    for exception in [
        "KeyError: 'MODEL_PATH'",
        "ValueError: CUDA is no colour",
        "AttributeError: 'Model' object has no attribute 'predict'",
        "TypeError: code must be a number, not an argument",
        "ImportError: cannot import name 'build' from 'features' (/app/features.py)",
        "ImportError: cannot import name 'a' from partially initialized module 'b' (most likely due to a circular import) (/app/b.py)",
        "RuntimeError: Connection refused by the user",
        "ValueError: Run 'train.py' first",
        "pydantic.ValidationError: 1 validation error for Request\nrow\n  Field required [type=missing, input_value={}, input_type=dict]",
        "OSError: [Errno 5] Input/output error",
        "ZeroDivisionError: division by zero",
    ] {
        let found = cause(&exited(1), &raised(exception), &[]).unwrap();
        assert_eq!(found.code, None, "{exception}: {found:?}");
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

#[test]
fn a_page_of_text_becomes_one_short_line() {
    let log = lines(&format!(
        "Traceback (most recent call last):\n  File \"/app/a.py\", line 1, in f\nValueError: {}",
        "x ".repeat(900)
    ));
    let found = cause(&exited(1), &log, &[]).unwrap();
    assert!(found.what.chars().count() <= MOST + 1);
}
