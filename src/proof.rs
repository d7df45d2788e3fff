//! The proof before the push: the environment is compared, then the container is tried, and both together say whether the image
//! serves what was trained, and what is to blame when it does not. Each gate knows only its own part; here is what they mean together.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::artifact::{Image, Model, Parity, Proof, ProofAnswers as Answers, ProofSide, Trial};
use crate::code::Code;
use crate::context::Context;
use crate::engine::Engine;
use crate::event::Stage;
use crate::failure::{Failure, Outcome};
use crate::gate::matrix::{self, Answered};
use crate::gate::parity;
use crate::plan::Plan;
use crate::predict;
use crate::stage::stage;
use crate::trial;

/// How long a container may take to become healthy after the comparison has already decided: its answers are only evidence.
const AFTER_A_VERDICT: Duration = Duration::from_secs(60);

/// Compares the environments and tries the container. Nothing is pushed before. What the comparison finds does not keep the
/// container from being tried: its answers tell whether the difference matters. `began`: when the run did.
///
/// # Errors
/// The findings of both, those of the comparison first.
pub(crate) async fn stages(
    plan: &Plan,
    ctx: &Context,
    engine: Option<&Engine>,
    model: Option<&Model>,
    image: Option<&Image>,
    began: SystemTime,
) -> Outcome<()> {
    let Some((engine, image)) = engine.zip(image) else {
        return Ok(());
    };
    let mut compared = None;
    let mut differs = Ok(());
    if plan.runs(Stage::Parity) {
        differs = stage(plan, ctx, Stage::Parity, async |ctx| {
            let (parity, failure) = parity::run(ctx, engine, plan, model, image).await?;
            compared = Some(parity);
            failure.map_or(Ok(()), Err)
        })
        .await;
    }
    // What was not compared at all is no difference, and a cancel ends everything.
    if differs.is_err() && (compared.is_none() || ctx.cancel.is_cancelled())
        || !plan.runs(Stage::Predictions)
    {
        return differs;
    }
    let at_most = if differs.is_err() {
        AFTER_A_VERDICT
    } else {
        Duration::MAX
    };
    let tried = trial::stage(plan, ctx, engine, image, at_most).await;
    let proof = conclude(plan, ctx, model, compared.as_ref(), &tried, began);
    if let Some(proof) = &proof {
        let ctx = ctx.stage(Stage::Predictions);
        ctx.events.note(proof.sentence()).await;
        ctx.events.produced(proof.clone()).await;
    }
    together(differs, tried, proof.as_ref(), compared.as_ref())
}

/// What both say; `None` when one of them says nothing.
fn conclude(
    plan: &Plan,
    ctx: &Context,
    model: Option<&Model>,
    compared: Option<&Parity>,
    tried: &Outcome<Option<Trial>>,
    began: SystemTime,
) -> Option<Proof> {
    let asked = |trial: &Trial| trial.tolerance.is_some() && trial.rows > 0;
    let (how, rows) = match tried {
        Ok(Some(trial)) if asked(trial) => (Answers::Same, trial.rows),
        Ok(_) => (Answers::Unknown, 0),
        Err(failure) => match failure.code() {
            Code::PredictionDiffers => (Answers::Other, 0),
            Code::PredictionError | Code::ContainerUnready => (Answers::Failed, 0),
            _ => (Answers::Unknown, 0),
        },
    };
    let evidence: Vec<String> = tried
        .as_ref()
        .err()
        .map(|failure| {
            let findings = failure.findings();
            findings
                .flat_map(|finding| finding.evidence.clone())
                .collect()
        })
        .unwrap_or_default();
    let environment = model.and_then(|model| model.environment.as_ref());
    let modules: BTreeMap<String, Vec<String>> = environment
        .into_iter()
        .flat_map(|environment| &environment.distributions)
        .map(|one| (one.name.clone(), one.modules.clone()))
        .collect();
    let answered = Answered {
        how,
        rows,
        evidence: &evidence,
        older: rows_are_older(plan, ctx, began),
    };
    matrix::conclude(compared, answered, &modules)
}

/// Whether the recorded rows were written before this run trained: those of an earlier model, kept in the repository.
fn rows_are_older(plan: &Plan, ctx: &Context, began: SystemTime) -> bool {
    let recorded = predict::find(
        &ctx.workspace,
        plan.verify.golden.as_deref(),
        &plan.verify.form,
        &plan.model,
    );
    let file = recorded.ok().flatten().map(|recorded| recorded.file);
    let written = file.and_then(|file| std::fs::metadata(file).ok()?.modified().ok());
    plan.runs(Stage::Train) && written.is_some_and(|written| written < began)
}

/// One failure of both, with the conclusion where it is read first.
fn together(
    differs: Outcome<()>,
    tried: Outcome<Option<Trial>>,
    proof: Option<&Proof>,
    compared: Option<&Parity>,
) -> Outcome<()> {
    let failed = tried.err().map(|failure| match proof {
        Some(proof) => failure.also(format!("; {}", proof.why)),
        None => failure,
    });
    let Err(differs) = differs else {
        return failed.map_or(Ok(()), Err);
    };
    let harmless = proof.is_some_and(|proof| {
        proof.predictions == Answers::Same && proof.environment == ProofSide::Other
    });
    let entries = compared.map(matrix::entries).unwrap_or_default();
    let mut findings = differs.into_findings();
    if harmless
        && !entries.is_empty()
        && let Some(first) = findings.first_mut()
    {
        let advice = first.advice().to_owned();
        let entries = entries.join("`, `");
        first.help = Some(format!(
            "{advice}; the recorded predictions are answered as recorded all the same: if they are proof enough, add `{entries}` to `parity-allow`"
        ));
    }
    findings.extend(failed.into_iter().flat_map(Failure::into_findings));
    Failure::all(findings).map_or(Ok(()), Err)
}
