//! What serves on an endpoint, from which commit and run. It reads and changes nothing.

use super::before::{self, Before};
use super::work::Work;
use super::{body, describe, traffic};
use crate::artifact::{Check, Live, Served, ServedPod, Verification};
use crate::cloud::azure_ml::OnlineDeployment;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::AzureMlSpec;

/// Says what is live.
///
/// # Errors
/// `RevisionMissing` when there is no such endpoint, `VerifyHealth` when who has traffic is not ready, and what Azure refuses.
pub(crate) async fn status(ctx: &Context, spec: &AzureMlSpec) -> Outcome<()> {
    let work = Work::new(ctx, spec);
    let before = before::read(&work).await?;
    let Some(endpoint) = before.written() else {
        return Err(Failure::new(
            Code::RevisionMissing,
            format!(
                "failed to say what is live: workspace `{}` has no endpoint `{}`",
                spec.workspace.name, spec.endpoint
            ),
        )
        .help("correct `endpoint-name`, `workspace` or `resource-group`"));
    };
    ctx.events
        .note(format!(
            "endpoint  {}, {}, traffic to {}",
            endpoint.name,
            endpoint.state,
            traffic::shown(&endpoint.traffic)
        ))
        .await;
    let (mut checks, mut sick) = (Vec::new(), Vec::new());
    for one in &before.deployments {
        let share = endpoint.traffic.get(&one.name).copied().unwrap_or_default();
        let detail = line(one, share);
        ctx.events.note(format!("{:<9} {detail}", one.name)).await;
        let passed = share == 0 || one.state == "Succeeded";
        if !passed {
            let message = format!(
                "deployment `{}` has {share} % of the traffic and is {}",
                one.name, one.state
            );
            sick.push(Diagnostic::error(Code::VerifyHealth, message));
        }
        checks.push(Check {
            name: format!("OnlineDeployment/{}", one.name),
            passed,
            detail,
        });
    }
    if endpoint.traffic.is_empty() {
        let message = format!("endpoint `{}` sends its traffic to nobody", endpoint.name);
        sick.push(Diagnostic::error(Code::VerifyHealth, message));
    }
    let live = before.live().map_or("", |live| live.name.as_str());
    let shown = describe(spec, live, before.endpoint(), before.image.clone());
    ctx.events.produced(shown).await;
    ctx.events.produced(Verification { checks }).await;
    Failure::all(sick).map_or(Ok(()), Err)
}

fn line(one: &OnlineDeployment, share: u64) -> String {
    let tag = |name: &str| one.tags.get(name).map(String::as_str);
    let image = tag(body::IMAGE).unwrap_or("an image that ml-deploy has not recorded");
    let commit = tag(body::COMMIT).map(|commit| format!(", commit {commit}"));
    let run = tag(body::RUN_ID).map(|run| format!(", run {run}"));
    format!(
        "{share} %, {}, {} x {}, {image}{}{}",
        one.state,
        one.instances,
        one.instance_type,
        commit.unwrap_or_default(),
        run.unwrap_or_default()
    )
}

/// What serves there, for the champion; `None` when nothing does.
///
/// # Errors
/// What Azure refuses.
pub(crate) async fn serving(ctx: &Context, spec: &AzureMlSpec) -> Outcome<Option<Live>> {
    let before = before::read(&Work::new(ctx, spec)).await?;
    Ok(before.live().map(|live| Live {
        object: format!("OnlineDeployment/{}", live.name),
        run_id: live.tags.get(body::RUN_ID).cloned(),
        images: before.image.clone().into_iter().collect(),
    }))
}

/// Every deployment with its marks, for the chain of what belongs together.
///
/// # Errors
/// What Azure refuses.
pub(crate) async fn served(ctx: &Context, spec: &AzureMlSpec) -> Outcome<Vec<Served>> {
    let work = Work::new(ctx, spec);
    let before = before::read(&work).await?;
    let mut all = Vec::new();
    for one in &before.deployments {
        let image = work.stoppable(work.ml.image(one)).await?;
        all.push(of(spec, &before, one, image));
    }
    Ok(all)
}

fn of(
    spec: &AzureMlSpec,
    before: &Before,
    one: &OnlineDeployment,
    image: Option<String>,
) -> Served {
    let tag = |name: &str| one.tags.get(name).cloned();
    Served {
        object: format!("OnlineDeployment/{}", one.name),
        place: format!("endpoint {}", spec.endpoint),
        commit: tag(body::COMMIT),
        run_id: tag(body::RUN_ID),
        digest: tag(body::DIGEST),
        pods: vec![ServedPod {
            name: one.name.clone(),
            ready: one.state == "Succeeded" && before.traffic().contains_key(&one.name),
            images: image.into_iter().collect(),
        }],
    }
}
