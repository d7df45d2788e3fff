//! Where the candidate's metrics come from: the JSON file that the user names, the run of this job, and the summary that
//! Weights & Biases leaves in the workspace, in this order. What lay there before the training is not the candidate's.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::artifact::{Measure, Model};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::Outcome;
use crate::plan::GateSpec;
use crate::tracking::wandb;

use super::json;

/// A metric of the candidate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) value: f64,
    /// `the MLflow run`, or a file.
    pub(super) from: String,
}

/// The candidate's metrics by name.
pub(super) type Measured = BTreeMap<String, Found>;

/// What a file is known by: any write changes it, also one that puts the times back.
type Stamp = Option<(u64, u64, i64, i64)>;

/// The files of metrics as they were before the training.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// Whether a training follows: then files that it does not write are somebody else's.
    trains: bool,
    metrics: Stamp,
    wandb: Stamp,
}

/// Looks at the files of metrics before the training.
pub(crate) fn before(spec: &GateSpec, folder: &Path, trains: bool) -> Before {
    Before {
        trains,
        metrics: spec.metrics_file.as_deref().and_then(stamp),
        wandb: stamp(&wandb::summary_file(folder)),
    }
}

impl Before {
    fn is_stale(&self, then: Stamp, path: &Path) -> bool {
        self.trains && then.is_some() && then == stamp(path)
    }
}

fn stamp(path: &Path) -> Stamp {
    let file = path.metadata().ok()?;
    Some((file.ino(), file.len(), file.ctime(), file.ctime_nsec()))
}

/// The numbers in a summary of Weights & Biases; in words why it cannot be read.
fn summary(path: &Path) -> Result<BTreeMap<String, f64>, String> {
    let found = if wandb::is_log(path) {
        let values = wandb::summary(path).map_err(|error| error.to_string())?;
        let numbers = values.iter().map(|(name, text)| json::value(name, text));
        numbers.flatten().collect()
    } else {
        let text = fs_err::read_to_string(path).map_err(|error| error.to_string())?;
        json::read(&text).map_err(|(_, why)| why)?
    };
    // `_step`, `_runtime` and the like are W&B's own.
    let own = found
        .into_iter()
        .filter(|(name, _): &(String, f64)| !name.starts_with('_'));
    Ok(own.collect())
}

/// Puts the sources together; of a metric that several have, the first source's value counts, and a difference is said.
///
/// # Errors
/// `GateMetricMissing` when the file that the user names is absent, old or no JSON.
pub(super) async fn gather(
    ctx: &Context,
    spec: &GateSpec,
    model: Option<&Model>,
    before: &Before,
) -> Outcome<Measured> {
    let mut sources: Vec<(String, BTreeMap<String, f64>)> = Vec::new();
    if let Some(path) = &spec.metrics_file {
        let shown = ctx.workspace.relative(path);
        sources.push((format!("`{shown}`"), named(ctx, path, before)?));
    }
    if let Some(run) = model.and_then(|model| model.run.as_ref()) {
        sources.push(("the MLflow run".to_owned(), run.metrics.clone()));
    }
    let path = wandb::summary_file(&ctx.workspace.folder);
    if path.is_file() {
        let shown = ctx.workspace.relative(&path);
        if before.is_stale(before.wandb, &path) {
            let line = format!("`{shown}` is older than this training and is not read");
            ctx.events.note(line).await;
        } else {
            match summary(&path) {
                Ok(found) => sources.push((format!("`{shown}`"), found)),
                Err(why) => {
                    let line = format!("`{shown}` is not read: {why}");
                    ctx.events.note(line).await;
                }
            }
        }
    }
    let (measured, differences) = merge(sources);
    // Only what a rule asks for is worth a line.
    let asked = |name: &str| spec.rules.iter().any(|rule| rule.metric == name);
    for (_, line) in differences.into_iter().filter(|(name, _)| asked(name)) {
        ctx.events.note(line).await;
    }
    Ok(measured)
}

/// The metrics of the file that the user names.
fn named(ctx: &Context, path: &Path, before: &Before) -> Outcome<BTreeMap<String, f64>> {
    let shown = ctx.workspace.relative(path);
    let missing = |why: String, line: u32| {
        Diagnostic::error(
            Code::GateMetricMissing,
            format!("failed to read the metrics in `{shown}`: {why}"),
        )
        .at(ctx.workspace.locate(path, line))
    };
    if before.is_stale(before.metrics, path) {
        let why = "it is older than this training, which did not write it".to_owned();
        return Err(missing(why, 0)
            .help("make the training write `metrics-file`, or correct its path")
            .into());
    }
    let text = fs_err::read_to_string(path).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        missing(why, 0).help("make the training write `metrics-file`, or correct its path")
    })?;
    json::read(&text).map_err(|(line, why)| {
        missing(why, line)
            .help("write one JSON object, such as {\"accuracy\": 0.93}")
            .into()
    })
}

/// The first source wins; a line for each metric that another source measures otherwise.
fn merge(sources: Vec<(String, BTreeMap<String, f64>)>) -> (Measured, Vec<(String, String)>) {
    let (mut measured, mut differences) = (Measured::new(), Vec::new());
    for (from, metrics) in sources {
        for (name, value) in metrics {
            if let Some(first) = measured.get(&name) {
                if first.value.to_bits() != value.to_bits() {
                    let line = format!(
                        "`{name}` is {} in {} and {} in {from}; {} counts",
                        Measure(first.value),
                        first.from,
                        Measure(value),
                        first.from
                    );
                    differences.push((name, line));
                }
                continue;
            }
            let from = from.clone();
            measured.insert(name, Found { value, from });
        }
    }
    (measured, differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_counts_and_a_difference_is_said() {
        let source = |name: &str, pairs: &[(&str, f64)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value));
            (name.to_owned(), pairs.collect::<BTreeMap<_, _>>())
        };
        let (measured, differences) = merge(vec![
            source("`m.json`", &[("a", 1.0), ("b", f64::NAN)]),
            source("the MLflow run", &[("a", 2.0), ("b", f64::NAN), ("c", 3.0)]),
        ]);
        assert_eq!((measured["a"].value, measured["c"].value), (1.0, 3.0));
        assert_eq!(
            differences,
            [(
                "a".to_owned(),
                "`a` is 1 in `m.json` and 2 in the MLflow run; `m.json` counts".to_owned()
            )]
        );
    }

    #[test]
    fn a_file_that_the_training_did_not_write_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.json");
        let look = |trains| Before {
            trains,
            metrics: stamp(&path),
            wandb: None,
        };
        let absent = look(true);
        std::fs::write(&path, "{}").unwrap();
        assert!(!absent.is_stale(absent.metrics, &path));
        let there = look(true);
        assert!(there.is_stale(there.metrics, &path));
        // Without a training it was written by an earlier step.
        let evaluated = look(false);
        assert!(!evaluated.is_stale(evaluated.metrics, &path));
        std::fs::write(&path, "{ }").unwrap();
        assert!(!there.is_stale(there.metrics, &path));
    }
}
