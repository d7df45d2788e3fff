//! After a verified deployment: the model becomes a version in the registry and takes the alias. Whatever goes wrong here is
//! a warning, because what is live is verified already.

use crate::artifact::{Model, Pushed, Run, label};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::chain;
use crate::plan::{GateSpec, RegistryLogin};
use crate::registry::{self, Reference};
use crate::tracking;

/// What was verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified<'a> {
    pub(crate) model: Option<&'a Model>,
    pub(crate) pushed: Option<&'a Pushed>,
    /// For the registry of the image.
    pub(crate) login: Option<&'a RegistryLogin>,
}

/// Records it, when `register-model` asks for it.
pub(crate) async fn record(ctx: &Context, spec: &GateSpec, verified: Verified<'_>) {
    let Some(name) = &spec.register_model else {
        return;
    };
    if let Err(error) = register(ctx, spec, name, verified).await {
        let finding = Diagnostic::warning(
            Code::RegisterFailed,
            format!(
                "failed to record the deployment in `{name}`: {}",
                chain(&error)
            ),
        );
        ctx.events.diagnosed(finding).await;
    }
}

async fn register(
    ctx: &Context,
    spec: &GateSpec,
    name: &str,
    verified: Verified<'_>,
) -> anyhow::Result<()> {
    let run = run(ctx, spec, verified).await?;
    let Some(uri) = &run.model_uri else {
        anyhow::bail!(
            "run `{}` logged no model; log it in the training, such as with `mlflow.sklearn.log_model`",
            run.id
        );
    };
    let image = verified.pushed.map(Pushed::reference);
    let digest = verified.pushed.map(|pushed| pushed.digest.clone());
    let known = [
        ("ml-deploy.image", image),
        ("ml-deploy.digest", digest),
        ("ml-deploy.commit", spec.commit.clone()),
        ("ml-deploy.run-url", ctx.run_url.clone()),
    ];
    let known = known.into_iter();
    let tags: Vec<_> = known
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    let version = tracking::register(ctx, &spec.tracking, name, &run.id, uri, &tags).await?;
    let before = tracking::take_alias(ctx, &spec.tracking, name, &spec.champion, &version).await?;
    let (number, alias) = (&version.number, &spec.champion);
    let previous = before.map_or_else(String::new, |before| {
        format!("; version {before} is `previous`")
    });
    ctx.events
        .note(format!(
            "version {number} of `{name}` is `{alias}`{previous}"
        ))
        .await;
    Ok(())
}

/// The run of this job, or, when an earlier job trained, the one that it left or that the image's labels name.
async fn run(ctx: &Context, spec: &GateSpec, verified: Verified<'_>) -> anyhow::Result<Run> {
    let known = verified.model.and_then(|model| model.run.clone());
    if let Some(run) = known.as_ref().filter(|run| !run.experiment_id.is_empty()) {
        return Ok(run.clone());
    }
    let id = match known {
        Some(run) => run.id,
        None => labelled(verified).await?,
    };
    let found = tracking::run(ctx, &spec.tracking, &id, None).await?;
    found.ok_or_else(|| anyhow::anyhow!("the tracking server does not have run `{id}`"))
}

/// The run that the image's labels name.
async fn labelled(verified: Verified<'_>) -> anyhow::Result<String> {
    let Some(pushed) = verified.pushed else {
        anyhow::bail!("no MLflow run is known: nothing was trained, and no image was pushed");
    };
    let reference = format!("{}@{}", pushed.repository, pushed.digest);
    let labels = match reference.parse::<Reference>() {
        Ok(reference) => registry::labels(&reference, verified.login)
            .await
            .map_err(|failure| {
                let findings = failure.into_findings().into_iter();
                anyhow::anyhow!(
                    findings
                        .map(|one| one.message)
                        .collect::<Vec<_>>()
                        .join("; ")
                )
            })?,
        Err(why) => anyhow::bail!("image `{reference}` {why}"),
    };
    let id = labels.and_then(|mut labels| labels.remove(label::RUN_ID));
    id.ok_or_else(|| {
        let label = label::RUN_ID;
        anyhow::anyhow!("no MLflow run is known: `{reference}` has no label `{label}`")
    })
}
