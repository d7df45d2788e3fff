//! `report.json`: the run as data, in a versioned schema (docs/report.md). It is replaced as a whole or not at all.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Severity};
use crate::event::End;

use super::outputs::{Facts, metrics, values};
use super::record::{Finding, StageRecord};

/// Changes when a reader of the old schema would misread the new one; new fields do not change it.
const SCHEMA: &str = "ml-deploy/report/v1";

/// Writes the report beside its place and moves it there.
///
/// # Errors
/// When the folder cannot be made or the file not be written.
pub(super) fn write(path: &Path, workspace: &Path, facts: &Facts<'_>) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let made = missing(folder);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, &report(facts))?;
    file.write_all(b"\n")?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    for made in made.iter().chain([&path.to_owned()]) {
        give(made, workspace);
    }
    Ok(())
}

/// Folders that do not exist yet, innermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let absent = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    folder
        .ancestors()
        .take_while(absent)
        .map(Path::to_owned)
        .collect()
}

/// Gives what we made to the workspace's owner: as root in a container we would leave files that later steps cannot remove.
/// Where that is not allowed it is not needed either.
fn give(path: &Path, workspace: &Path) {
    let Ok(owner) = std::fs::metadata(workspace) else {
        return;
    };
    drop(std::os::unix::fs::lchown(
        path,
        Some(owner.uid()),
        Some(owner.gid()),
    ));
}

/// The whole document.
fn report(facts: &Facts<'_>) -> Value {
    let record = facts.record;
    let first = facts.verdict.failure.and_then(|failure| {
        let code = failure.code();
        record
            .findings
            .iter()
            .find(|finding| finding.what.code == code)
    });
    let mut model = json!(record.model);
    if let (Some(run), Some(metrics)) = (model.pointer_mut("/run/metrics"), metrics(record)) {
        *run = metrics;
    }
    if let Value::Object(model) = &mut model {
        model.remove("environment");
    }
    let mut pushed = json!(record.pushed);
    if let (Value::Object(fields), Some(pushed)) = (&mut pushed, &record.pushed) {
        fields.insert("reference".into(), pushed.reference().into());
    }
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
        "model": model,
        "environment": record.environment,
        "parity": record.parity,
        "image": record.image,
        "pushed": pushed,
        "deployment": record.deployment,
        "verification": record.verification,
        "changes": record.changes,
        "rolled-back": record.rolled_back,
        "bundle": record.bundle,
        "gates": record.gates,
        "history": record.history,
        "layers": record.layers,
        "trial": record.trial,
        "findings": record.ranked().into_iter().map(finding).collect::<Vec<_>>(),
        "outputs": outputs,
    })
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
        "end": match stage.end {
            Some(End::Succeeded) => "succeeded",
            Some(End::Reused) => "reused",
            Some(End::Failed) => "failed",
            Some(End::Cancelled) => "cancelled",
            None => "unfinished",
        },
        "retries": stage.retries,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "severity": match finding.what.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        "stage": finding.stage.map(crate::event::Stage::name),
        "code": finding.what.code.slug(),
        "message": finding.what.message,
        "help": finding.what.advice(),
        "location": location(&finding.what),
        "evidence": finding.what.evidence,
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

    #[test]
    fn the_file_is_replaced_and_its_folder_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/report.json");
        for _ in 0..2 {
            sample::facts(sample::good(), None, |facts| {
                write(&path, folder.path(), facts)
            })
            .unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
