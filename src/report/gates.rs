//! The summary's part about metrics: this run, the champion, what changed, and the verdict of each rule, in one table.

use std::collections::BTreeMap;

use super::markdown::{code, link, table, text};
use super::record::Record;
use crate::artifact::{Champion, GateRule, GateVerdict, Gates, Measure};

/// Rows of the table; all of them stand in the report.
const ROWS: usize = 200;

/// The table, judged metrics first; empty when nothing was measured and no rule was judged.
pub(super) fn section(record: &Record) -> String {
    let run = record.model.as_ref().and_then(|model| model.run.as_ref());
    let none = BTreeMap::new();
    let measured = run.map_or(&none, |run| &run.metrics);
    let rules = record.gates.as_ref().map_or(&[][..], |gates| &gates.rules);
    let champion = record
        .gates
        .as_ref()
        .and_then(|gates| gates.champion.as_ref());
    let names = names(rules, measured);
    if names.is_empty() {
        return String::new();
    }
    let mut head = vec!["Metric", "This run"];
    if champion.is_some() {
        head.extend(["Champion", "Change"]);
    }
    let title = if rules.is_empty() {
        "Metrics"
    } else {
        head.push("Gate");
        "Gates and metrics"
    };
    let rows: Vec<_> = names
        .iter()
        .take(ROWS)
        .map(|name| {
            let of_it: Vec<_> = rules.iter().filter(|rule| rule.metric == *name).collect();
            let judged = of_it.iter().find_map(|rule| rule.candidate);
            let value = judged.or_else(|| measured.get(*name).copied().map(Measure));
            let mut row = vec![code(name), number(value)];
            if let Some(champion) = champion {
                let before = of_it.iter().find_map(|rule| rule.champion);
                let before = before.or_else(|| champion.metrics.get(*name).copied());
                row.extend([number(before), change(before, value)]);
            }
            if !rules.is_empty() {
                let verdicts: Vec<_> = of_it.iter().map(|rule| verdict(rule)).collect();
                row.push(verdicts.join("<br>"));
            }
            row
        })
        .collect();
    let mut section = format!("### {title}\n\n{}", table(&head, &rows));
    let more = names.len().saturating_sub(ROWS);
    if more > 0 {
        section.push_str(&format!("\n… and {more} more in the report\n"));
    }
    section.push_str(&known(record.gates.as_ref(), champion));
    section
}

