//! A verified deployment becomes final: it is marked as verified, and configurations that nobody will go back to are removed.
//! None of it changes what serves, so what fails here is a warning.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Rollout;
use super::history::{self, Past};
use super::judge::{config, next_config, text, variants};
use super::wanted::tag;
use crate::cloud::{SageMaker, Thing};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::SageMakerSpec;

/// Marks it and tidies up.
pub(crate) async fn finish(ctx: &Context, spec: &SageMakerSpec, rollout: &Rollout) {
    let aws = spec.clouds.sagemaker();
    if let Err(failure) = mark(&aws, spec, rollout).await {
        warn(
            ctx,
            "the deployment is not marked as verified, so `rollback` will not find it",
            &failure,
        )
        .await;
        return;
    }
    match prune(&aws, spec).await {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => {
            ctx.events
                .note(format!(
                    "removed configurations that are not kept (`keep-configs`): {}",
                    removed.join(", ")
                ))
                .await;
        }
        Err(failure) => warn(ctx, "older configurations are left", &failure).await,
    }
}

/// The time of its verification; a rollback is none, so that going back twice goes back twice.
async fn mark(aws: &SageMaker, spec: &SageMakerSpec, rollout: &Rollout) -> Outcome<()> {
    let Some(past) = history::one(aws, spec, &rollout.config).await? else {
        return Ok(());
    };
    let back = rollout.model.is_empty();
    if !back || past.verified.is_none() {
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
        let mut tags = rollout.tags.as_array().cloned().unwrap_or_default();
        tags.push(tag("verified", &now.to_string()));
        aws.tag(&past.arn, &Value::Array(tags)).await?;
    }
    let Some(endpoint) = aws.describe(Thing::Endpoint, &spec.endpoint).await? else {
        return Ok(());
    };
    let origin = [
        ("endpoint", Some(spec.endpoint.clone())),
        ("digest", past.digest),
        ("commit", past.commit),
        ("run-id", past.run_id),
    ];
    let own = origin
        .iter()
        .filter_map(|(name, value)| Some(tag(name, value.as_deref()?)));
    let tags = if back {
        own.collect()
    } else {
        rollout.tags.clone()
    };
    aws.tag(text(&endpoint, "EndpointArn"), &tags).await
}

/// Removes what is not kept; returns the names. What an endpoint uses at this moment is never removed.
async fn prune(aws: &SageMaker, spec: &SageMakerSpec) -> Outcome<Vec<String>> {
    let past = history::of(aws, spec).await?;
    let Some(described) = aws.describe(Thing::Endpoint, &spec.endpoint).await? else {
        return Ok(Vec::new());
    };
    let used = [config(&described), next_config(&described)];
    let superfluous = history::superfluous(&past, &used, spec.keep);
    let names: Vec<&str> = superfluous.iter().map(|one| one.name.as_str()).collect();
    let kept = past
        .iter()
        .filter(|one| !names.contains(&one.name.as_str()));
    let mut needed = Vec::new();
    for one in kept {
        needed.extend(models(aws, one).await?);
    }
    for one in &superfluous {
        let own = models(aws, one).await?;
        aws.delete(Thing::Config, &one.name).await?;
        for model in own.iter().filter(|model| !needed.contains(*model)) {
            aws.delete(Thing::Model, model).await?;
        }
    }
    Ok(names.into_iter().map(|name| format!("`{name}`")).collect())
}

/// The models of a configuration.
async fn models(aws: &SageMaker, past: &Past) -> Outcome<Vec<String>> {
    let found = aws.describe(Thing::Config, &past.name).await?;
    let found = found.unwrap_or_else(|| json!({}));
    Ok(variants(&found)
        .map(|variant| text(variant, "ModelName").to_owned())
        .collect())
}

async fn warn(ctx: &Context, what: &str, failure: &Failure) {
    let Some(finding) = failure.findings().next() else {
        return;
    };
    let code = match failure.code() {
        Code::CloudDenied => Code::CloudDenied,
        _ => Code::EndpointFailed,
    };
    let warning = Diagnostic::warning(code, format!("{what}: {}", finding.message));
    ctx.events.diagnosed(warning.help(finding.advice())).await;
}
