//! Recorded predictions on what is live: each replica answers all rows, or the first ones where that would be too many, and
//! together they answer all.

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

/// Requests that all replicas together are asked at least: as long as they suffice, each replica answers every row.
const ENOUGH: usize = 600;
/// Rows that every replica answers however many there are; the others are shared out.
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
    let found = detect(question, path, recorded.rows.first()?).await;
    found.ok().map(|found| found.protocol)
}

/// The rows of one replica, each with its number.
fn share(rows: &[Row], turn: usize, replicas: usize) -> impl Iterator<Item = (usize, &Row)> {
    let each = EACH.max(ENOUGH / replicas.max(1));
    let mine = move |(number, _): &(usize, &Row)| {
        let index = number - 1;
        index < each || index % replicas.max(1) == turn
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
            pointer: None,
            line: 1,
        };
        let rows = vec![row; 1000];
        let of = |turn, replicas| {
            let mine = share(&rows, turn, replicas);
            mine.map(|(number, _)| number).collect::<Vec<_>>()
        };
        // Few rows or few replicas: everyone answers everything.
        assert_eq!(share(&rows[..200], 2, 3).count(), 200);
        assert_eq!(of(0, 1).len(), 1000);
        assert_eq!(of(0, 400)[..5], [1, 2, 3, 401, 801]);
        assert_eq!(of(7, 400), [1, 2, 3, 8, 408, 808]);
        let all: std::collections::BTreeSet<_> = (0..400).flat_map(|turn| of(turn, 400)).collect();
        assert_eq!(all.len(), 1000);
    }
}
