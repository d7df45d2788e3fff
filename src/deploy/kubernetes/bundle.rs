//! The evidence that a failed rollout leaves: a file from which the same verdict is reached again, without a cluster.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::diagnose::{self, Places};
use super::rollout::{Scene, Verdict, time};
use crate::artifact::Bundle;
use crate::code::Code;
use crate::context::{Context, Workspace};
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};

/// Version of the file's form. A higher one is refused, a lower one read as it was.
const SCHEMA: u64 = 1;
/// Its name in the folder of our state.
pub(super) const ROLLOUT: &str = "rollout.json";
/// That of a rollback which failed too: the cause of it all stands in the first.
pub(super) const ROLLBACK: &str = "rollback.json";

/// Writes the bundle. One that cannot be written is said, and changes nothing about the failure.
pub(super) async fn leave(
    ctx: &Context,
    file: &str,
    deadline: Duration,
    scene: &Scene,
    now: Timestamp,
    failure: &Failure,
) {
    let path = ctx.workspace.state.join(file);
    let verdicts = failure
        .findings()
        .map(|finding| json!({"code": finding.code.slug(), "message": finding.message}));
    let head = json!({
        "schema": SCHEMA,
        "program": env!("CARGO_PKG_VERSION"),
        "now": now.to_string(),
        "deadline": deadline.as_secs(),
        "late": failure.code() == Code::RolloutDeadline,
        "verdict": verdicts.collect::<Vec<_>>(),
    });
    let (Value::Object(mut bundle), Value::Object(scene)) = (head, scene.write()) else {
        return;
    };
    bundle.extend(scene);
    let text = serde_json::to_string_pretty(&bundle).unwrap_or_default();
    let written = write(&path, text + "\n");
    match written {
        Ok(()) => {
            let path = ctx.workspace.relative(&path);
            ctx.events.produced(Bundle { path }).await;
        }
        Err(error) => {
            let why = format!("the rollout's evidence could not be kept: {error}");
            ctx.events.note(why).await;
        }
    }
}

/// Writes the file for us alone: the reporter hides what is secret before others may read it.
fn write(path: &Path, text: String) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Judges a bundle again. What is not failed is told as notes.
///
/// # Errors
/// The verdict of the rollout with its own code, or `bundle-invalid`.
pub(crate) async fn explain(ctx: &Context, path: &Path) -> Outcome<()> {
    let shown = path.display();
    let invalid = |why: String| {
        Failure::new(
            Code::BundleInvalid,
            format!("failed to read bundle `{shown}`: {why}"),
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    let bundle: Value = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    let (lines, findings) = judge(&bundle, &ctx.workspace).map_err(invalid)?;
    for line in lines {
        ctx.events.note(line).await;
    }
    match Failure::all(findings) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// What a bundle says: lines about what is not failed, and findings. Causes are looked up in the workspace.
fn judge(bundle: &Value, workspace: &Workspace) -> Result<(Vec<String>, Vec<Diagnostic>), String> {
    let schema = bundle.get("schema").and_then(Value::as_u64);
    match schema {
        Some(1..=SCHEMA) => {}
        Some(newer) => {
            return Err(format!(
                "its schema is {newer}, and this program knows {SCHEMA}; use a newer ml-deploy"
            ));
        }
        None => return Err("`schema` is not a number".to_owned()),
    }
    let now = time(bundle, "/now")?;
    let mut scene = Scene::read(bundle)?;
    let verdicts = scene.verdicts(now);
    let places = Places {
        workspace,
        objects: &[],
        scene: &scene,
    };
    let mut lines = Vec::new();
    let mut findings = Vec::new();
    for (target, verdict) in scene.targets().iter().zip(&verdicts) {
        let label = target.label();
        match verdict {
            Verdict::Succeeded { .. } => lines.push(format!("{label}: done")),
            Verdict::Progressing {
                what, hypothesis, ..
            } => {
                let guess = hypothesis
                    .as_ref()
                    .map(|guess| format!("; {}", guess.sentence()));
                lines.push(format!("{label}: {what}{}", guess.unwrap_or_default()));
            }
            Verdict::Failed(finding) => findings.push(diagnose::failed(places, target, finding)),
        }
    }
    if findings.is_empty() && bundle.get("late") == Some(&Value::Bool(true)) {
        let deadline = bundle.get("deadline").and_then(Value::as_u64);
        let deadline = Duration::from_secs(deadline.unwrap_or_default());
        let late = scene.overdue(&verdicts, deadline);
        findings.extend(late.iter().map(|late| diagnose::late(places, late)));
    }
    Ok((lines, findings))
}

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
