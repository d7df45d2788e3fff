//! MLflow's model registry: versions of a registered model, and the aliases that name them. Needs a server.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::client::Server;
use crate::context::Context;
use crate::plan::{TrackingSpec, TrackingUri};

/// A version of a registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Counted by the registry from 1.
    pub(crate) number: String,
    /// The run that it came from; `None` when the registry does not know.
    pub(crate) run_id: Option<String>,
}

/// The version that has an alias; `None` when there is no such model or alias.
///
/// # Errors
/// A server that cannot be asked.
pub(crate) async fn by_alias(
    ctx: &Context,
    spec: &TrackingSpec,
    model: &str,
    alias: &str,
) -> anyhow::Result<Option<Version>> {
    let server = open(ctx, spec)?;
    let Some(number) = aliased(&server, model, alias).await? else {
        return Ok(None);
    };
    let query = [("name", model), ("version", number.as_str())];
    let answer = server.get("model-versions/get", &query).await?;
    let answer = answer.unwrap_or_default();
    let run_id = run_of(&server, &answer["model_version"]).await?;
    Ok(Some(Version { number, run_id }))
}

/// The run that a version came from.
pub(super) async fn run_of(server: &Server<'_>, version: &Value) -> anyhow::Result<Option<String>> {
    let text = |key: &str| version[key].as_str().filter(|text| !text.is_empty());
    if let Some(run) = text("run_id") {
        return Ok(Some(run.to_owned()));
    }
    // A version of a model that MLflow 3 logged may name only that.
    let source = text("source").and_then(|source| source.strip_prefix("models:/"));
    let Some(id) = source.filter(|id| id.starts_with("m-")) else {
        return Ok(None);
    };
    let logged = server.get(&format!("logged-models/{id}"), &[]).await?;
    let run = logged
        .as_ref()
        .map(|logged| &logged["model"]["info"]["source_run_id"]);
    Ok(run.and_then(Value::as_str).map(str::to_owned))
}

/// Makes the run's model a version of a registered model, which is created when it does not exist. A run that is a version
/// already stays that one. The tags are set anew.
///
/// # Errors
/// A server that refuses or cannot be asked.
pub(crate) async fn register(
    ctx: &Context,
    spec: &TrackingSpec,
    model: &str,
    run_id: &str,
    model_uri: &str,
    tags: &[(&str, String)],
) -> anyhow::Result<Version> {
    let server = open(ctx, spec)?;
    let known = server
        .get("registered-models/get", &[("name", model)])
        .await?;
    if known.is_none() {
        let body = json!({ "name": model });
        done(server.post("registered-models/create", &body).await?)
            .with_context(|| format!("failed to create the registered model `{model}`"))?;
    }
    let number = match version_of(&server, model, run_id).await? {
        Some(number) => number,
        None => create(&server, model, run_id, model_uri).await?,
    };
    for (key, value) in tags {
        let body = json!({"name": model, "version": number, "key": key, "value": value});
        done(server.post("model-versions/set-tag", &body).await?)
            .with_context(|| format!("failed to tag version {number} of `{model}`"))?;
    }
    Ok(Version {
        number,
        run_id: Some(run_id.to_owned()),
    })
}

/// Gives a version the alias. Who had it before gets `previous`; returns that version's number.
///
/// # Errors
/// A server that refuses or cannot be asked.
pub(crate) async fn take_alias(
    ctx: &Context,
    spec: &TrackingSpec,
    model: &str,
    alias: &str,
    version: &Version,
) -> anyhow::Result<Option<String>> {
    let server = open(ctx, spec)?;
    let holder = aliased(&server, model, alias).await?;
    let holder = holder.filter(|holder| *holder != version.number);
    // The old holder first: if this is where it ends, no version has lost its name.
    let moves = [
        ("previous", holder.as_ref()),
        (alias, Some(&version.number)),
    ];
    for (alias, number) in moves {
        let Some(number) = number else { continue };
        let body = json!({"name": model, "alias": alias, "version": number});
        done(server.post("registered-models/alias", &body).await?).with_context(|| {
            format!("failed to give version {number} of `{model}` the alias `{alias}`")
        })?;
    }
    Ok(holder)
}

