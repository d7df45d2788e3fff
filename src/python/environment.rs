//! Makes the environment, or finds that it is there already. Environments are not relocatable, so each is made in its place
//! under a lock, and its marker is written last: a folder without marker is a ruin and is made anew.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use super::kept::{Kind, MARKER, lock, prune, touch};
use super::key::Key;
use super::requirement::{self, Needs};
use super::uv::Uv;
use super::{Interpreter, cache};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Fail, Outcome};
use crate::passwords;
use crate::plan::{MlflowVersion, PythonSpec, Requirements};

/// Gives an environment with everything that the specification asks for. With the same inputs as before, nothing is
/// installed. Layout: `<cache>/envs/<key>/`, `<cache>/envs/<key>.lock`.
pub(crate) async fn ensure(ctx: &Context, spec: &PythonSpec) -> Outcome<Interpreter> {
    let cache = cache::folder(ctx).await?;
    let uv = Uv::find(ctx, &cache).await?;
    let needs = requirement::read(ctx, &spec.requirements)?;
    let extra = extra_requirements(spec, &needs);
    let found = uv.find_python(ctx, spec.version.as_deref()).await?;

    let mut key = Key::new();
    key.add("platform", std::env::consts::ARCH)
        .add("system", std::env::consts::OS)
        .add(
            "python",
            found
                .as_ref()
                .map_or("", |path| path.to_str().unwrap_or("")),
        )
        .add("request", spec.version.as_deref().unwrap_or(""));
    for (path, text) in &needs.files {
        key.add("path", &ctx.workspace.relative(path))
            .add("text", text);
    }
    for requirement in &extra {
        key.add("extra", requirement);
    }
    // uv's own settings (indexes, constraints) decide what is installed.
    if let Ok(settings) = fs::read_to_string(ctx.workspace.folder.join("uv.toml")) {
        key.add("settings", &settings);
    }
    let key = key.finish();

    let envs = cache.join("envs");
    fs::create_dir_all(&envs)
        .with_context(|| format!("failed to create `{}`", envs.display()))
        .fail(Code::Internal)?;
    let mut interpreter = Interpreter::of(envs.join(&key));
    let own = envs.join(format!("{key}.lock"));
    // As long as this is held, nobody removes the environment.
    interpreter.hold = Some(Arc::new(lock(ctx, &own, Kind::Shared).await?));
    if is_complete(&interpreter) {
        touch(&interpreter.venv);
        ctx.events
            .note(format!(
                "Python environment `{}` is as asked for; nothing to install",
                short(&key)
            ))
            .await;
        return Ok(interpreter);
    }
    interpreter.hold = None;
    let alone = lock(ctx, &own, Kind::Alone).await?;
    // Another run may have made it while this one waited.
    if is_complete(&interpreter) {
        drop(alone);
        interpreter.hold = Some(Arc::new(lock(ctx, &own, Kind::Shared).await?));
        return Ok(interpreter);
    }
    let begun = Instant::now();
    let made = make(
        ctx,
        &uv,
        spec,
        &needs,
        &extra,
        found.as_deref(),
        &interpreter,
    );
    if let Err(failure) = made.await {
        // A ruin is of no use to anybody; what cannot be removed is made anew next time.
        drop(fs::remove_dir_all(&interpreter.venv));
        return Err(failure);
    }
    drop(alone);
    interpreter.hold = Some(Arc::new(lock(ctx, &own, Kind::Shared).await?));
    // Nobody waits for it: what is not removed now is removed another time.
    tokio::task::spawn_blocking(move || prune(&envs));
    ctx.events
        .note(format!(
            "Python environment `{}` made in {:.1} s",
            short(&key),
            begun.elapsed().as_secs_f64()
        ))
        .await;
    Ok(interpreter)
}

fn short(key: &str) -> &str {
    &key[..12]
}

/// Complete, and its base interpreter is still there (`bin/python` is a link to it).
fn is_complete(interpreter: &Interpreter) -> bool {
    interpreter.venv.join(MARKER).exists() && interpreter.path.exists()
}

/// What is installed on top of the files.
fn extra_requirements(spec: &PythonSpec, needs: &Needs) -> Vec<String> {
    let mut extra = spec.extra.clone();
    let named = |name: &str| {
        needs.names(name)
            || spec
                .extra
                .iter()
                .any(|text| requirement::name(text).as_deref() == Some(name))
    };
    if let Some(version) = &spec.mlflow
        && !named("mlflow")
        && !named("mlflow-skinny")
    {
        extra.push(match version {
            MlflowVersion::Any => "mlflow".to_owned(),
            MlflowVersion::Exactly(version) => format!("mlflow=={version}"),
        });
    }
    extra
}

async fn make(
    ctx: &Context,
    uv: &Uv,
    spec: &PythonSpec,
    needs: &Needs,
    extra: &[String],
    found: Option<&Path>,
    interpreter: &Interpreter,
) -> Outcome<()> {
    if interpreter.venv.exists() {
        fs::remove_dir_all(&interpreter.venv)
            .with_context(|| {
                format!(
                    "failed to remove the unfinished environment `{}`",
                    interpreter.venv.display()
                )
            })
            .fail(Code::Internal)?;
    }
    uv.create(ctx, spec.version.as_deref(), found, &interpreter.venv)
        .await?;
    let exported = temporary("ml-deploy-locked-")?;
    let file: Option<PathBuf> = match &spec.requirements {
        Requirements::None => None,
        Requirements::File(file) => Some(file.clone()),
        Requirements::Project {
            folder,
            locked: false,
        } => Some(folder.join("pyproject.toml")),
        Requirements::Project {
            folder,
            locked: true,
        } => {
            uv.export(ctx, folder, exported.path(), needs).await?;
            Some(exported.path().to_owned())
        }
    };
    if file.is_some() || !extra.is_empty() {
        // Everybody on the machine can read a command line: what holds a password goes into a file that only we may read.
        let (private, open): (Vec<String>, Vec<String>) = extra
            .iter()
            .cloned()
            .partition(|text| !passwords::in_urls(text).is_empty());
        let mut hidden = temporary("ml-deploy-extra-")?;
        hidden
            .write_all(private.join("\n").as_bytes())
            .context("failed to write a temporary file")
            .fail(Code::Internal)?;
        let files: Vec<&Path> = file
            .as_deref()
            .into_iter()
            .chain((!private.is_empty()).then_some(hidden.path()))
            .collect();
        uv.install(ctx, &interpreter.path, &files, &open, needs)
            .await?;
    }
    fs::write(interpreter.venv.join(MARKER), "")
        .context("failed to mark the Python environment as complete")
        .fail(Code::Internal)
}

/// A text file that goes with its handle.
fn temporary(prefix: &str) -> Outcome<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(prefix)
        .suffix(".txt")
        .tempfile()
        .context("failed to create a temporary file")
        .fail(Code::Internal)
}
