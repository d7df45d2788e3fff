//! Models that do not load: written by other versions, not there, or not what they should be.

use super::text;
use super::traceback::Traceback;
use super::{Cause, Place, Seen, between, quoted, specification};
use crate::code::Code;
use serde_json::Value;

/// Functions and files that a traceback passes when a model is loaded.
const LOADERS: &[&str] = &[
    "pickle.py",
    "numpy_pickle",
    "cloudpickle",
    "/dill/",
    "/torch/serialization",
    "/mlflow/",
    "/skops/",
];

/// Endings of files that are models.
const ENDINGS: &[&str] = &[
    ".pkl",
    ".pickle",
    ".joblib",
    ".sav",
    ".pt",
    ".pth",
    ".ckpt",
    ".onnx",
    ".h5",
    ".hdf5",
    ".keras",
    ".pb",
    ".tflite",
    ".safetensors",
    ".gguf",
    ".cbm",
    ".bst",
    ".ubj",
    ".skops",
    ".mar",
    "MLmodel",
];

/// Models that do not load.
pub(super) fn recognise(seen: &Seen<'_>, raised: &Traceback, what: &str) -> Option<Cause> {
    let (kind, message) = raised.parts();
    registry(seen, raised, what, message)
        .or_else(|| absent(raised, kind, what, message))
        .or_else(|| pickle(seen, raised, what))
        .or_else(|| format(kind, what, message))
}

fn mismatch(seen: &Seen<'_>, what: &str) -> Cause {
    let cause = Cause::new(Code::PickleMismatch, what).at(Place::Requirements);
    match trained_with(seen) {
        Some((version, here)) => cause.help(format!(
            "install `scikit-learn=={version}`, which wrote the model, in the image instead of {here}, or train again with {here}"
        )),
        None => cause,
    }
}

/// The versions in scikit-learn's own warning, when it is in the log: of the model, and of the image.
fn trained_with<'a>(seen: &Seen<'a>) -> Option<(&'a str, &'a str)> {
    let line = seen
        .log
        .iter()
        .rfind(|line| line.contains("Trying to unpickle estimator "))?;
    let version = between(line, "from version ", " when using version ")?;
    let here = line.split_once(" when using version ")?.1;
    let here = here
        .split(|c: char| c.is_whitespace())
        .next()?
        .trim_end_matches('.');
    Some((version, here))
}

/// Whether the exception was raised while a model was loaded.
fn loads(raised: &Traceback) -> bool {
    LOADERS.iter().any(|part| raised.passes(part))
}

fn pickle(seen: &Seen<'_>, raised: &Traceback, what: &str) -> Option<Cause> {
    let (kind, message) = raised.parts();
    match kind {
        "ModuleNotFoundError" => {
            let module = message.strip_prefix("No module named ").and_then(quoted)?;
            let numpy = module.starts_with("numpy._core") || module.starts_with("numpy.core");
            // A module that no one installs by itself: the library had it in the version that wrote the model.
            let inner = loads(raised) && (module.contains('.') || module.starts_with('_'));
            if numpy {
                let help = "the model was written with another major version of `numpy`: install the one that trained in the image";
                return Some(mismatch(seen, what).help(help));
            }
            inner.then(|| mismatch(seen, what))
        }
        "InconsistentVersionWarning" => Some(mismatch(seen, what)),
        "AttributeError" if message.starts_with("Can't get attribute ") => {
            let main = message.contains("<module '__main__'");
            let name = quoted(message.trim_start_matches("Can't get attribute"))?;
            let cause = mismatch(seen, what);
            Some(if main {
                cause.help(format!(
                    "`{name}` was defined in the training script itself: move it into a module of its own, import it from there when training, and COPY the module into the image"
                ))
            } else {
                cause
            })
        }
        // The estimator's code asks for what only its own version writes.
        "AttributeError" => {
            let library = raised
                .frames
                .last()
                .is_some_and(|frame| frame.file.contains("/sklearn/"));
            (library && trained_with(seen).is_some() && message.contains("has no attribute"))
                .then(|| mismatch(seen, what))
        }
        "ValueError" if message.starts_with("unsupported pickle protocol") => {
            let help = "the model was written by a newer Python: use the training's Python version in the image, or dump with a lower `protocol`";
            Some(mismatch(seen, what).help(help))
        }
        "ValueError" if message.ends_with("is not a known BitGenerator module.") => {
            let help = "the model was written with another version of `numpy`: install the one that trained in the image";
            Some(mismatch(seen, what).help(help))
        }
        "ValueError" if message.contains("from the pickle has an incompatible dtype") => {
            Some(mismatch(seen, what))
        }
        // Bytecode in a pickle, of another Python.
        "TypeError"
            if loads(raised)
                && (message.starts_with("code() ") || message.starts_with("code expected ")) =>
        {
            let help = "the model holds code of another Python version: use the training's Python version in the image";
            Some(mismatch(seen, what).help(help))
        }
        "UnpicklingError" => Some(unpickling(seen, what, message)),
        _ => None,
    }
}

