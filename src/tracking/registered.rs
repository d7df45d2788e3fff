//! Versions of registered models, found by what they are of: a run, a tag, a number, an alias. It changes nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::Server;
use super::models::{aliased, open, run_of};
use crate::context::Context;
use crate::plan::TrackingSpec;

/// A version with what is known of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered {
    pub(crate) model: String,
    pub(crate) number: String,
    pub(crate) run_id: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Run(&'a str),
    /// Name and value.
    Tag(&'a str, &'a str),
    /// Model and number.
    Number(&'a str, &'a str),
    /// Model and alias.
    Alias(&'a str, &'a str),
}

impl Wanted<'_> {
    /// That there is none, in words.
    pub(crate) fn none(&self) -> String {
        match self {
            Self::Run(run) => format!("no registered model has a version of run {run}"),
            Self::Tag(name, value) => {
                format!("no registered model has a version with the tag `{name}` {value}")
            }
            Self::Number(model, number) => format!("`{model}` has no version {number}"),
            Self::Alias(model, alias) => format!("`{model}` has no alias `{alias}`"),
        }
    }
}

/// The versions, newest first.
///
/// # Errors
/// A server that refuses or cannot be asked.
pub(crate) async fn registered(
    ctx: &Context,
    spec: &TrackingSpec,
    wanted: Wanted<'_>,
) -> anyhow::Result<Vec<Registered>> {
    let server = open(ctx, spec)?;
    let found = match wanted {
        Wanted::Run(run) => search(&server, &format!("run_id = '{run}'")).await?,
        Wanted::Tag(name, value) => search(&server, &format!("tags.`{name}` = '{value}'")).await?,
        Wanted::Number(model, number) => one(&server, model, number).await?,
        Wanted::Alias(model, alias) => match aliased(&server, model, alias).await? {
            Some(number) => one(&server, model, &number).await?,
            None => Vec::new(),
        },
    };
    let mut all = Vec::new();
    for version in found {
        all.push(read(&server, &version).await?);
    }
    Ok(all)
}

async fn search(server: &Server<'_>, filter: &str) -> anyhow::Result<Vec<Value>> {
    let query = [("filter", filter), ("max_results", "100")];
    let answer = server.get("model-versions/search", &query).await?;
    let mut answer = answer.unwrap_or_default();
    Ok(match answer["model_versions"].take() {
        Value::Array(versions) => versions,
        _ => Vec::new(),
    })
}

async fn one(server: &Server<'_>, model: &str, number: &str) -> anyhow::Result<Vec<Value>> {
    let query = [("name", model), ("version", number)];
    let answer = server.get("model-versions/get", &query).await?;
    let version = answer.map(|mut answer| answer["model_version"].take());
    Ok(version.into_iter().collect())
}

async fn read(server: &Server<'_>, version: &Value) -> anyhow::Result<Registered> {
    let text = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
    let (model, number) = (text("name"), text("version"));
    // A search does not list them.
    let answer = server
        .get("registered-models/get", &[("name", model.as_str())])
        .await?;
    let answer = answer.unwrap_or_default();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let aliases = list(&answer["registered_model"]["aliases"]).into_iter();
    let ours = aliases.filter(|one| one["version"] == *number);
    let tags = list(&version["tags"]).into_iter();
    let pair = |one: Value| {
        Some((
            one["key"].as_str()?.to_owned(),
            one["value"].as_str()?.to_owned(),
        ))
    };
    Ok(Registered {
        aliases: ours
            .filter_map(|one| one["alias"].as_str().map(str::to_owned))
            .collect(),
        run_id: run_of(server, version).await?,
        tags: tags.filter_map(pair).collect(),
        model,
        number,
    })
}
