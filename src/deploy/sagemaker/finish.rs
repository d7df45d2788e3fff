//! A verified deployment becomes final: it is marked as verified, and configurations that nobody will go back to are removed.
//! None of it changes what serves, so what fails here is a warning.

use jiff::Timestamp;
use serde_json::Value;

use super::Rollout;
use super::history;
use super::judge::text;
use super::prune::prune;
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
    if !rollout.back || past.verified.is_none() {
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
    let tags = if rollout.back {
        own.collect()
    } else {
        rollout.tags.clone()
    };
    aws.tag(text(&endpoint, "EndpointArn"), &tags).await
}

/// What fails beside the deployment itself.
pub(super) async fn warn(ctx: &Context, what: &str, failure: &Failure) {
    let code = match failure.code() {
        Code::CloudDenied => Code::CloudDenied,
        _ => Code::EndpointFailed,
    };
    let warning = Diagnostic::warning(code, format!("{what}: {}", failure.message()));
    let advice = failure.findings().next().map(Diagnostic::advice);
    ctx.events
        .diagnosed(warning.help(advice.unwrap_or_default()))
        .await;
}
