//! Back to the deployment that was kept when it was replaced.

use super::before;
use super::work::Work;
use super::{How, Rollout, body, rollout};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::AzureMlSpec;

/// Chooses what to go back to. Its traffic moves when it is verified.
///
/// # Errors
/// `RevisionMissing` when nothing was kept.
pub(crate) async fn rollback(ctx: &Context, spec: &AzureMlSpec) -> Outcome<Rollout> {
    let work = Work::new(ctx, spec);
    let before = before::settled(&work).await?;
    let Some(kept) = before.kept().cloned() else {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!(
                "failed to go back: endpoint `{}` has no deployment that was kept when it was replaced",
                spec.endpoint
            ),
        )
        .help("deploy an earlier image with `image-ref`; with `keep-old: true` the next one that is replaced stays for this"));
    };
    let tag = |name: &str| kept.tags.get(name).cloned();
    let image = tag(body::IMAGE).unwrap_or_default();
    let commit = tag(body::COMMIT).unwrap_or_else(|| "not recorded".to_owned());
    ctx.events
        .note(format!(
            "going back to deployment `{}`: `{image}`, commit {commit}",
            kept.name
        ))
        .await;
    Ok(rollout(spec, before, kept.name, How::Kept, image))
}
