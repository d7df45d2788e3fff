//! Environment and predictions, judged together: whether a difference of the one explains a difference of the other, and
//! which package is to blame. Pure. It changes no verdict: what blocks, blocks; here it is said why, and what it means.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::artifact::{
    Parity, ParityLevel as Level, ParityRow, Proof, ProofAnswers as Answers, ProofSide as Side,
};
use crate::code::Code;

/// What is known of the answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) how: Answers,
    /// Rows that were asked.
    pub(crate) rows: usize,
    /// The log lines of what failed. Untrusted.
    pub(crate) evidence: &'a [String],
    /// The rows were recorded before this model was trained.
    pub(crate) older: bool,
}

/// Suspects that are named; the table has them all.
const NAMED: usize = 3;

/// The conclusion; `None` when only one side is known and there is nothing to conclude. `modules` gives for each package
/// the names it is imported by.
pub(crate) fn conclude(
    parity: Option<&Parity>,
    answered: Answered<'_>,
    modules: &BTreeMap<String, Vec<String>>,
) -> Option<Proof> {
    if answered.how == Answers::Unknown {
        return None;
    }
    let environment = side(parity?);
    let suspects = suspects(parity?, answered.evidence, modules);
    let guilty = suspects
        .first()
        .filter(|_| answered.how != Answers::Same)
        .map(|row| row.subject.clone());
    let seen = match answered.how {
        Answers::Failed => "the image does not predict".to_owned(),
        Answers::Other => "the image predicts otherwise than recorded".to_owned(),
        Answers::Same | Answers::Unknown if answered.rows == 1 => {
            "the image answers the recorded prediction as recorded".to_owned()
        }
        Answers::Same | Answers::Unknown => format!(
            "the image answers all {} recorded predictions as recorded",
            answered.rows
        ),
    };
    let why = match (environment, answered.how) {
        (Side::Same, Answers::Same) => "its environment is that of the training".to_owned(),
        (Side::Other, Answers::Same) => format!(
            "its differences from the training change none of them: {}",
            listed(&suspects)
        ),
        (Side::Unknown, Answers::Same) => "its environment is not known".to_owned(),
        (Side::Same, how) => code(parity?, how, answered.older),
        (Side::Other, _) => blame(&suspects),
        (Side::Unknown, _) => {
            "its environment could not be compared with the training's, so that or the server's own code may be the cause".to_owned()
        }
    };
    Some(Proof {
        environment,
        predictions: answered.how,
        guilty,
        seen,
        why,
    })
}

/// Entries of `parity-allow` for differences that changed no prediction; empty when an entry cannot say it.
pub(crate) fn entries(parity: &Parity) -> Vec<String> {
    let versions = |row: &&ParityRow| {
        let package = [Code::ParityPackage, Code::ParityPython].map(Code::slug);
        row.level == Level::Block
            && row.allowed.is_none()
            && package.contains(&row.code.as_str())
            && ![&row.trained, &row.served].iter().any(|version| {
                version.is_empty() || version.contains(char::is_whitespace) || *version == "—"
            })
    };
    let entry = |row: &ParityRow| {
        format!(
            "{} {}->{} REASON until=YYYY-MM-DD",
            row.subject, row.trained, row.served
        )
    };
    parity.rows.iter().filter(versions).map(entry).collect()
}

fn differs(row: &ParityRow) -> bool {
    row.level > Level::Info && row.code != Code::ParityUnknown.slug()
}

fn side(parity: &Parity) -> Side {
    if parity.rows.iter().any(differs) {
        Side::Other
    } else if parity.interpreter.is_none()
        || parity
            .rows
            .iter()
            .any(|row| row.code == Code::ParityUnknown.slug())
    {
        Side::Unknown
    } else {
        Side::Same
    }
}

/// Differences that may explain another prediction, the likeliest first: what the log itself names, another model, what
/// blocks, packages before platforms; equals in the order of the table.
fn suspects<'a>(
    parity: &'a Parity,
    evidence: &[String],
    modules: &BTreeMap<String, Vec<String>>,
) -> Vec<&'a ParityRow> {
    let mut found: Vec<&ParityRow> = parity.rows.iter().filter(|row| differs(row)).collect();
    let rank = |row: &&ParityRow| {
        let plain = row.subject.replace('-', "_");
        let own = modules.get(&row.subject).map(Vec::as_slice);
        let names = own
            .filter(|names| !names.is_empty())
            .unwrap_or(std::slice::from_ref(&plain));
        let named = names
            .iter()
            .filter_map(|name| mentioned(evidence, name))
            .max();
        let model = row.code == Code::ParityModel.slug() && row.level == Level::Block;
        let package = row.code == Code::ParityPackage.slug();
        // What the user lives with was decided with open eyes, and is none the less a difference.
        let blocks = row.level == Level::Block || row.allowed.is_some();
        (Reverse(named), !model, !blocks, !package)
    };
    found.sort_by_key(rank);
    found
}

/// The last line that names a module, in a path, an import, or quotes. The end of a traceback is nearest to the cause.
fn mentioned(evidence: &[String], module: &str) -> Option<usize> {
    let first = module.split('.').next().unwrap_or(module);
    let forms = [
        format!("/{first}/"),
        format!("'{first}'"),
        format!("'{first}."),
        format!("import {first}"),
        format!("from {first}"),
    ];
    evidence
        .iter()
        .rposition(|line| forms.iter().any(|form| line.contains(form)))
}

fn told(row: &ParityRow) -> String {
    let ParityRow {
        subject,
        trained,
        served,
        why,
        ..
    } = row;
    if row.code == Code::ParityModel.slug() {
        return format!("the model in the image ({why})");
    }
    match served.as_str() {
        "—" => format!("`{subject}` (trained with {trained}, the image has none)"),
        _ => format!("`{subject}` (trained with {trained}, the image has {served})"),
    }
}

fn listed(suspects: &[&ParityRow]) -> String {
    let shown: Vec<String> = suspects.iter().take(NAMED).map(|row| told(row)).collect();
    match suspects.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn blame(suspects: &[&ParityRow]) -> String {
    let Some((first, others)) = suspects.split_first() else {
        return String::new();
    };
    let others = if others.is_empty() {
        String::new()
    } else {
        format!("; after it {}", listed(others))
    };
    let first = told(first);
    format!("it differs from the training, and the likeliest cause is {first}{others}")
}

/// The environment is right, so something else is not.
fn code(parity: &Parity, how: Answers, older: bool) -> String {
    let model = Code::ParityModel.slug();
    let absent = parity.rows.iter().any(|row| row.code == model);
    let what = if absent {
        "its environment is that of the training"
    } else {
        "its environment and model are those of the training"
    };
    let cause = match how {
        Answers::Failed => "so the cause is in the server's own code or settings",
        _ if absent => {
            "so either the model that it fetches is another one, or the server's own code is the cause"
        }
        _ if older => {
            "but the rows were recorded before this model was trained: either the model itself predicts otherwise now, or the server's own code is the cause"
        }
        _ => {
            "so the cause is in the server's own code or settings, such as the order of columns, scaling, or classes in place of probabilities"
        }
    };
    format!("{what}, {cause}")
}

#[cfg(test)]
#[path = "matrix_tests.rs"]
mod tests;
