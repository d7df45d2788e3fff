//! The summary's part about what serves compared with what trained. It makes Markdown from the artifact.

use super::markdown::{code, table, text};
use crate::artifact::{Parity, ParityLevel, ParityRow, ParityVerdict, Proof};

/// Rows that are seen at once; the others, and those that do not matter, are folded away.
const SHOWN: usize = 15;

/// Rows of the whole table; all of them stand in the report.
const ROWS: usize = 200;

/// One line with the verdict, what the predictions say to it, then the differences, worst first; empty when nothing was
/// compared.
pub(super) fn section(parity: Option<&Parity>, proof: Option<&Proof>) -> String {
    let Some(parity) = parity else {
        return String::new();
    };
    let headline = match parity.verdict {
        ParityVerdict::Pass => "✅ The image serves what was trained",
        ParityVerdict::Warn => "⚠️ The image serves what was trained, with differences",
        ParityVerdict::Fail => "❌ The image does not serve what was trained",
    };
    let interpreter = parity.interpreter.as_ref().map_or(String::new(), |path| {
        let found = parity.found.as_deref().unwrap_or_default();
        format!(": {}, {}", code(path), text(found))
    });
    let mode = match parity.mode.as_str() {
        "report" if parity.verdict == ParityVerdict::Fail => {
            " (`parity: report`, so it does not block)"
        }
        _ => "",
    };
    let mut section = format!("### Environment\n\n{headline}{interpreter}{mode}\n\n");
    if let Some(proof) = proof {
        let (seen, why) = (text(&proof.seen), text(&proof.why));
        section.push_str(&format!("**Together:** {seen}: {why}.\n\n"));
    }
    if !parity.bearing.is_empty() {
        let names: Vec<String> = parity.bearing.keys().map(|name| code(name)).collect();
        section.push_str(&format!("The model needs {}.\n\n", names.join(", ")));
    }
    let rows: Vec<Vec<String>> = parity.rows.iter().take(ROWS).map(row).collect();
    if rows.is_empty() {
        return section;
    }
    const HEAD: &[&str] = &[
        "",
        "Package",
        "Trained with",
        "Image has",
        "Why it matters",
        "Fix",
    ];
    let matter = parity.rows.iter();
    let matter = matter.take_while(|row| row.level != ParityLevel::Info || row.allowed.is_some());
    let seen = matter.count().min(SHOWN).min(rows.len());
    let (shown, folded) = rows.split_at(seen);
    if !shown.is_empty() {
        section.push_str(&table(HEAD, shown));
    }
    if !folded.is_empty() {
        let count = parity.rows.len() - seen;
        let title = match shown {
            [] => format!("Differences that do not matter: {count}"),
            _ => format!("{count} more"),
        };
        section.push_str(&format!(
            "\n<details><summary>{title}</summary>\n\n{}\n</details>\n",
            table(HEAD, folded)
        ));
    }
    let allowed: Vec<&String> = parity
        .rows
        .iter()
        .filter_map(|row| row.allowed.as_ref())
        .collect();
    if !allowed.is_empty() {
        section.push_str("\nAllowed by `parity-allow`:\n\n");
        for entry in allowed {
            section.push_str(&format!("- {}\n", code(entry)));
        }
    }
    if let Some(path) = &parity.constraints {
        section.push_str(&format!(
            "\nVersions that trained, for `pip install -c`: {}\n",
            code(path)
        ));
    }
    section
}

fn row(row: &ParityRow) -> Vec<String> {
    let mark = match (row.level, &row.allowed) {
        (_, Some(_)) => "allowed",
        (ParityLevel::Block, None) => "❌",
        (ParityLevel::Warn, None) => "⚠️",
        (ParityLevel::Info, None) => "ℹ️",
    };
    vec![
        mark.to_owned(),
        text(&row.subject),
        text(&row.trained),
        text(&row.served),
        text(&row.why),
        text(&row.fix),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::artifact::{ProofAnswers, ProofSide};

    fn parity(rows: Vec<ParityRow>, verdict: ParityVerdict) -> Parity {
        Parity {
            verdict,
            mode: "safe".to_owned(),
            interpreter: Some("/app/.venv/bin/python".to_owned()),
            found: Some("running".to_owned()),
            bearing: BTreeMap::from([("scikit-learn".to_owned(), "why".to_owned())]),
            rows,
            constraints: Some(".ml-deploy/ml-deploy-constraints.txt".to_owned()),
        }
    }

    fn one(level: ParityLevel, allowed: Option<&str>) -> ParityRow {
        ParityRow {
            level,
            code: "parity-package".to_owned(),
            subject: "scikit-learn".to_owned(),
            trained: "1.5.2".to_owned(),
            served: "<1.6.1>".to_owned(),
            why: "the model's classes live in it".to_owned(),
            fix: "pin it".to_owned(),
            allowed: allowed.map(str::to_owned),
        }
    }

    #[test]
    fn the_verdict_comes_first_and_nothing_foreign_is_markup() {
        let rows = vec![one(ParityLevel::Block, None)];
        let proof = Proof {
            environment: ProofSide::Other,
            predictions: ProofAnswers::Other,
            guilty: None,
            seen: "it predicts otherwise".to_owned(),
            why: "see <b>".to_owned(),
        };
        let text = section(Some(&parity(rows, ParityVerdict::Fail)), Some(&proof));
        for part in [
            "❌ The image does not serve what was trained: <code>/app/.venv/bin/python</code>",
            "| ❌ | scikit-learn | 1.5.2 | &#60;1.6.1&#62; | the model's classes live in it | pin it |",
            "ml-deploy-constraints.txt",
            "**Together:** it predicts otherwise: see &#60;b&#62;.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_printed_and_long_tables_are_folded() {
        let entry = "scikit-learn 1.5.2->1.6.1 linear until=2031-01-31";
        let mut rows = vec![one(ParityLevel::Warn, Some(entry))];
        rows.extend((0..20).map(|_| one(ParityLevel::Info, None)));
        let text = section(Some(&parity(rows, ParityVerdict::Warn)), None);
        assert!(text.contains("<summary>20 more</summary>"), "{text}");
        let some = (0..20).map(|_| one(ParityLevel::Warn, None)).collect();
        let some = section(Some(&parity(some, ParityVerdict::Warn)), None);
        assert!(some.contains("<summary>5 more</summary>"), "{some}");
        let none = parity(vec![one(ParityLevel::Info, None)], ParityVerdict::Pass);
        let none = section(Some(&none), None);
        let folded = none.find("<details><summary>Differences that do not matter: 1<");
        assert!(folded < none.find("| Package |"), "{none}");
        assert!(text.contains("Allowed by `parity-allow`"), "{text}");
        assert!(!text.contains("Together"), "{text}");
        assert_eq!(section(None, None), "");
    }
}
