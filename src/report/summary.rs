//! The job summary: verdict first, then what happened when, what came out, and every finding. It makes Markdown from the record;
//! every foreign text passes through `markdown`.

use crate::artifact::Check;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Severity};

use super::Status;
use super::markdown::{block, code, link, table, text};
use super::outputs::Facts;
use super::paint::size;
use super::record::Finding;
use super::undone;

/// GitHub takes 1 MiB for a step and loses all of a longer summary.
const LONGEST: usize = 900 << 10;
const ROWS: usize = 200;
const EVIDENCE: usize = 100;
const EVIDENCE_LINE: usize = 2000;

/// The whole summary.
pub(super) fn markdown(facts: &Facts<'_>) -> String {
    within(facts, LONGEST)
}

/// The same in at most so many bytes.
pub(super) fn within(facts: &Facts<'_>, limit: usize) -> String {
    let mut sections = vec![
        verdict(facts),
        super::skipped::section(&facts.record.left_out),
        undone::section(facts),
        left(facts),
    ];
    let (errors, warnings): (Vec<_>, Vec<_>) = facts
        .record
        .ranked()
        .into_iter()
        .partition(|finding| finding.what.severity == Severity::Error);
    sections.extend(errors.into_iter().map(finding));
    sections.extend([
        results(facts),
        super::timeline::section(facts.record),
        super::gates::section(facts.record),
        super::history::section(facts.record),
        parameters(facts),
        super::parity::section(facts.record.parity.as_ref(), facts.record.proof.as_ref()),
        super::chain::section(facts.record.chain.as_ref()),
        super::layers::section(facts.record.layers.as_ref()),
        super::changes::section(facts),
        super::trial::section(facts.record.trial.as_ref()),
        checks(facts),
    ]);
    sections.extend(warnings.into_iter().map(finding));
    let report = format!("Everything as data: {}\n", code(facts.report));
    fit(sections, &report, limit)
}

/// The code, linked with its explanation in the documentation of this version.
fn explained(code: Code) -> String {
    let slug = code.slug();
    let page = concat!(
        env!("CARGO_PKG_REPOSITORY"),
        "/blob/v",
        env!("CARGO_PKG_VERSION"),
        "/docs/codes.md"
    );
    format!("[`{slug}`](<{page}#{slug}>)")
}

/// Whole sections as long as they fit; a first section too long by itself is cut at a line's end.
fn fit(sections: Vec<String>, last: &str, limit: usize) -> String {
    let notice = format!(
        "\n> The rest is left out because summaries are limited; it stands in the report.\n\n{last}"
    );
    let mut all = String::new();
    for section in sections.iter().filter(|section| !section.is_empty()) {
        if all.len() + section.len() + 1 > limit {
            if all.is_empty() {
                let cut = section.floor_char_boundary(limit);
                let end = section[..cut].rfind('\n').map_or(0, |end| end + 1);
                all.push_str(&section[..end]);
            }
            return all + &notice;
        }
        all.push_str(section);
        all.push('\n');
    }
    all + last
}

pub(super) fn verdict(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let place = record
        .culprit()
        .map_or(String::new(), |stage| format!(" in {stage}"));
    let failure = facts.verdict.failure;
    let why = failure.map_or("", |failure| failure.code().title());
    let headline = match facts.verdict.status {
        Status::Success => "✅ ",
        Status::Reused => "✅ Nothing has changed; the earlier result holds: ",
        Status::Failure => "❌ Failed",
        Status::Cancelled => "⏹️ Cancelled",
    };
    match facts.verdict.status {
        Status::Success | Status::Reused => {
            let what = match &record.deployment {
                Some(deployment) => format!("{} is live", text(&deployment.objects.join(", "))),
                None if record.changes.is_some() => "checked, and nothing is deployed".to_owned(),
                None => "done".to_owned(),
            };
            format!("## {headline}{what}\n")
        }
        Status::Failure | Status::Cancelled => {
            let mut section = format!("## {headline}{place}: {}\n", text(why));
            // Every finding of the failure follows further down; here stands what to do first.
            if let Some(first) = record.ranked().first() {
                let first = &first.what;
                let at = first
                    .at
                    .as_ref()
                    .map(|at| format!(" at {}", code(&at.to_string())));
                section.push_str(&format!(
                    "\n{}{}\n\n**Next:** {} ({})\n",
                    text(&first.message),
                    at.unwrap_or_default(),
                    text(first.advice()),
                    explained(first.code)
                ));
            }
            section
        }
    }
}