/// Metrics with rules in the order of the rules, then all others.
fn names<'a>(rules: &'a [GateRule], measured: &'a BTreeMap<String, f64>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let judged = rules.iter().map(|rule| rule.metric.as_str());
    for name in judged.chain(measured.keys().map(String::as_str)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// To six digits, which is more than anybody compares; the report has all.
fn number(value: Option<Measure>) -> String {
    let Some(Measure(value)) = value else {
        return "–".to_owned();
    };
    digits(value, 6)
}

fn digits(value: f64, count: usize) -> String {
    let after = count - 1;
    Measure(format!("{value:.after$e}").parse().unwrap_or(value)).to_string()
}

/// The difference, with its part of the champion's value where that is a number.
fn change(before: Option<Measure>, now: Option<Measure>) -> String {
    let (Some(Measure(before)), Some(Measure(now))) = (before, now) else {
        return "–".to_owned();
    };
    let difference = now - before;
    if !difference.is_finite() {
        return "–".to_owned();
    }
    // Differences of decimals have a tail that nobody measured: what is below a billionth of the values is not shown.
    let tail = before.abs().max(now.abs()) * 1e-9;
    if difference.abs() <= tail {
        return "0".to_owned();
    }
    let sign = if difference > 0.0 { "+" } else { "" };
    let part = difference / before.abs() * 100.0;
    let part = if part.is_finite() {
        format!(" ({sign}{part:.1} %)")
    } else {
        String::new()
    };
    format!("{sign}{}{part}", digits(difference, 4))
}

fn verdict(rule: &GateRule) -> String {
    let mark = match rule.verdict {
        GateVerdict::Passed => "✅",
        GateVerdict::Failed | GateVerdict::Missing | GateVerdict::NotComparable => "❌",
    };
    let (words, asked) = (rule.verdict.words(), code(&rule.rule));
    // The numbers of one that passed stand beside it already, unless it had nobody to compare with.
    let alone = rule.champion.is_none() && rule.rule.contains("champion");
    if rule.verdict == GateVerdict::Passed && rule.candidate.is_some() && !alone {
        return format!("{mark} {words}: {asked}");
    }
    format!("{mark} {words}: {asked}, {}", text(&rule.why))
}

/// Who the champion is.
fn known(gates: Option<&Gates>, champion: Option<&Champion>) -> String {
    match champion {
        Some(champion) => {
            let run = match &champion.url {
                Some(url) => link(&champion.run_id, url),
                None => code(&champion.run_id),
            };
            format!("\nChampion: run {run}, {}\n", text(&champion.known_by))
        }
        None if gates.is_some() => "\nThere is no champion to compare with.\n".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventKind, Stage};
    use crate::report::sample;

    fn rule(metric: &str, candidate: f64, verdict: GateVerdict) -> GateRule {
        GateRule {
            metric: metric.to_owned(),
            rule: format!("{metric} >= champion"),
            candidate: Some(Measure(candidate)),
            champion: None,
            verdict,
            why: "not <good>".to_owned(),
        }
    }

    fn shown(gates: Option<Gates>) -> String {
        let mut events = sample::good();
        let produced = gates.map(|gates| EventKind::Produced(gates.into()));
        events.extend(produced.map(|kind| sample::event(14, Stage::Gates, kind)));
        section(&sample::record(events))
    }

    #[test]
    fn champion_change_and_verdict_stand_in_one_row_and_nothing_foreign_is_markup() {
        let gates = Gates {
            champion: Some(Champion {
                run_id: "abc".to_owned(),
                url: Some("https://m/#/runs/abc".to_owned()),
                known_by: "live as Deployment/wine".to_owned(),
                metrics: BTreeMap::from([("accuracy".to_owned(), Measure(0.96))]),
            }),
            rules: vec![
                rule("auc|<b>", f64::NAN, GateVerdict::Missing),
                rule("accuracy", 0.97, GateVerdict::Passed),
                rule("accuracy", 0.97, GateVerdict::Failed),
            ],
        };
        let section = shown(Some(gates));
        for part in [
            "### Gates and metrics\n",
            "| Metric | This run | Champion | Change | Gate |",
            "| <code>auc&#124;&#60;b&#62;</code> | NaN | – | – | ❌ missing: <code>auc&#124;&#60;b&#62; &#62;&#61; champion</code>, not &#60;good&#62; |",
            "| <code>accuracy</code> | 0.97 | 0.96 | +0.01 (+1.0 %) | ✅ passed: ",
            "<br>❌ failed: ",
            "| <code>loss</code> | NaN | – | – |  |",
            "Champion: run [abc](<https://m/#/runs/abc>), live as Deployment/wine",
        ] {
            assert!(section.contains(part), "{part}\n{section}");
        }
    }

    #[test]
    fn columns_without_anything_to_say_are_left_out() {
        let plain = shown(None);
        assert!(
            plain.starts_with("### Metrics\n\n| Metric | This run |\n"),
            "{plain}"
        );
        let gates = Gates {
            champion: None,
            rules: vec![rule("accuracy", 0.97, GateVerdict::Passed)],
        };
        let alone = shown(Some(gates));
        assert!(alone.contains("| Metric | This run | Gate |"), "{alone}");
        assert!(alone.contains("There is no champion"), "{alone}");
        assert_eq!(section(&Record::default()), "");
    }

    #[test]
    fn changes_are_rounded_to_what_was_measured() {
        let of = |before, now| change(Some(Measure(before)), Some(Measure(now)));
        assert_eq!(of(0.3, 0.1 + 0.2), "0");
        assert_eq!(of(0.9, 0.895), "-0.005 (-0.6 %)");
        assert_eq!(of(0.0, 2.0), "+2");
        assert_eq!(of(-2.0, -1.0), "+1 (+50.0 %)");
        assert_eq!(of(f64::NAN, 1.0), "–");
        assert_eq!(of(1.0, f64::INFINITY), "–");
        assert_eq!(of(5.0, 5.0), "0");
        assert_eq!(change(None, Some(Measure(1.0))), "–");
    }
}
