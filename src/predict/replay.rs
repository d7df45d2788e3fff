//! Asks the recorded requests and judges the answers. A row whose answer differs is asked once more, and so are the first rows:
//! only so a server that predicts otherwise can be told from one that answers the same request differently each time.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::address::{Answer, Question};
use super::compare::{Difference, compare};
use super::protocol::Protocol;
use super::rows::Row;
use super::spread::Spread;
use super::tolerance::Tolerance;
use super::{head, lenient};

/// After so many rows in a row without an answer, the rest would only say it again.
const ENOUGH: usize = 10;

/// A row that fails only after so long counts for several: a server that hangs is not waited for ten times.
const LONG: Duration = Duration::from_secs(20);

/// Rows that are asked twice in any case, to know how much the server varies by itself.
const TWICE: usize = 3;

/// What came of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judged {
    Same,
    /// As recorded within what the server itself varies from one answer to the next.
    Noisy(Difference),
    /// Another prediction.
    Differs(Difference),
    /// Another prediction each time; the second text is how two answers differ from each other.
    Unstable(Difference, Difference),
    /// No prediction: an error, no answer, no JSON. Untrusted text.
    Failed(String),
}

impl Judged {
    /// In one line; `None` when there is nothing to say. Untrusted.
    pub(crate) fn what(&self) -> Option<String> {
        match self {
            Self::Same => None,
            Self::Failed(why) => Some(why.clone()),
            Self::Noisy(found) | Self::Differs(found) => Some(found.to_string()),
            Self::Unstable(found, varies) => Some(format!(
                "{found}; asked again, {varies}: the server answers the same request differently"
            )),
        }
    }
}

/// One row and its result.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Counted from 1.
    pub(crate) number: usize,
    /// In the file.
    pub(crate) line: u32,
    pub(crate) judged: Judged,
}

impl Asked {
    /// Whether it is as recorded.
    pub(crate) fn passed(&self) -> bool {
        matches!(self.judged, Judged::Same | Judged::Noisy(_))
    }
}

/// What came of all rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replayed {
    /// Those that were asked.
    pub(crate) rows: Vec<Asked>,
    pub(crate) spread: Spread,
    /// Of each first answer, in order.
    pub(crate) took: Vec<Duration>,
    /// Largest difference of two numbers in two answers to the same request; `None` when nothing was asked twice.
    pub(crate) noise: Option<f64>,
}

impl Replayed {
    /// The row that is furthest from what was recorded: no answer first, then another kind of value, then the distance.
    pub(crate) fn worst(&self) -> Option<&Asked> {
        let badness = |row: &Asked| match &row.judged {
            Judged::Same => -1.0,
            Judged::Failed(_) => f64::INFINITY,
            Judged::Noisy(_) => 0.0,
            Judged::Differs(found) | Judged::Unstable(found, _) => {
                found.distance.unwrap_or(f64::MAX)
            }
        };
        let differs = self.rows.iter().filter(|row| row.judged != Judged::Same);
        // The first of equals, so that the report does not depend on the number of rows.
        differs.reduce(|worst, row| {
            if badness(row) > badness(worst) {
                row
            } else {
                worst
            }
        })
    }
}

/// Asks rows, each with its number, one after the other; none after `until`.
pub(crate) async fn replay<'a>(
    ask: impl AsyncFn(Question<'_>) -> Result<Answer, String>,
    protocol: &Protocol,
    tolerance: Tolerance,
    until: Instant,
    rows: impl IntoIterator<Item = (usize, &'a Row)>,
) -> Replayed {
    let mut done = Replayed::default();
    let mut failed = 0;
    for (number, row) in rows {
        let own = row.path.as_deref().map(Protocol::at);
        let protocol = own.as_ref().unwrap_or(protocol);
        let began = Instant::now();
        let first = predict(&ask, protocol, row).await;
        if first.is_ok() {
            done.took.push(began.elapsed());
        }
        let (judged, noise) = match (first, &row.response) {
            (Err(why), _) => (Judged::Failed(why), None),
            (Ok(_), None) => (Judged::Same, None),
            (Ok(got), Some(recorded)) => {
                let (got, wanted) = protocol.parts(row, &got, recorded);
                let found = compare(got, wanted, tolerance);
                done.spread.merge(&found.spread);
                if found.first.is_none() && done.rows.len() >= TWICE {
                    (Judged::Same, None)
                } else {
                    let second = predict(&ask, protocol, row).await;
                    let second = second.as_ref().map_err(String::as_str);
                    let second = second.map(|second| protocol.parts(row, second, recorded).0);
                    again(tolerance, (got, wanted), second)
                }
            }
        };
        if let Some(noise) = noise {
            done.noise = Some(done.noise.unwrap_or_default().max(noise));
        }
        failed = match judged {
            Judged::Failed(_) if began.elapsed() >= LONG => failed + ENOUGH / 2,
            Judged::Failed(_) => failed + 1,
            _ => 0,
        };
        done.rows.push(Asked {
            number,
            line: row.line,
            judged,
        });
        if failed >= ENOUGH || Instant::now() >= until {
            break;
        }
    }
    done
}

/// Judges the first answer and the recorded one by a second answer to the same request; the number is how far the two answers
/// are apart.
fn again(
    tolerance: Tolerance,
    (got, wanted): (&Value, &Value),
    second: Result<&Value, &str>,
) -> (Judged, Option<f64>) {
    let second = match second {
        Ok(second) => second,
        Err(why) => {
            let why = format!("only the first answer came: {why}");
            return (Judged::Failed(why), None);
        }
    };
    let exact = Tolerance {
        rtol: 0.0,
        atol: 0.0,
    };
    let between = compare(second, got, exact);
    let noise = Some(between.spread.largest);
    let difference = compare(got, wanted, tolerance).first;
    let Some(difference) = difference.or_else(|| compare(second, wanted, tolerance).first) else {
        return (Judged::Same, noise);
    };
    let Some(varies) = between.first else {
        return (Judged::Differs(difference), noise);
    };
    let floor = Tolerance {
        rtol: Tolerance::NOISE.rtol.max(tolerance.rtol),
        atol: Tolerance::NOISE.atol.max(tolerance.atol),
    };
    let near = compare(second, got, floor).count == 0 && compare(got, wanted, floor).count == 0;
    let judged = if near && between.only_numbers {
        Judged::Noisy(difference)
    } else {
        Judged::Unstable(difference, varies)
    };
    (judged, noise)
}

/// Asks for one prediction; the error says why there is none.
async fn predict(
    ask: &impl AsyncFn(Question<'_>) -> Result<Answer, String>,
    protocol: &Protocol,
    row: &Row,
) -> Result<Value, String> {
    let path = protocol.path.as_str();
    let answer = ask(Question {
        method: "POST",
        path,
        body: Some(&row.body()),
    })
    .await?;
    let said = head(&answer.body);
    if !answer.is_success() {
        return Err(format!("{path} answers {} {said}", answer.status));
    }
    let got = lenient::parse(&answer.body).map_err(|why| {
        let status = answer.status;
        format!("{path} answers {status}, but no JSON that can be read ({why}): {said}")
    })?;
    if !protocol.is_prediction(row, &got) {
        let place = row.pointer.as_ref();
        let place = place.map_or(String::new(), |place| format!(" at `{place}`"));
        return Err(format!("{path} answers no prediction{place}: {said}"));
    }
    Ok(got)
}
