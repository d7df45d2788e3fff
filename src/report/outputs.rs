//! The step's outputs: names, meaning and values, in one table. Values come from what stages produced and from nothing else.
//! It knows no host; `action.yml` and README are held equal to this table by a test.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Verdict;
use super::record::Record;

/// One output.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: &'static str,
    /// What it holds; the description in `action.yml`.
    pub(crate) help: &'static str,
    value: fn(&Facts<'_>) -> Option<String>,
}

/// What values are made of.
pub(super) struct Facts<'a> {
    pub(super) record: &'a Record,
    pub(super) verdict: &'a Verdict<'a>,
    /// Path of report.json as later steps see it: relative to the workspace where it lies inside.
    pub(super) report: &'a str,
}

/// Every output, in the order of the README.
pub(crate) const OUTPUTS: &[Output] = &[
    Output {
        name: "run-id",
        help: "MLflow run",
        value: |f| Some(run(f)?.id.clone()),
    },
    Output {
        name: "run-url",
        help: "Address of the MLflow run, when the store has a server",
        value: |f| run(f)?.url.clone(),
    },
    Output {
        name: "experiment-id",
        help: "MLflow experiment",
        value: |f| Some(run(f)?.experiment_id.clone()),
    },
    Output {
        name: "model-uri",
        help: "URI of the logged model, such as models:/m-1234",
        value: |f| run(f)?.model_uri.clone(),
    },
    Output {
        name: "model-sha256",
        help: "sha256 over the model's files, in hex",
        value: |f| Some(f.record.model.as_ref()?.sha256.clone()),
    },
    Output {
        name: "metrics",
        help: "Last value of each metric, a JSON object; what is not a finite number is a string",
        value: |f| Some(metrics(f.record)?.to_string()),
    },
    Output {
        name: "parity",
        help: "What the image installs compared with what trained: pass, warn or fail; empty when it was not compared",
        value: |f| Some(f.record.parity.as_ref()?.verdict.name().to_owned()),
    },
    Output {
        name: "image",
        help: "Image with its first tag, such as ghcr.io/org/name:1a2b3c4",
        value: image,
    },
    Output {
        name: "digest",
        help: "Digest of the pushed image, sha256:…, confirmed by the registry",
        value: |f| Some(f.record.pushed.as_ref()?.digest.clone()),
    },
    Output {
        name: "image-ref",
        help: "Pushed image with tag and digest: what is deployed, and the input image-ref of a later job",
        value: |f| Some(f.record.pushed.as_ref()?.reference()),
    },
    Output {
        name: "endpoint",
        help: "Where the deployed service answers, when that is known outside of the cluster",
        value: |f| f.record.deployment.as_ref()?.endpoint.clone(),
    },
    Output {
        name: "rolled-back",
        help: "true when a failed deployment was put back to what was live before; empty otherwise",
        value: |f| f.record.rolled_back.as_ref().map(|_| "true".to_owned()),
    },
    Output {
        name: "bundle",
        help: "Path of the evidence that a failed rollout left, for ml-deploy explain",
        value: |f| Some(f.record.bundle.as_ref()?.path.clone()),
    },
    Output {
        name: "status",
        help: "success, failure, cancelled or reused",
        value: |f| Some(f.verdict.status.name().to_owned()),
    },
    Output {
        name: "failure-code",
        help: "Code of the failure; empty when there is none",
        value: |f| Some(f.verdict.failure?.code().slug().to_owned()),
    },
    Output {
        name: "report",
        help: "Path of report.json, relative to the workspace",
        value: |f| Some(f.report.to_owned()),
    },
];

/// The outputs that have a value.
pub(super) fn values(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    OUTPUTS
        .iter()
        .filter_map(|output| Some((output.name, (output.value)(facts)?)))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn run<'a>(facts: &Facts<'a>) -> Option<&'a crate::artifact::Run> {
    facts.record.model.as_ref()?.run.as_ref()
}

fn image(facts: &Facts<'_>) -> Option<String> {
    let (repository, tag) = match (&facts.record.pushed, &facts.record.image) {
        (Some(pushed), _) => (&pushed.repository, pushed.tag.as_ref()),
        (None, Some(image)) => (&image.repository, image.tags.first()),
        (None, None) => return None,
    };
    Some(match tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.clone(),
    })
}

/// The metrics as JSON; not-a-number and infinities, which JSON lacks, as strings.
pub(super) fn metrics(record: &Record) -> Option<Value> {
    let run = record.model.as_ref()?.run.as_ref()?;
    Some(numbers(&run.metrics))
}

/// Named numbers as a JSON object; what JSON lacks as strings.
pub(super) fn numbers(numbers: &BTreeMap<String, f64>) -> Value {
    let numbers = numbers.iter();
    numbers
        .map(|(name, value)| (name.clone(), number(*value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(
        || {
            Value::from(match value {
                f64::INFINITY => "Infinity",
                f64::NEG_INFINITY => "-Infinity",
                _ => "NaN",
            })
        },
        Value::Number,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Status, sample};

    #[test]
    fn outputs_come_from_artifacts() {
        let record = sample::record(sample::good());
        let verdict = Verdict::success(Status::Success);
        let facts = Facts {
            record: &record,
            verdict: &verdict,
            report: ".ml-deploy/report.json",
        };
        let values = values(&facts);
        let get = |name| {
            values
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| v.as_str())
        };
        assert_eq!(get("run-id"), Some("abc123"));
        assert_eq!(get("metrics"), Some(r#"{"accuracy":0.97,"loss":"NaN"}"#));
        assert_eq!(get("image"), Some("ghcr.io/org/wine:1a2b3c4"));
        assert_eq!(
            get("image-ref"),
            Some(format!("ghcr.io/org/wine:1a2b3c4@{}", sample::DIGEST)).as_deref()
        );
        assert_eq!(get("status"), Some("success"));
        assert_eq!(get("failure-code"), None);
        assert_eq!(get("report"), Some(".ml-deploy/report.json"));
    }

    #[test]
    fn without_artifacts_only_the_end_is_known() {
        let record = Record::default();
        let verdict = Verdict::success(Status::Reused);
        let facts = Facts {
            record: &record,
            verdict: &verdict,
            report: "r.json",
        };
        let names: Vec<_> = values(&facts).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["status", "report"]);
    }
}
