//! Recorded predictions on what is live: each replica answers the first rows, and together they answer all.

use std::time::{Duration, Instant};

use super::service::Service;
use crate::artifact::Check;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::Plan;
use crate::predict::{
    Judged, Protocol, Question, Recorded, Replayed, Row, Tolerance, detect, replay,
};

/// Rows that every replica answers; the others are shared out.
const EACH: usize = 3;
/// Findings shown of rows that differ.
const SHOWN: usize = 10;
/// How long all rows together may take.
const LONGEST: Duration = Duration::from_secs(300);

/// Asks all rows.
pub(super) async fn ask(
    ctx: &Context,
    plan: &Plan,
    service: &Service,
    recorded: &Recorded,
) -> (Vec<Check>, Vec<Diagnostic>) {
    let file = ctx.workspace.relative(&recorded.file);
    let Some(protocol) = protocol(plan, service, recorded).await else {
        ctx.events
            .note(format!(
                "`{file}` is not asked: no path takes its requests; set `predict-path`"
            ))
            .await;
        return (Vec::new(), Vec::new());
    };
    let tolerance = Tolerance::of(&plan.model, plan.verify.rtol, plan.verify.atol);
    let until = Instant::now() + LONGEST;
    let replicas: Vec<usize> = service.replicas().collect();
    let mut answered: Vec<(String, Replayed)> = Vec::new();
    for (turn, &place) in replicas.iter().enumerate() {
        let rows = share(&recorded.rows, turn, replicas.len());
        let question = async |question: Question<'_>| service.ask(place, question).await;
        let replayed = replay(question, &protocol, tolerance, until, rows).await;
        answered.push((service.name(place), replayed));
    }
    judge(ctx, recorded, &answered).await
}

/// How the service is asked; `None` when no path takes such requests.
async fn protocol(plan: &Plan, service: &Service, recorded: &Recorded) -> Option<Protocol> {
    let place = service.replicas().next()?;
    let question = async |question: Question<'_>| service.ask(place, question).await;
    let path = plan.verify.predict_path.as_deref();
    // An example of MLflow is a request to MLflow's own server; another path may take anything.
    let path = path.filter(|path| !recorded.is_example() || path.ends_with("/invocations"));
    detect(question, path, recorded.rows.first()?).await.ok()
}

/// The rows of one replica, each with its number.
fn share(rows: &[Row], turn: usize, replicas: usize) -> impl Iterator<Item = (usize, &Row)> {
    let mine = move |(number, _): &(usize, &Row)| {
        let index = number - 1;
        index < EACH || index % replicas.max(1) == turn
    };
    (1..).zip(rows).filter(mine)
}

/// One check a row, and a finding for each that is not as recorded.
async fn judge(
    ctx: &Context,
    recorded: &Recorded,
    answered: &[(String, Replayed)],
) -> (Vec<Check>, Vec<Diagnostic>) {
    let several = answered.len() > 1;
    let (mut checks, mut findings, mut wrong) = (Vec::new(), Vec::new(), 0);
    for (number, row) in (1..).zip(&recorded.rows) {
        let asked = answered.iter().flat_map(|(name, replayed)| {
            let own = replayed.rows.iter().filter(move |row| row.number == number);
            own.map(move |row| (name, row))
        });
        let asked: Vec<_> = asked.collect();
        let Some((name, first)) = asked
            .iter()
            .find(|(_, row)| !row.passed())
            .or(asked.first())
        else {
            // The rows before it said enough.
            continue;
        };
        let passed = first.passed();
        let what = first.judged.what().unwrap_or_default();
        let what = if several {
            format!("{name}: {what}")
        } else {
            what
        };
        let detail = match (&first.judged, asked.len()) {
            (_, _) if !passed => what.clone(),
            (Judged::Noisy(_), _) => format!("as recorded, but for noise: {what}"),
            (_, 1) => "as recorded".to_owned(),
            (_, replicas) => format!("as recorded by {replicas} replicas"),
        };
        checks.push(Check {
            name: format!("golden row {number}"),
            passed,
            detail,
        });
        if passed {
            continue;
        }
        wrong += 1;
        if wrong <= SHOWN {
            let message = format!("golden row {number} is answered otherwise: {what}");
            let at = ctx.workspace.locate(&recorded.file, row.line);
            findings.push(Diagnostic::error(Code::VerifyPrediction, message).at(at));
        }
    }
    let replicas = if several {
        format!(" by {} replicas", answered.len())
    } else {
        String::new()
    };
    ctx.events
        .note(format!(
            "{} of {} recorded predictions are answered as recorded{replicas}",
            checks.len() - wrong,
            recorded.rows.len()
        ))
        .await;
    (checks, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replica_answers_the_first_rows_and_together_they_answer_all() {
        let row = Row {
            request: 1.into(),
            response: None,
            path: None,
            line: 1,
        };
        let rows = vec![row; 10];
        let of = |turn| {
            share(&rows, turn, 3)
                .map(|(number, _)| number)
                .collect::<Vec<_>>()
        };
        assert_eq!(of(0), [1, 2, 3, 4, 7, 10]);
        assert_eq!(of(1), [1, 2, 3, 5, 8]);
        assert_eq!(of(2), [1, 2, 3, 6, 9]);
        assert_eq!(share(&rows, 0, 1).count(), 10);
    }
}
