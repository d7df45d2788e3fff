//! Dependency layers are built, and pushed, while the training runs: whatever stands before the first instruction that
//! sees the model or the whole context. The real build finds them in the cache, the real push in the registry.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::build::{Job, run};
use super::cut::{Seen, cut};
use super::push::push_tag;
use super::source::{Source, inside};
use crate::artifact::BASE_TAG;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::Outcome;
use crate::plan::{BuildSpec, PushSpec};
use crate::registry::{Reference, credentials};

/// Layers that are there before the training has ended.
#[derive(Clone, Debug)]
pub(crate) struct EarlyLayers {
    pub(crate) reference: Reference,
}

/// Builds what does not depend on the training; `None` when that is nothing, and then it says why.
///
/// # Errors
/// As `build`; the real build would fail the same way.
pub(crate) async fn build_early(
    ctx: &Context,
    engine: &Engine,
    spec: &BuildSpec,
    model: &Path,
) -> Outcome<Option<EarlyLayers>> {
    if !spec.early_layers {
        return Ok(None);
    }
    let source = Source::read(&ctx.workspace, spec)?;
    let model = inside(&spec.context, model);
    let exists = |path: &str| spec.context.join(path).exists();
    let seen = Seen {
        model: model.as_deref(),
        exists: &exists,
    };
    let (part, stop) = cut(&source.text, &source.file, spec.target.as_deref(), &seen);
    if let Some(stop) = &stop
        && let Some(run) = &stop.delays
    {
        let place = source.at(&ctx.workspace, stop.line);
        ctx.events
            .note(format!(
                "{place} {} before `RUN {run}`, so that step waits for the training",
                stop.why
            ))
            .await;
    }
    let Some(part) = part else { return Ok(None) };
    let began = Instant::now();
    let (archive, name) = source.reduced(&ctx.workspace, spec, &part.text, &part.sources)?;
    let reference = spec.repository.with_tag(BASE_TAG);
    let labels = BTreeMap::from([("ml-deploy.early".to_owned(), "true".to_owned())]);
    let job = Job {
        archive,
        name,
        tags: vec![reference.to_string()],
        target: part.target,
        labels,
    };
    run(ctx, engine, spec, &source, job).await?;
    ctx.events
        .note(format!(
            "dependency layers are built ({:.1} s, while the model trains)",
            began.elapsed().as_secs_f64()
        ))
        .await;
    Ok(Some(EarlyLayers { reference }))
}

/// Pushes the early layers, best-effort: a failure is a warning, because the real push says it properly.
pub(crate) async fn push_early(
    ctx: &Context,
    engine: &Engine,
    spec: &PushSpec,
    layers: &EarlyLayers,
) {
    let began = Instant::now();
    let work = async {
        let login = credentials(spec.repository.host(), spec.login.as_ref()).await?;
        if let Some(login) = &login {
            ctx.events.mask(&login.secret).await;
        }
        push_tag(ctx, engine, &layers.reference, login.as_ref()).await
    };
    match work.await {
        Ok(_) => {
            ctx.events
                .note(format!(
                    "dependency layers are pushed ({:.1} s, while the model trains)",
                    began.elapsed().as_secs_f64()
                ))
                .await;
        }
        Err(failure) if failure.code() == Code::Interrupted => {}
        Err(failure) => {
            for finding in failure.findings() {
                let warning = Diagnostic::warning(
                    finding.code,
                    format!(
                        "dependency layers are not pushed early: {}",
                        finding.message
                    ),
                );
                ctx.events.diagnosed(warning).await;
            }
        }
    }
}
