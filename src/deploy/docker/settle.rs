//! What becomes of a new container that answers: once it is verified the old one goes, and if it does not verify the old one
//! comes back.

use tokio::time::Instant;

use super::Names;
use super::start::serving;
use super::swap::{not_put_back, restore};
use crate::artifact::RolledBack;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::{Failure, chain};
use crate::plan::DockerSpec;

/// Log lines that are kept of a container that did not verify.
const LINES: u32 = 20;

/// Removes the container that was replaced.
pub(crate) async fn finish(ctx: &Context, engine: &Engine, spec: &DockerSpec) {
    let names = Names::of(&spec.name);
    // The new one serves, so this changes nothing; the next run tries it again.
    if let Err(error) = engine.remove_container(&names.previous).await {
        let message = format!("the previous container is left: {}", chain(&error));
        let finding = Diagnostic::warning(Code::ContainerFailed, message)
            .help(format!("remove `{}`", names.previous));
        ctx.events.diagnosed(finding).await;
    }
}

/// Puts back the container that was replaced. A cancel never does; it says what is live.
pub(crate) async fn undo(
    ctx: &Context,
    engine: &Engine,
    spec: &DockerSpec,
    failure: Failure,
) -> Failure {
    let names = Names::of(&spec.name);
    let previous = match engine.inspect_container(&names.previous).await {
        Ok(previous) => previous,
        Err(error) => return not_put_back(&names, &error, failure),
    };
    let Some(previous) = previous else {
        let left = format!(
            "; nothing was live before: container `{}` is left to be looked at",
            names.now
        );
        return failure.also(left);
    };
    if ctx.cancel.is_cancelled() {
        return failure.also(format!(
            "; container `{}` runs the new image, not verified, and the former one is kept as `{}` until the next run",
            names.now, names.previous
        ));
    }
    let log = engine.logs_tail(&names.now, LINES).await;
    let failure = failure.evidence(log.unwrap_or_default());
    if let Err(error) = restore(engine, &names).await {
        return not_put_back(&names, &error, failure);
    }
    let to = previous
        .labels
        .get("ml-deploy.digest")
        .unwrap_or(&previous.image_id)
        .clone();
    let deadline = Instant::now() + spec.deadline;
    if let Err(why) = serving(ctx, engine, spec, &names.now, deadline).await {
        let why = why.findings().next();
        let why = why.map_or("", |finding| finding.message.as_str());
        let said = format!("`{}` was put back to `{to}`, and then: {why}", names.now);
        if ctx.cancel.is_cancelled() {
            return failure.also(format!("; {said}"));
        }
        let broken = Diagnostic::error(Code::RollbackFailed, said).help(format!(
            "production may be down: see `docker logs {}`",
            names.now
        ));
        let findings = std::iter::once(broken).chain(failure.into_findings());
        return Failure::all(findings.collect())
            .unwrap_or_else(|| Failure::new(Code::RollbackFailed, "no finding"));
    }
    let said = format!("`{}` runs the previous image again: `{to}`", names.now);
    ctx.events.note(said.clone()).await;
    ctx.events.produced(RolledBack { to }).await;
    failure.also(format!("; {said}"))
}
