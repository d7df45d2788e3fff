//! The section of the summary about rules on metrics: candidate, champion and verdict in one table.

use super::markdown::{code, link, table, text};
use crate::artifact::{GateVerdict, Gates, Measure};

/// Rows of the table; all of them stand in the report.
const ROWS: usize = 100;

/// The table; empty when no rule was judged.
pub(super) fn section(gates: Option<&Gates>) -> String {
    let Some(gates) = gates.filter(|gates| !gates.rules.is_empty()) else {
        return String::new();
    };
    let number =
        |value: Option<Measure>| value.map_or("–".to_owned(), |value| text(&value.to_string()));
    let rows: Vec<_> = gates
        .rules
        .iter()
        .take(ROWS)
        .map(|rule| {
            let mark = match rule.verdict {
                GateVerdict::Passed => "✅",
                GateVerdict::Failed | GateVerdict::Missing | GateVerdict::NotComparable => "❌",
            };
            vec![
                code(&rule.rule),
                number(rule.candidate),
                number(rule.champion),
                format!("{mark} {}", rule.verdict.words()),
                text(&rule.why),
            ]
        })
        .collect();
    let head = ["Rule", "Candidate", "Champion", "Verdict", "Why"];
    let mut section = format!("### Gates\n\n{}", table(&head, &rows));
    let more = gates.rules.len().saturating_sub(ROWS);
    if more > 0 {
        section.push_str(&format!("\n… and {more} more in the report\n"));
    }
    if let Some(champion) = &gates.champion {
        let run = match &champion.url {
            Some(url) => link(&champion.run_id, url),
            None => code(&champion.run_id),
        };
        let known_by = text(&champion.known_by);
        section.push_str(&format!("\nChampion: run {run}, {known_by}\n"));
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Champion, GateRule};

    #[test]
    fn every_rule_has_its_row_and_nothing_foreign_is_markup() {
        let rule = GateRule {
            metric: "auc|<b>".to_owned(),
            rule: "auc|<b> >= champion".to_owned(),
            candidate: Some(Measure(f64::NAN)),
            champion: None,
            verdict: GateVerdict::Missing,
            why: "not a number".to_owned(),
        };
        let gates = Gates {
            champion: Some(Champion {
                run_id: "abc".to_owned(),
                url: Some("https://m/#/runs/abc".to_owned()),
                known_by: "live as Deployment/wine".to_owned(),
            }),
            rules: vec![rule],
        };
        let section = section(Some(&gates));
        for part in [
            "| <code>auc&#124;&#60;b&#62; &#62;&#61; champion</code> | NaN | – | ❌ missing | not a number |",
            "Champion: run [abc](<https://m/#/runs/abc>), live as Deployment/wine",
        ] {
            assert!(section.contains(part), "{part}\n{section}");
        }
    }

    #[test]
    fn without_rules_there_is_no_section() {
        assert_eq!(section(None), "");
        let none = Gates {
            champion: None,
            rules: Vec::new(),
        };
        assert_eq!(section(Some(&none)), "");
    }
}