pub(super) fn left(facts: &Facts<'_>) -> String {
    if facts.verdict.left.is_empty() {
        return String::new();
    }
    let items = facts
        .verdict
        .left
        .iter()
        .map(|line| format!("- {}\n", text(line)));
    format!("### Left behind\n\n{}", items.collect::<String>())
}

pub(super) fn results(facts: &Facts<'_>) -> String {
    let record = facts.record;
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    if let Some(deployment) = &record.deployment {
        if let Some(endpoint) = &deployment.endpoint {
            row("Endpoint", link(endpoint, endpoint));
        }
        let namespace = deployment.namespace.as_ref();
        let place = namespace.map_or(String::new(), |name| format!(", namespace {}", code(name)));
        row("Target", format!("{}{place}", text(&deployment.target)));
        row("Changed", text(&deployment.objects.join(", ")));
        if let Some(image) = &deployment.image {
            row("Serves", code(image));
        }
    }
    let serves = record
        .deployment
        .as_ref()
        .and_then(|deployment| deployment.image.as_ref());
    let pushed = record.pushed.as_ref().map(|pushed| pushed.reference());
    if let Some(pushed) = pushed.filter(|pushed| serves != Some(pushed)) {
        row("Image", code(&pushed));
    }
    if let Some(image) = &record.image {
        if record.pushed.is_none() {
            row(
                "Image",
                code(&format!("{}:{}", image.repository, image.tags.join(", "))),
            );
        }
        row("Image size", size(image.bytes));
    }
    if let Some(model) = &record.model {
        row(
            "Model",
            format!("{}, sha256 {}", size(model.bytes), code(&model.sha256)),
        );
        if let Some(run) = &model.run {
            let shown = match &run.url {
                Some(url) => link(&run.id, url),
                None => code(&run.id),
            };
            // Of a run of an earlier job only its name may be known.
            let experiment = match run.experiment_id.as_str() {
                "" => String::new(),
                id => format!(", experiment {}", code(id)),
            };
            row("MLflow run", format!("{shown}{experiment}"));
            if let Some(uri) = &run.model_uri {
                row("Model URI", code(uri));
            }
        }
    }
    if let Some(environment) = &record.environment {
        let packages = environment.distributions.len();
        row(
            "Trained with",
            text(&format!(
                "Python {}, {packages} packages",
                environment.python
            )),
        );
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("### Results\n\n{}", table(&["What", "Value"], &rows))
}

/// What the training was given, folded away.
fn parameters(facts: &Facts<'_>) -> String {
    let model = facts.record.model.as_ref();
    let run = model.and_then(|model| model.run.as_ref());
    let Some(run) = run.filter(|run| !run.params.is_empty()) else {
        return String::new();
    };
    let rows = run.params.iter();
    let rows = rows.map(|(name, value)| vec![code(name), code(value)]);
    let table = long_table(&["Parameter", "Value"], rows);
    format!("<details><summary>Parameters</summary>\n\n{table}\n</details>\n")
}

fn long_table(head: &[&str], rows: impl ExactSizeIterator<Item = Vec<String>>) -> String {
    let more = rows.len().saturating_sub(ROWS);
    let mut text = table(head, &rows.take(ROWS).collect::<Vec<_>>());
    if more > 0 {
        text.push_str(&format!("\n… and {more} more in the report\n"));
    }
    text
}

pub(super) fn checks(facts: &Facts<'_>) -> String {
    let Some(verification) = &facts.record.verification else {
        return String::new();
    };
    let checks = verification.checks.chunk_by(alike);
    let rows = checks.filter_map(|alike| {
        let (first, last) = (alike.first()?, alike.last()?);
        let mark = if first.passed { "✅" } else { "❌" };
        let name = match numbered(&last.name) {
            Some((_, number)) if alike.len() > 1 => format!("{} to {number}", first.name),
            _ => first.name.clone(),
        };
        Some(vec![mark.to_owned(), text(&name), text(&first.detail)])
    });
    let rows: Vec<_> = rows.collect();
    format!(
        "### Verification\n\n{}",
        long_table(&["", "Check", "Seen"], rows.into_iter())
    )
}

/// Numbered checks that passed in the same way, such as recorded predictions: one line says it of all.
fn alike(one: &Check, next: &Check) -> bool {
    let kind = |check: &Check| numbered(&check.name).map(|(kind, _)| kind.to_owned());
    one.passed
        && next.passed
        && one.detail == next.detail
        && kind(one).is_some()
        && kind(one) == kind(next)
}

/// `golden row 3` is the third of its kind.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let (kind, number) = name.rsplit_once(' ')?;
    Some((kind, number.parse().ok()?))
}

