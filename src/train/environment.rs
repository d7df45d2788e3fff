//! The variables that the training sees. Pure: it is given ours.

use std::ffi::OsString;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::plan::{TrackingUri, TrainSpec};
use crate::process::Inherited;
use crate::python::Interpreter;
use crate::tracking::Marker;

/// What the training gets.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) variables: Vec<(String, String)>,
    /// Names of what it does not get, sorted.
    pub(super) withheld: Vec<String>,
}

/// Ours without secrets, then what the training needs, then what the user set: later ones win.
pub(super) fn of_training(
    spec: &TrainSpec,
    python: &Interpreter,
    marker: &Marker,
    ours: impl IntoIterator<Item = (OsString, OsString)>,
) -> Environment {
    let ours = ours
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let Inherited { kept, mut withheld } =
        Inherited::divide(ours, |name| spec.pass.iter().any(|passed| passed == name));
    withheld.retain(|name| !spec.set.iter().any(|(set, _)| set == name));
    let inherited = |wanted: &str| {
        kept.iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };

    let mut add = Vec::new();
    let path = inherited("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    add.push(("PATH", format!("{}:{path}", python.bin_dir.display())));
    add.push(("VIRTUAL_ENV", python.venv.display().to_string()));
    // Lines are shown when they are printed, and a crash in native code or a hang has a traceback.
    add.push(("PYTHONUNBUFFERED", "1".to_owned()));
    add.push(("PYTHONFAULTHANDLER", "1".to_owned()));
    // Bytecode belongs beside the environment that is kept for the next run, not into the workspace.
    add.push((
        "PYTHONPYCACHEPREFIX",
        python.venv.join("pycache").display().to_string(),
    ));
    add.push((
        "MLFLOW_RUN_CONTEXT",
        run_context(
            inherited("MLFLOW_RUN_CONTEXT"),
            marker,
            spec.commit.as_deref(),
        ),
    ));
    let tracking = &spec.tracking;
    if tracking.asked {
        add.push(("MLFLOW_TRACKING_URI", tracking_uri(&tracking.uri)));
        add.extend(
            tracking
                .experiment
                .clone()
                .map(|name| ("MLFLOW_EXPERIMENT_NAME", name)),
        );
        add.extend(
            tracking
                .username
                .clone()
                .map(|name| ("MLFLOW_TRACKING_USERNAME", name)),
        );
        let secret = |secret: &secrecy::SecretString| secret.expose_secret().to_owned();
        add.extend(
            tracking
                .password
                .as_ref()
                .map(|value| ("MLFLOW_TRACKING_PASSWORD", secret(value))),
        );
        add.extend(
            tracking
                .token
                .as_ref()
                .map(|value| ("MLFLOW_TRACKING_TOKEN", secret(value))),
        );
    }
    let set = spec
        .set
        .iter()
        .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
    let added: Vec<(String, String)> = add
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(set)
        .collect();
    let mut variables = kept;
    // A Python of another environment must not leak into this one. Without bytecode every run would compile all libraries
    // anew; images for serving set that, and it costs a training seconds.
    variables.retain(|(name, _)| {
        let foreign = matches!(
            name.as_str(),
            "PYTHONHOME" | "CONDA_PREFIX" | "__PYVENV_LAUNCHER__" | "PYTHONDONTWRITEBYTECODE"
        );
        !foreign || spec.pass.contains(name)
    });
    variables.extend(added);
    Environment {
        variables,
        withheld,
    }
}

/// MLflow's own provider puts these tags on every run that the script starts, in 2.x and 3.x; the user's own are kept.
fn run_context(inherited: Option<&str>, marker: &Marker, commit: Option<&str>) -> String {
    let mut tags: Map<String, Value> = inherited
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    tags.insert(Marker::TAG.to_owned(), marker.as_str().into());
    if let Some(commit) = commit {
        tags.insert("mlflow.source.git.commit".to_owned(), commit.into());
    }
    Value::Object(tags).to_string()
}

/// As MLflow's client wants it.
fn tracking_uri(uri: &TrackingUri) -> String {
    match uri {
        TrackingUri::Server(url) => url.clone(),
        TrackingUri::Sqlite(path) => format!("sqlite:///{}", path.display()),
        TrackingUri::Other(uri) => uri.clone(),
    }
}
