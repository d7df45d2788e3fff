//! What happens to a new deployment that does not become ready, does not verify, or does not get its traffic: first of all the
//! traffic goes back to who had it, then the new deployment goes.

use std::time::Duration;

use super::before::Tags;
use super::provision::log;
use super::remove::{REMOVAL, remove, remove_endpoint};
use super::work::Work;
use super::{How, Rollout, traffic};
use crate::artifact::RolledBack;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::{AzureMlSpec, OnFailure, OnFirstFailure};

/// How long a run that is told to stop may ask what it leaves.
const CANCELLED: Duration = Duration::from_millis(2_500);
/// How long it may move traffic back: the process is given little more than this.
const RETREAT: Duration = Duration::from_millis(4_000);

const UNKNOWN: &str = "who has the traffic could not be asked in time";

/// Puts back what was live before, unless the inputs or a cancel forbid it. Returns the failure with what was done about it.
pub(crate) async fn undo(
    ctx: &Context,
    spec: &AzureMlSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    let work = Work::new(ctx, spec);
    let name = rollout.name.as_str();
    if ctx.cancel.is_cancelled() {
        return cancelled(&work, rollout, failure).await;
    }
    if rollout.how == How::Serves {
        return failure.also(format!(
            "; deployment `{name}` has served before this run, and nothing was changed"
        ));
    }
    // A deployment that did not become ready has its log already.
    let failure = if failure.code().exit() == Code::VerifyHealth.exit() {
        failure.evidence(log(&work, name).await.shown())
    } else {
        failure
    };
    let before = rollout.before.traffic();
    let Some(old) = before.keys().max_by_key(|name| before.get(*name)) else {
        return first(&work.within(REMOVAL), rollout, failure).await;
    };
    if spec.on_failure == OnFailure::Keep {
        let leads = leads(&work).await;
        return failure.also(format!(
            "; everything is left as it is (`on-failure: keep`): deployment `{name}` is there, and {leads}"
        ));
    }
    let work = work.unstopped();
    match give_back(ctx, &work, rollout).await {
        Some(Ok(())) => {}
        Some(Err(back)) => return not_put_back(&work, &before, name, &back, failure).await,
        None => return out_of_time(spec, &before, name, failure),
    }
    let to = rollout.before.image.clone();
    let to = to.unwrap_or_else(|| format!("deployment {old}"));
    let served = format!(
        "endpoint `{}` sends its traffic to {} as before: `{to}`",
        spec.endpoint,
        traffic::shown(&before)
    );
    ctx.events.note(served.clone()).await;
    ctx.events.produced(RolledBack { to }).await;
    let failure = failure.also(format!("; {served}"));
    // A cancel leaves that to Azure.
    away(&Work::new(ctx, spec).within(REMOVAL), rollout, failure).await
}

/// Gives the traffic back to who had it. After a cancel it goes on for a few seconds, because half of a way back is the worst that
/// can be left; `None`: they did not suffice.
async fn give_back(ctx: &Context, work: &Work<'_>, rollout: &Rollout) -> Option<Outcome<()>> {
    let (before, remembers) = (rollout.before.traffic(), rollout.before.remembers());
    let late = async {
        ctx.cancel.cancelled().await;
        tokio::time::sleep(RETREAT).await;
    };
    tokio::select! {
        done = traffic::set(work, &before, &remembers) => Some(done),
        () = late => None,
    }
}

/// A cancel has ended the way back: Azure may still go it.
fn out_of_time(
    spec: &AzureMlSpec,
    before: &traffic::Traffic,
    name: &str,
    failure: Failure,
) -> Failure {
    let shown = traffic::shown(before);
    let text = format!(
        "; the traffic was to go back to {shown}, and Azure had not ended that when this run had to: look where it goes"
    );
    failure.also(text).help(by_hand(spec, before, name))
}

/// Takes away what this run has made.
async fn away(work: &Work<'_>, rollout: &Rollout, failure: Failure) -> Failure {
    if rollout.how != How::Made {
        return failure;
    }
    let name = rollout.name.as_str();
    match remove(work, name).await {
        Ok(()) => failure.also(format!(", and deployment `{name}` is removed")),
        Err(why) => failure.also(format!(
            ", and deployment `{name}` is left, without traffic, for the next run to remove: {why}"
        )),
    }
}

