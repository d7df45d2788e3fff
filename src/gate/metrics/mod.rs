//! The gate on metrics: what the training measured, against rules and against the model that serves now.

mod champion;
mod compare;
mod json;
mod judge;
mod record;
mod sources;

pub(crate) use record::{Verified, record};
pub(crate) use sources::{Before, before};

use std::path::Path;

use self::champion::Baseline;
use self::judge::Candidate;
use crate::artifact::{GateRule, Gates, Live, Model};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::{GateSpec, RegistryLogin};
use crate::tracking;

/// What is live, as far as it could be read, and how its registry is entered.
#[derive(Debug)]
pub(crate) struct Serving<'a> {
    pub(crate) live: Outcome<Option<Live>>,
    pub(crate) login: Option<&'a RegistryLogin>,
}

/// Judges every rule.
///
/// # Errors
/// A finding for each rule that does not pass; `GateMetricMissing` for a file of metrics that cannot be read.
pub(crate) async fn run(
    ctx: &Context,
    spec: &GateSpec,
    model: Option<&Model>,
    before: &Before,
    serving: Serving<'_>,
) -> Outcome<()> {
    let measured = sources::gather(ctx, spec, model, before).await?;
    let environment = model.and_then(|model| model.environment.as_ref());
    let python = environment.map(|environment| Path::new(environment.executable.as_str()));
    let mut store = spec.tracking.clone();
    if !store.asked
        && let Some(found) = tracking::discover(ctx, &store)
    {
        store = found;
    }
    let baseline = champion::find(ctx, spec, &store, serving, python).await;
    let candidate = Candidate {
        metrics: &measured,
        datasets: model
            .and_then(|model| model.run.as_ref())
            .map_or(&[], |run| run.datasets.as_slice()),
    };
    let (mut rules, mut findings) = (Vec::new(), Vec::new());
    for rule in &spec.rules {
        let (verdict, finding) = judge::judge(rule, &candidate, &baseline, spec.first_deploy);
        rules.push(verdict);
        findings.extend(finding);
    }
    for line in table(&rules) {
        ctx.events.note(line).await;
    }
    let champion = match baseline {
        Baseline::Run { champion, .. } => Some(champion),
        Baseline::None(_) | Baseline::Unreadable(_) => None,
    };
    if let Some(champion) = &champion {
        let line = format!("champion: run {}, {}", champion.run_id, champion.known_by);
        ctx.events.note(line).await;
    }
    ctx.events.produced(Gates { champion, rules }).await;
    Failure::all(findings).map_or(Ok(()), Err)
}

/// Candidate, champion and verdict, one aligned line a rule.
fn table(rules: &[GateRule]) -> Vec<String> {
    let widest = rules.iter().map(|rule| rule.rule.chars().count()).max();
    let width = widest.unwrap_or_default();
    rules
        .iter()
        .map(|rule| {
            format!(
                "{:<width$}  {:<14}  {}",
                rule.rule,
                rule.verdict.words(),
                rule.why
            )
        })
        .collect()
}