pub(super) fn finding(finding: &Finding) -> String {
    let Diagnostic {
        severity,
        code: kind,
        message,
        at,
        evidence,
        ..
    } = &finding.what;
    let (mark, open) = match severity {
        Severity::Error => ("❌", " open"),
        Severity::Warning => ("⚠️", ""),
    };
    let stage = finding
        .stage
        .map_or(String::new(), |stage| format!("{stage}: "));
    let mut section = format!(
        "<details{open}><summary>{mark} {stage}{} ({})</summary>\n\n",
        text(message),
        kind.slug()
    );
    if let Some(at) = at {
        section.push_str(&format!("At {}\n\n", code(&at.to_string())));
    }
    section.push_str(&format!(
        "**Help:** {} ({})\n\n",
        text(finding.what.advice()),
        explained(*kind)
    ));
    if !evidence.is_empty() {
        let skipped = evidence.len().saturating_sub(EVIDENCE);
        let lines: Vec<_> = evidence[skipped..]
            .iter()
            .map(|line| line.chars().take(EVIDENCE_LINE).collect())
            .collect();
        section.push_str(&block(&lines));
        section.push('\n');
    }
    section.push_str("</details>\n");
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_verdict_comes_first_and_all_tables_follow() {
        let text = sample::facts(sample::good(), None, markdown);
        assert!(
            text.starts_with("## ✅ Deployment/wine, Service/wine is live\n"),
            "{text}"
        );
        for part in [
            "| Endpoint | [http&#58;//127.0.0.1&#58;8080](<http://127.0.0.1:8080>) |",
            "| train | ✅ done, 1 retried | 12.3 s | python train.py |",
            "    train :done, 1700000001000, 1700000013000\n",
            "| <code>accuracy</code> | 0.97 |",
            "| <code>loss</code> | NaN |",
            "| <code>C&#124;&#60;b&#62;</code> | <code>1</code> |",
            "| ✅ | health | 200 OK |",
            "<code>ghcr.io/org/wine&#58;1a2b3c4<wbr>&#64;sha256&#58;",
            "Everything as data: <code>.ml-deploy/report.json</code>",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_failure_says_what_to_do_next_and_shows_its_proof_escaped() {
        let failure = sample::failure();
        let text = sample::facts(sample::bad(), Some(&failure), markdown);
        assert!(
            text.starts_with("## ❌ Failed in train: training failed\n"),
            "{text}"
        );
        assert!(
            text.contains("**Next:** read the traceback above"),
            "{text}"
        );
        let page = format!(
            "/blob/v{}/docs/codes.md#train-failed>)",
            env!("CARGO_PKG_VERSION")
        );
        // First in what to do next, then at the finding.
        let linked = format!("([`train-failed`](<{}{page}", env!("CARGO_PKG_REPOSITORY"));
        assert_eq!(text.matches(&linked).count(), 2, "{text}");
        assert!(linked.contains("(<https://"), "{linked}");
        assert!(text.contains("<details open><summary>❌ train: "), "{text}");
        assert!(
            text.contains("````text\n```\nValueError: x\n````\n"),
            "{text}"
        );
        assert!(
            !text.contains("<script>") && !text.contains("<!--"),
            "{text}"
        );
    }

    #[test]
    fn a_long_summary_is_cut_between_sections() {
        let sections = vec!["a\n".into(), String::new(), "b\n".repeat(50), "c\n".into()];
        let text = fit(sections, "end\n", 60);
        assert!(text.starts_with("a\n\n\n> The rest is left out"), "{text}");
        assert!(text.ends_with("end\n"));
        let text = fit(vec!["line\n".repeat(50)], "end\n", 12);
        assert!(text.starts_with("line\nline\n\n> The rest"), "{text}");
    }
}