/// Nothing served before.
async fn first(work: &Work<'_>, rollout: &Rollout, failure: Failure) -> Failure {
    let (spec, name) = (work.spec, rollout.name.as_str());
    if spec.on_first_failure == OnFirstFailure::Keep || rollout.how != How::Made {
        return failure.also(format!(
            "; nothing was live before: deployment `{name}` of endpoint `{}` is left to be looked at (`on-first-failure: keep`), and its machines are paid for",
            spec.endpoint
        ));
    }
    // One that has traffic cannot be removed.
    if let Err(back) = traffic::set(work, &traffic::Traffic::new(), &Tags::new()).await {
        return not_put_back(work, &traffic::Traffic::new(), name, &back, failure).await;
    }
    let failure = away(work, rollout, failure.also("; nothing was live before")).await;
    let ours = rollout.before.written().is_none();
    if spec.on_first_failure != OnFirstFailure::Remove || !ours {
        return failure.also(format!(
            "; endpoint `{}` stays, without traffic",
            spec.endpoint
        ));
    }
    match remove_endpoint(work).await {
        Ok(()) => failure.also(format!("; endpoint `{}` is removed", spec.endpoint)),
        Err(why) => failure.also(format!("; endpoint `{}` is left: {why}", spec.endpoint)),
    }
}

/// A cancel while the traffic moved: half of a move is the worst that can be left, so it goes back to who had it, as far as the time
/// allows. The new deployment stays: its removal takes longer.
pub(super) async fn retreat(
    ctx: &Context,
    spec: &AzureMlSpec,
    rollout: &Rollout,
    failure: Failure,
) -> Failure {
    let work = Work::new(ctx, spec).unstopped();
    if rollout.before.traffic().is_empty() || spec.on_failure == OnFailure::Keep {
        return cancelled(&work, rollout, failure).await;
    }
    let before = rollout.before.traffic();
    let name = rollout.name.as_str();
    match give_back(ctx, &work, rollout).await {
        Some(Ok(())) => failure.also(format!(
            "; endpoint `{}` sends its traffic to {} as before; deployment `{name}` is left, without traffic, and the next run removes it",
            spec.endpoint,
            traffic::shown(&before)
        )),
        Some(Err(back)) => not_put_back(&work, &before, name, &back, failure).await,
        None => out_of_time(spec, &before, name, failure),
    }
}

/// A cancel: nothing is undone, and it is said what is live.
async fn cancelled(work: &Work<'_>, rollout: &Rollout, failure: Failure) -> Failure {
    let leads = tokio::time::timeout(CANCELLED, leads(work)).await;
    let leads = leads.unwrap_or_else(|_| UNKNOWN.to_owned());
    let made = match rollout.how {
        How::Made => format!(
            "deployment `{}` is left as Azure has it, and the next run removes it unless it serves",
            rollout.name
        ),
        How::Kept => format!("deployment `{}` is kept", rollout.name),
        How::Serves => "nothing was changed".to_owned(),
    };
    failure.also(format!("; {leads}; {made}"))
}

/// Who has the traffic now, in words.
async fn leads(work: &Work<'_>) -> String {
    let name = work.spec.endpoint.as_str();
    match work.ml.endpoint(name).await {
        Ok(Some(now)) => format!(
            "endpoint `{name}` sends its traffic to {}",
            traffic::shown(&now.traffic)
        ),
        Ok(None) => format!("endpoint `{name}` is not there"),
        Err(why) => format!("who has the traffic is not known: {}", why.message()),
    }
}

/// A person must look: the traffic is not where it was.
async fn not_put_back(
    work: &Work<'_>,
    before: &traffic::Traffic,
    name: &str,
    why: &Failure,
    failure: Failure,
) -> Failure {
    let leads = tokio::time::timeout(CANCELLED, leads(work)).await;
    let leads = leads.unwrap_or_else(|_| UNKNOWN.to_owned());
    let message = format!(
        "the traffic could not be moved back to {}: {}; {leads}",
        traffic::shown(before),
        why.message()
    );
    let evidence = why.findings().flat_map(|finding| finding.evidence.clone());
    let broken = Diagnostic::error(Code::RollbackFailed, message)
        .help(format!(
            "look at the endpoint now; {}",
            by_hand(work.spec, before, name)
        ))
        .evidence(evidence.collect::<Vec<_>>());
    failure.led_by(broken)
}

/// The line that gives the traffic back, with nothing for the new deployment.
fn by_hand(spec: &AzureMlSpec, before: &traffic::Traffic, new: &str) -> String {
    let mut shares = before.clone();
    shares.entry(new.to_owned()).or_insert(0);
    let shares: Vec<String> = shares
        .iter()
        .map(|(name, share)| format!("{name}={share}"))
        .collect();
    format!(
        "to move the traffic by hand: az ml online-endpoint update --resource-group {} --workspace-name {} --name {} --traffic \"{}\"",
        spec.workspace.resource_group,
        spec.workspace.name,
        spec.endpoint,
        shares.join(" ")
    )
}
