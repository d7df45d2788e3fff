//! Removes configurations that nobody will go back to, each with its model where no other configuration has it.

use serde_json::json;

use super::history::{self, Past};
use super::judge::{config, next_config, text, variants};
use crate::cloud::{SageMaker, Thing};
use crate::failure::Outcome;
use crate::plan::SageMakerSpec;

/// Removes what is not kept (`keep-configs`); returns the names. What an endpoint uses at this moment is never removed.
pub(super) async fn prune(aws: &SageMaker, spec: &SageMakerSpec) -> Outcome<Vec<String>> {
    let past = history::of(aws, spec).await?;
    let Some(described) = aws.describe(Thing::Endpoint, &spec.endpoint).await? else {
        return Ok(Vec::new());
    };
    let used = [config(&described), next_config(&described)];
    remove(aws, &past, &history::superfluous(&past, &used, spec.keep)).await
}

/// Removes one configuration that failed. One that was ever verified stays, because it has served; `false`.
pub(super) async fn discard(aws: &SageMaker, spec: &SageMakerSpec, name: &str) -> Outcome<bool> {
    let past = history::of(aws, spec).await?;
    let failed = past
        .iter()
        .find(|one| one.name == name && one.verified.is_none());
    let Some(failed) = failed else {
        return Ok(false);
    };
    remove(aws, &past, &[failed]).await?;
    Ok(true)
}

/// Removes some of all configurations that there are; returns their names.
async fn remove(aws: &SageMaker, all: &[Past], some: &[&Past]) -> Outcome<Vec<String>> {
    let goes = |one: &&Past| some.iter().any(|gone| gone.name == one.name);
    let mut needed = Vec::new();
    for one in all.iter().filter(|one| !goes(one)) {
        needed.extend(models(aws, one).await?);
    }
    for one in some {
        let own = models(aws, one).await?;
        aws.delete(Thing::Config, &one.name).await?;
        for model in own.iter().filter(|model| !needed.contains(*model)) {
            aws.delete(Thing::Model, model).await?;
        }
    }
    Ok(some.iter().map(|one| format!("`{}`", one.name)).collect())
}

/// The models of a configuration.
async fn models(aws: &SageMaker, past: &Past) -> Outcome<Vec<String>> {
    let found = aws.describe(Thing::Config, &past.name).await?;
    let found = found.unwrap_or_else(|| json!({}));
    Ok(variants(&found)
        .map(|variant| text(variant, "ModelName").to_owned())
        .collect())
}
