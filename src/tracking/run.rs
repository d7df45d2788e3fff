//! A run as MLflow writes it in JSON, which of several counts, and what we keep of it. Pure.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::artifact::{Dataset, Run};

/// The tag that names the image which holds the run's model.
pub(super) const IMAGE_TAG: &str = "ml-deploy.image";

/// One run, as `runs/search` answers; the scripts that read local stores answer the same.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FoundRun {
    pub(super) info: Info,
    data: Data,
    pub(super) inputs: Inputs,
    pub(super) outputs: Outputs,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) run_id: String,
    run_name: String,
    experiment_id: String,
    pub(super) artifact_uri: String,
    status: String,
    /// Milliseconds; some versions write it as text.
    #[serde(deserialize_with = "number")]
    pub(super) start_time: f64,
}

impl Info {
    /// Whether it ended badly.
    pub(super) fn failed(&self) -> bool {
        matches!(self.status.as_str(), "FAILED" | "KILLED")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    metrics: Vec<Metric>,
    params: Vec<Pair>,
    tags: Vec<Pair>,
}

#[derive(Clone, Debug, Deserialize)]
struct Metric {
    key: String,
    #[serde(deserialize_with = "number")]
    value: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Pair {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Inputs {
    dataset_inputs: Vec<DatasetInput>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct DatasetInput {
    tags: Vec<Pair>,
    dataset: FoundDataset,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct FoundDataset {
    name: String,
    digest: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outputs {
    model_outputs: Vec<ModelOutput>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ModelOutput {
    model_id: String,
}

/// A number, or text such as `NaN`, `Infinity`, `-Infinity`: JSON has no other way to write them.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    })
}

impl FoundRun {
    fn tag(&self, key: &str) -> Option<&str> {
        self.data
            .tags
            .iter()
            .find(|tag| tag.key == key)
            .map(|tag| tag.value.as_str())
    }

    /// The run that this one is nested in.
    pub(super) fn parent(&self) -> Option<&str> {
        self.tag("mlflow.parentRunId")
    }

    /// MLflow 3 writes models as outputs of the run, MLflow 2 as a history in a tag; the last one logged counts.
    fn model_uri(&self) -> Option<String> {
        if let Some(output) = self.outputs.model_outputs.last() {
            return Some(format!("models:/{}", output.model_id));
        }
        let history: Vec<Value> =
            serde_json::from_str(self.tag("mlflow.log-model.history")?).ok()?;
        let path = history.last()?.get("artifact_path")?.as_str()?;
        Some(format!("runs:/{}/{path}", self.info.run_id))
    }

    /// What we keep; `server` is the address that people can look at.
    pub(super) fn into_run(self, server: Option<&str>) -> Run {
        let url = server.map(|server| {
            format!(
                "{server}/#/experiments/{}/runs/{}",
                self.info.experiment_id, self.info.run_id
            )
        });
        let tag = |key: &str| self.tag(key).map(str::to_owned);
        Run {
            model_uri: self.model_uri(),
            commit: tag("mlflow.source.git.commit"),
            image: tag(IMAGE_TAG),
            id: self.info.run_id,
            artifact_uri: self.info.artifact_uri,
            experiment_id: self.info.experiment_id,
            name: self.info.run_name,
            url,
            metrics: self
                .data
                .metrics
                .into_iter()
                .map(|metric| (metric.key, metric.value))
                .collect(),
            params: self
                .data
                .params
                .into_iter()
                .map(|param| (param.key, param.value))
                .collect(),
            datasets: self
                .inputs
                .dataset_inputs
                .into_iter()
                .map(DatasetInput::into_dataset)
                .collect(),
        }
    }
}

impl DatasetInput {
    fn into_dataset(self) -> Dataset {
        let context = self.tags.into_iter();
        let context = context.filter(|tag| tag.key == "mlflow.data.context");
        Dataset {
            name: self.dataset.name,
            digest: self.dataset.digest,
            context: context.map(|tag| tag.value).next().unwrap_or_default(),
        }
    }
}

/// The run that stands for the training: not nested in another of the same training; rather one that finished, rather one
/// with metrics, rather the latest.
pub(super) fn choose(runs: Vec<FoundRun>) -> Option<FoundRun> {
    let ids: HashSet<String> = runs.iter().map(|run| run.info.run_id.clone()).collect();
    let outermost = |run: &FoundRun| run.parent().is_none_or(|parent| !ids.contains(parent));
    let rank = |run: &FoundRun| (run.info.status == "FINISHED", !run.data.metrics.is_empty());
    runs.into_iter().filter(outermost).max_by(|a, b| {
        rank(a)
            .cmp(&rank(b))
            .then(a.info.start_time.total_cmp(&b.info.start_time))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(json: &str) -> Vec<FoundRun> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_outermost_finished_latest_run_with_metrics_counts() {
        let found = choose(runs(
            r#"[{"info":{"run_id":"child","status":"FINISHED","start_time":9},"data":{"metrics":[{"key":"a","value":1}],"tags":[{"key":"mlflow.parentRunId","value":"parent"}]}},
                {"info":{"run_id":"parent","status":"FINISHED","start_time":"5"},"data":{"metrics":[{"key":"a","value":"NaN"}]}},
                {"info":{"run_id":"failed","status":"FAILED","start_time":7}},
                {"info":{"run_id":"empty","status":"FINISHED","start_time":8}}]"#,
        ))
        .unwrap();
        assert_eq!(found.info.run_id, "parent");
        let run = found.into_run(Some("http://h"));
        assert!(run.metrics["a"].is_nan());
        assert_eq!(
            run.url.as_deref(),
            Some("http://h/#/experiments//runs/parent")
        );
        assert!(choose(Vec::new()).is_none());
    }

    #[test]
    fn models_of_both_versions_have_a_uri() {
        let three = runs(
            r#"[{"info":{"run_id":"r"},"outputs":{"model_outputs":[{"model_id":"m-1","step":"0"}]}}]"#,
        );
        assert_eq!(three[0].model_uri().as_deref(), Some("models:/m-1"));
        let data = runs(
            r#"[{"inputs":{"dataset_inputs":[{"tags":[{"key":"mlflow.data.context","value":"eval"}],"dataset":{"name":"d","digest":"abc"}}]}}]"#,
        );
        let data = data[0].clone().into_run(None).datasets;
        assert_eq!(
            (data[0].digest.as_str(), data[0].context.as_str()),
            ("abc", "eval")
        );
        let two = runs(
            r#"[{"info":{"run_id":"r"},"data":{"tags":[{"key":"mlflow.log-model.history","value":"[{\"artifact_path\": \"model\"}]"}]}}]"#,
        );
        assert_eq!(two[0].model_uri().as_deref(), Some("runs:/r/model"));
    }
}