fn unpickling(seen: &Seen<'_>, what: &str, message: &str) -> Cause {
    if message.contains("invalid load key, 'v'") {
        return Cause::new(Code::ModelNotFound, what).help(
            "the file is no model but text that begins with `v`, most often a Git LFS pointer: check out with `lfs: true`",
        );
    }
    if message.contains("Weights only load failed") {
        return mismatch(seen, what)
            .help("newer `torch` loads only weights: install the version that trained, or pass `weights_only=False` for a file that you trust");
    }
    mismatch(seen, what)
        .help("the file is not what this loader writes: load it with the library and version that wrote it")
}

/// Formats other than pickle.
fn format(kind: &str, what: &str, message: &str) -> Option<Cause> {
    let signs: &[&str] = match kind {
        "XGBoostError" => &[
            "Check failed: ",
            "input stream corrupted",
            "Failed to load model",
            "Unknown file type",
            "Invalid",
            "Expecting",
        ],
        "LightGBMError" => &["Unknown model format", "Model format error"],
        "CatBoostError" => &["Incorrect model file descriptor", "model version"],
        "RuntimeError" => &[
            "Error(s) in loading state_dict for",
            "PytorchStreamReader failed",
        ],
        "OSError" => &["file signature not found", "truncated file"],
        "ValueError" | "TypeError" => &[
            "Unknown layer",
            "Could not locate class",
            "could not be deserialized properly",
            "Could not deserialize",
            "Unrecognized keyword arguments passed to",
            "bad marshal data",
        ],
        "InvalidGraph" | "Fail" | "InvalidProtobuf" => &["ONNXRuntimeError"],
        "SafetensorError" => &[
            "HeaderTooLarge",
            "InvalidHeader",
            "while deserializing header",
        ],
        _ => return None,
    };
    signs.iter().any(|sign| message.contains(sign)).then(|| {
        let cause = Cause::new(Code::PickleMismatch, what).at(Place::Requirements);
        if ["Could not locate class", "Unknown layer", "could not be deserialized"]
            .iter()
            .any(|sign| message.contains(sign))
        {
            cause.help("pass the class in `custom_objects`, or register it, in the service as in the training; and install the version that trained")
        } else {
            cause
        }
    })
}

/// Models in a registry or store.
fn registry(seen: &Seen<'_>, raised: &Traceback, what: &str, message: &str) -> Option<Cause> {
    let absent = message.starts_with("RESOURCE_DOES_NOT_EXIST")
        || (raised.passes("/mlflow/")
            && [
                "Registered Model with name=",
                "Registered model with name=",
                "Model Version (name=",
                "Registered model alias ",
                "No such artifact",
                "No versions of model with name",
                "Could not find an \"MLmodel\" configuration file",
                "Could not find a registered artifact repository",
                "No Run with id=",
                "Run with id=",
                "Run '",
                "Could not find experiment with ID",
            ]
            .iter()
            .any(|sign| message.starts_with(sign)));
    if absent {
        // MLflow looks into a local store when it is not told where the server is.
        let local = raised.passes("/sqlalchemy_store.py") || raised.passes("/file_store.py");
        let environment = specification(seen).get("env").and_then(Value::as_array);
        let set = environment.is_some_and(|all| {
            all.iter()
                .any(|one| text(one, "/name") == "MLFLOW_TRACKING_URI")
        });
        if local && !set {
            return Some(
                Cause::new(
                    Code::VariableMissing,
                    format!("{what} in the local store, because MLFLOW_TRACKING_URI is not set"),
                )
                .help("set `MLFLOW_TRACKING_URI` under `env` of the container, or COPY the model into the image")
                .field("env"),
            );
        }
        return Some(Cause::new(Code::ModelNotFound, what));
    }
    let hub = message.contains("is not a valid model identifier listed on")
        || message.contains("does not appear to have a file named")
        || raised.parts().0 == "RepositoryNotFoundError";
    hub.then(|| Cause::new(Code::ModelNotFound, what))
}

/// A file that is not there and is a model by its name or by who asks for it.
fn absent(raised: &Traceback, kind: &str, what: &str, message: &str) -> Option<Cause> {
    let missing = kind == "FileNotFoundError"
        || message.starts_with("[Errno 2] No such file")
        || (kind == "ValueError" && message.starts_with("File not found: filepath="))
        || (kind == "NoSuchFile" && message.contains("ONNXRuntimeError"))
        || (kind == "OSError"
            && message.contains("Unable to")
            && message.contains("No such file or directory"))
        || (matches!(kind, "XGBoostError" | "LightGBMError" | "CatBoostError")
            && ["No such file", "Could not open", "cannot open", "Opening "]
                .iter()
                .any(|sign| message.contains(sign)));
    if !missing {
        return None;
    }
    let path = message
        .rsplit_once(": ")
        .and_then(|(_, path)| quoted(path))
        .or_else(|| between(message, "filepath=", " "))
        .or_else(|| quoted(message))
        .unwrap_or_default()
        .trim_end_matches(['.', ',']);
    let named = ENDINGS.iter().any(|ending| path.ends_with(ending))
        || path
            .split('/')
            .any(|part| part == "model" || part == "models" || part.starts_with("model."));
    (named || (kind != "FileNotFoundError" && !message.starts_with("[Errno")) || loads(raised)).then(|| {
        let cause = Cause::new(Code::ModelNotFound, what);
        if path.is_empty() {
            cause
        } else {
            cause.help(format!(
                "COPY the model to `{path}` in the image (`.dockerignore` must not leave it out), or correct the path that the service loads it from"
            ))
        }
    })
}
