//! What a log looks like to a person: headings, findings in the form of rustc, the last block. Makes text and writes nothing.

use std::time::Duration;

use crate::diagnostic::{Diagnostic, Severity};
use crate::event::{End, Stage};

use super::outputs::Facts;
use super::paint::{Paint, duration};
use super::{Status, neutral};

/// Lines of evidence shown in the log; all of them stand in the report.
const EVIDENCE: usize = 60;

/// A stage begins.
pub(super) fn heading(paint: Paint, stage: Stage, purpose: &str, suffix: &str) -> String {
    let name = paint.bold(&format!("{stage}{suffix}"));
    if purpose.is_empty() {
        format!("\n{} {name}\n", paint.blue("▶"))
    } else {
        format!("\n{} {name}  {purpose}\n", paint.blue("▶"))
    }
}

/// A stage has ended.
pub(super) fn ended(paint: Paint, stage: Stage, end: End, took: Duration) -> String {
    let (mark, word) = match end {
        End::Succeeded => (paint.green("✓"), ""),
        End::Reused => (paint.green("✓"), ", reused"),
        End::Failed => (paint.red("✗"), ", failed"),
        End::Cancelled => (paint.yellow("■"), ", cancelled"),
    };
    let time = paint.dim(&format!("{}{word}", duration(took)));
    format!("{mark} {} {time}\n", paint.bold(stage.name()))
}

/// A finding with everything that is known of it.
pub(super) fn finding(paint: Paint, finding: &Diagnostic, source: Option<&str>) -> String {
    let code = format!("[{}]", finding.code.slug());
    let kind = match finding.severity {
        Severity::Error => paint.red(&format!("error{code}")),
        Severity::Warning => paint.yellow(&format!("warning{code}")),
    };
    let mut text = format!("\n{kind}: {}\n", paint.bold(&finding.message));
    text.push_str(&proof(paint, finding, source));
    if !finding.advice().is_empty() {
        text.push_str(&format!(
            " {} {}\n",
            paint.blue("= help:"),
            finding.advice()
        ));
    }
    text
}

/// Place, source line and evidence of a finding.
pub(super) fn proof(paint: Paint, finding: &Diagnostic, source: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(at) = &finding.at {
        let number = at.line.map(|line| line.to_string()).unwrap_or_default();
        let margin = " ".repeat(number.len());
        text.push_str(&format!("{margin}{} {at}\n", paint.blue("-->")));
        if let Some(source) = source {
            let bar = paint.blue("|");
            text.push_str(&format!(
                "{margin} {bar}\n{} {bar} {source}\n",
                paint.blue(&number)
            ));
            let column = at.column.unwrap_or_default() as usize;
            let indent = match column {
                0 => source.chars().take_while(|c| c.is_whitespace()).count(),
                column => column - 1,
            };
            let width = source.chars().count();
            if indent < width {
                let marks = if column == 0 { width - indent } else { 1 };
                let marks = paint.red(&"^".repeat(marks));
                text.push_str(&format!("{margin} {bar} {}{marks}\n", " ".repeat(indent)));
            } else {
                text.push_str(&format!("{margin} {bar}\n"));
            }
        }
    }
    let hidden = finding.evidence.len().saturating_sub(EVIDENCE);
    if hidden > 0 {
        // The end of a log says why; the beginning is in the report.
        text.push_str(&format!(
            "   {} … {hidden} lines in the report\n",
            paint.dim("│")
        ));
    }
    for line in finding.evidence.iter().skip(hidden) {
        text.push_str(&format!("   {} {line}\n", paint.dim("│")));
    }
    text
}

/// The last block: what is live, or what to do next.
pub(super) fn verdict(paint: Paint, facts: &Facts<'_>) -> String {
    let verdict = facts.verdict;
    let mut text = format!("\n{}\n", headline(paint, facts));
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            // Names and addresses of runs are what a server, or the training, wrote.
            let value = neutral::line(value);
            text.push_str(&format!("  {} {value}\n", paint.dim(&format!("{name:<9}"))));
        }
    };
    // The block is made of the outputs themselves, so that log and outputs cannot disagree.
    let outputs = super::outputs::values(facts);
    let get = |name: &str| {
        outputs
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("", |(_, value)| value.as_str())
    };
    row("endpoint", get("endpoint"));
    row(
        "image",
        if get("image-ref").is_empty() {
            get("image")
        } else {
            get("image-ref")
        },
    );
    row(
        "run",
        if get("run-url").is_empty() {
            get("run-id")
        } else {
            get("run-url")
        },
    );
    row("model", get("model-sha256"));
    for line in verdict.left {
        row("left", line);
    }
    if verdict.failure.is_some() {
        let next = facts
            .record
            .ranked()
            .first()
            .map_or("", |finding| finding.what.advice());
        row("next", next);
    }
    row("report", facts.report);
    text
}

/// The verdict in a few plain words, for a title.
pub(super) fn title(facts: &Facts<'_>) -> String {
    let line = headline(Paint::new(false), facts);
    let line = line.trim_start_matches(['✓', '✗', ' ']);
    let exit = format!(" exit status {}", facts.verdict.exit);
    line.trim_end_matches(&exit).to_owned()
}

fn headline(paint: Paint, facts: &Facts<'_>) -> String {
    let record = facts.record;
    let place = record
        .culprit()
        .map_or(String::new(), |stage| format!(" in {stage}"));
    let code = facts.verdict.failure.map(crate::failure::Failure::code);
    match facts.verdict.status {
        Status::Success | Status::Reused => {
            let what = match &record.deployment {
                Some(deployment) => format!("live: {}", deployment.objects.join(", ")),
                None if record.changes.is_some() => "checked, and nothing is deployed".to_owned(),
                None => "done".to_owned(),
            };
            let again = if facts.verdict.status == Status::Reused {
                " (nothing has changed; the earlier result holds)"
            } else {
                ""
            };
            let what = neutral::line(&what);
            format!("{} {}{again}", paint.green("✓"), paint.bold(&what))
        }
        Status::Failure | Status::Cancelled => {
            let word = if facts.verdict.status == Status::Failure {
                "failed"
            } else {
                "cancelled"
            };
            let why = code.map_or(String::new(), |code| {
                format!(": {} ({})", code.title(), code.slug())
            });
            let exit = paint.dim(&format!("exit status {}", facts.verdict.exit));
            format!(
                "{} {} {exit}",
                paint.red("✗"),
                paint.bold(&format!("{word}{place}{why}"))
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Changes;
    use crate::event::{EventKind, Stage};
    use crate::report::{sample, summary};

    #[test]
    fn a_run_that_only_tries_a_deployment_says_so_everywhere() {
        let changes = Changes {
            objects: Vec::new(),
        };
        let kind = EventKind::Produced(changes.into());
        let events = vec![sample::event(0, Stage::Preflight, kind)];
        let said = sample::facts(events, None, |facts| {
            [title(facts), summary::verdict(facts)].join("\n")
        });
        assert_eq!(said.matches("checked, and nothing is deployed").count(), 2);
        let title = sample::facts(sample::good(), None, title);
        assert_eq!(title, "live: Deployment/wine, Service/wine");
    }
}
