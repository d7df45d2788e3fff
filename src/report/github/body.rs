//! What the comment and the check say: sections of the job summary, those that a reviewer needs, within GitHub's limits.
//! It chooses and ranks; the sections themselves are the summary's.

use super::fit::{Section, fit};
use super::place::Place;
use crate::report::markdown::{code, link};
use crate::report::outputs::Facts;
use crate::report::{changes, gates, layers, parity, skipped, summary, timeline, trial, undone};

/// Bytes of a comment; GitHub takes 65,536 characters.
pub(super) const COMMENT: usize = 60_000;

/// Bytes of a check's summary; GitHub takes 65,535 bytes, although its documentation says characters.
pub(super) const CHECK: usize = 65_000;

/// Findings that are shown in full.
const FINDINGS: usize = 10;

/// The text, with `marker` as its first line.
pub(super) fn markdown(place: &Place, facts: &Facts<'_>, marker: &str, limit: usize) -> String {
    let record = facts.record;
    let section = |name, rank, text| Section { name, rank, text };
    let mut sections = vec![
        section("verdict", 0, summary::verdict(facts)),
        section("stages left out", 1, skipped::section(&record.left_out)),
        section("rollback", 1, undone::section(facts)),
        section("what was left", 1, summary::left(facts)),
        section("metrics", 2, gates::section(record)),
        section(
            "environment",
            4,
            parity::section(record.parity.as_ref(), record.proof.as_ref()),
        ),
        section("predictions", 3, trial::section(record.trial.as_ref())),
        section("changes", 5, changes::section(facts)),
        section("image", 5, layers::section(record.layers.as_ref())),
        section("results", 6, summary::results(facts)),
        section("verification", 7, summary::checks(facts)),
    ];
    let ranked = record.ranked();
    let shown = ranked.iter().take(FINDINGS);
    let findings: String = shown.map(|finding| summary::finding(finding)).collect();
    let more = ranked.len().saturating_sub(FINDINGS);
    let more = match more {
        0 => String::new(),
        more => format!("\n… and {more} more in the summary\n"),
    };
    sections.push(section("findings", 3, findings + &more));
    sections.push(section("stages", 8, timeline::section(record)));
    fit(&format!("{marker}\n"), sections, &foot(place, facts), limit)
}

fn foot(place: &Place, facts: &Facts<'_>) -> String {
    let commit = place.commit.as_deref().unwrap_or_default();
    let short: String = commit.chars().take(7).collect();
    let run = place.run_url.as_deref().map(|url| link("run", url));
    let parts = [
        (!short.is_empty()).then(|| format!("commit {}", code(&short))),
        run,
        Some(format!("everything as data: {}", code(facts.report))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("<sub>{}</sub>\n", parts.join(" · "))
}
