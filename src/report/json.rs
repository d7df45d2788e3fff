//! `report.json`: the run as data, in a versioned schema (docs/report.md). It is replaced as a whole or not at all.

use std::path::Path;

use serde_json::{Value, json};

use crate::artifact::{Model, Pushed};
use crate::diagnostic::{Diagnostic, Severity};
use crate::event::End;

use super::files;
use super::outputs::{Facts, numbers, values};
use super::record::{Finding, StageRecord};

/// Changes when a reader of the old schema would misread the new one; new fields do not change it.
const SCHEMA: &str = "ml-deploy/report/v1";

/// Writes the report beside its place and moves it there.
///
/// # Errors
/// When the folder cannot be made or the file not be written.
pub(super) fn write(path: &Path, workspace: &Path, facts: &Facts<'_>) -> std::io::Result<()> {
    let mut text = serde_json::to_vec_pretty(&report(facts))?;
    text.push(b'\n');
    files::replace(path, workspace, &text)
}

/// The whole document.
pub(super) fn report(facts: &Facts<'_>) -> Value {
    let record = facts.record;
    let first = facts.verdict.failure.and_then(|failure| {
        let code = failure.code();
        record
            .findings
            .iter()
            .find(|finding| finding.what.code == code)
    });
    let outputs = values(facts).into_iter();
    let outputs: serde_json::Map<_, _> = outputs
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "status": facts.verdict.status.name(),
        "exit": facts.verdict.exit,
        "failure": first.map(failure),
        "left": facts.verdict.left,
        "stages": record.stages.iter().map(stage).collect::<Vec<_>>(),
        "left-out": record.left_out.iter().map(|(stage, why)| json!({"name": stage.name(), "why": why})).collect::<Vec<_>>(),
        "model": model(record.model.as_ref()),
        "environment": record.environment,
        "parity": record.parity,
        "image": record.image,
        "pushed": pushed(record.pushed.as_ref()),
        "deployment": record.deployment,
        "verification": record.verification,
        "changes": record.changes,
        "rolled-back": record.rolled_back,
        "bundle": record.bundle,
        "gates": record.gates,
        "history": record.history,
        "layers": record.layers,
        "proof": record.proof,
        "trial": record.trial,
        "chain": record.chain,
        "findings": record.ranked().into_iter().map(finding).collect::<Vec<_>>(),
        "outputs": outputs,
    })
}

/// The model without its environment, which stands beside it.
pub(super) fn model(model: Option<&Model>) -> Value {
    let mut value = json!(model);
    let run = model.and_then(|model| model.run.as_ref());
    if let (Some(metrics), Some(run)) = (value.pointer_mut("/run/metrics"), run) {
        *metrics = numbers(&run.metrics);
    }
    if let Value::Object(fields) = &mut value {
        fields.remove("environment");
        fields.remove("facts");
    }
    value
}

/// What was pushed, with its whole name.
pub(super) fn pushed(pushed: Option<&Pushed>) -> Value {
    let mut value = json!(pushed);
    if let (Value::Object(fields), Some(pushed)) = (&mut value, pushed) {
        fields.insert("reference".into(), pushed.reference().into());
    }
    value
}

fn failure(finding: &Finding) -> Value {
    let Diagnostic { code, message, .. } = &finding.what;
    json!({
        "code": code.slug(),
        "title": code.title(),
        "stage": finding.stage.map(crate::event::Stage::name),
        "message": message,
        "help": finding.what.advice(),
        "location": location(&finding.what),
    })
}

fn stage(stage: &StageRecord) -> Value {
    json!({
        "name": stage.stage.name(),
        "what": stage.what,
        "started": stage.started.to_string(),
        "seconds": stage.took.map(|took| took.as_secs_f64()),
        "end": stage.end.map_or("unfinished", end_name),
        "retries": stage.retries,
    })
}

/// The word for how a stage ended.
pub(super) fn end_name(end: End) -> &'static str {
    match end {
        End::Succeeded => "succeeded",
        End::Reused => "reused",
        End::Failed => "failed",
        End::Cancelled => "cancelled",
    }
}

fn finding(finding: &Finding) -> Value {
    let mut value = json!({ "stage": finding.stage.map(crate::event::Stage::name) });
    if let (Value::Object(fields), Value::Object(found)) = (&mut value, diagnostic(&finding.what)) {
        fields.extend(found);
    }
    value
}

/// A finding, wherever it came from.
pub(super) fn diagnostic(finding: &Diagnostic) -> Value {
    json!({
        "severity": match finding.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "code": finding.code.slug(),
        "message": finding.message,
        "help": finding.advice(),
        "location": location(finding),
        "evidence": finding.evidence,
    })
}

fn location(finding: &Diagnostic) -> Value {
    finding.at.as_ref().map_or(
        Value::Null,
        |at| json!({ "file": at.file, "line": at.line, "column": at.column }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_holds_everything() {
        let report = sample::facts(sample::good(), None, report);
        assert_eq!(report["schema"], SCHEMA);
        assert_eq!(report["status"], "success");
        assert_eq!(report["failure"], Value::Null);
        assert_eq!(report["stages"][0]["name"], "train");
        assert_eq!(report["stages"][0]["seconds"], 12.3);
        assert_eq!(report["model"]["run"]["metrics"]["loss"], "NaN");
        assert!(report["model"].get("environment").is_none());
        assert_eq!(report["environment"]["python"], "3.11.9");
        assert_eq!(report["pushed"]["digest"], sample::DIGEST);
        assert_eq!(report["outputs"]["digest"], sample::DIGEST);
        assert_eq!(report["findings"], json!([]));
    }

    #[test]
    fn a_failure_has_its_place() {
        let failure = sample::failure();
        let report = sample::facts(sample::bad(), Some(&failure), report);
        assert_eq!(report["failure"]["code"], "train-failed");
        assert_eq!(report["failure"]["stage"], "train");
        assert_eq!(
            report["failure"]["location"],
            json!({"file": "train.py", "line": 2, "column": null})
        );
        assert_eq!(report["exit"], 20);
        assert_eq!(report["outputs"]["failure-code"], "train-failed");
    }
}