pub(super) fn open<'a>(ctx: &'a Context, spec: &'a TrackingSpec) -> anyhow::Result<Server<'a>> {
    match &spec.uri {
        TrackingUri::Server(url) => Server::open(ctx, url, spec),
        TrackingUri::Sqlite(_) | TrackingUri::Other(_) => {
            bail!("only an MLflow server has a model registry that can be asked")
        }
    }
}

/// The number of the version that has an alias. Asked of the model, because the answer for an absent alias differs between
/// versions of MLflow.
pub(super) async fn aliased(
    server: &Server<'_>,
    model: &str,
    alias: &str,
) -> anyhow::Result<Option<String>> {
    let answer = server
        .get("registered-models/get", &[("name", model)])
        .await?;
    let answer = answer.unwrap_or_default();
    let aliases = answer
        .pointer("/registered_model/aliases")
        .and_then(Value::as_array);
    let text = |one: &Value, key: &str| one.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(aliases
        .into_iter()
        .flatten()
        .find(|one| text(one, "alias").as_deref() == Some(alias))
        .and_then(|one| text(one, "version")))
}

/// The newest version that came from a run.
async fn version_of(
    server: &Server<'_>,
    model: &str,
    run_id: &str,
) -> anyhow::Result<Option<String>> {
    // A name may hold a quote of one kind; the registry's filter knows both.
    let quote = if model.contains('\'') { '"' } else { '\'' };
    let filter = format!("name={quote}{model}{quote} and run_id='{run_id}'");
    let query = [("filter", filter.as_str()), ("max_results", "100")];
    let answer = server.get("model-versions/search", &query).await?;
    let answer = answer.unwrap_or_default();
    let versions = answer.get("model_versions").and_then(Value::as_array);
    let numbers = versions.into_iter().flatten();
    let numbers = numbers.filter_map(|one| one.get("version")?.as_str()?.parse::<u64>().ok());
    Ok(numbers.max().map(|number| number.to_string()))
}

async fn create(
    server: &Server<'_>,
    model: &str,
    run_id: &str,
    model_uri: &str,
) -> anyhow::Result<String> {
    let mut body = json!({"name": model, "source": model_uri, "run_id": run_id});
    if let Some(id) = model_uri.strip_prefix("models:/") {
        body["model_id"] = id.into();
    } else if let Some(path) = model_uri.strip_prefix(&format!("runs:/{run_id}/"))
        && let Some(run) = server.run(run_id).await?
        && !run.info.artifact_uri.is_empty()
    {
        // As MLflow's own client does: the place of the files, not the run's name for it.
        let artifacts = run.info.artifact_uri.trim_end_matches('/');
        body["source"] = format!("{artifacts}/{path}").into();
    }
    let answer = done(server.post("model-versions/create", &body).await?)
        .with_context(|| format!("failed to create a version of `{model}` from `{model_uri}`"))?;
    let number = answer.pointer("/model_version/version");
    let number = number.and_then(Value::as_str).map(str::to_owned);
    number.context("tracking server names no version in its answer")
}

/// Sets tags of a run: which image holds its model, and the like.
///
/// # Errors
/// A server that refuses or cannot be asked; a store without a server.
pub(crate) async fn tag_run(
    ctx: &Context,
    spec: &TrackingSpec,
    run_id: &str,
    tags: &[(&str, String)],
) -> anyhow::Result<()> {
    let TrackingUri::Server(url) = &spec.uri else {
        bail!("only an MLflow server takes tags from others than the training");
    };
    let server = Server::open(ctx, url, spec)?;
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    let body = json!({"run_id": run_id, "tags": tags});
    done(server.post("runs/log-batch", &body).await?).map(drop)
}

/// A change that the server does not know is one that was not made.
fn done(answer: Option<Value>) -> anyhow::Result<Value> {
    answer.context("tracking server answers 404: it has no such thing, or no model registry")
}
