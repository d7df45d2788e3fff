//! The last runs of an experiment, for a chart: one question, never asked twice.

use std::path::Path;

use anyhow::Context as _;

use super::run::FoundRun;
use super::{client, local};
use crate::artifact::{History, Measure, PastRun};
use crate::context::Context;
use crate::plan::{TrackingSpec, TrackingUri};

/// Runs that are read at most.
pub(super) const RUNS: usize = 20;

/// The last runs of the experiment, those that failed or are nested in another left out. `python` is an interpreter that can
/// read a store which is not a server.
///
/// # Errors
/// A store that cannot be asked.
pub(crate) async fn history(
    ctx: &Context,
    spec: &TrackingSpec,
    experiment: &str,
    python: Option<&Path>,
) -> anyhow::Result<History> {
    let (found, server) = match &spec.uri {
        TrackingUri::Server(url) => {
            let server = client::Server::open(ctx, url, spec)?.impatient();
            (server.latest(experiment, RUNS).await?, Some(url.as_str()))
        }
        _ => {
            let python = python.context("only the training's Python can read this store")?;
            let count = RUNS.to_string();
            let wanted = ["latest", experiment, &count];
            (local::runs(ctx, spec, wanted, python).await?, None)
        }
    };
    Ok(put_together(found, server))
}

/// Oldest first.
fn put_together(mut found: Vec<FoundRun>, server: Option<&str>) -> History {
    found.truncate(RUNS);
    found.retain(|run| run.parent().is_none() && !run.info.failed());
    found.sort_by(|a, b| a.info.start_time.total_cmp(&b.info.start_time));
    let runs = found.into_iter().map(|run| run.into_run(server));
    let runs = runs.map(|run| PastRun {
        id: run.id,
        name: run.name,
        url: run.url,
        metrics: run
            .metrics
            .into_iter()
            .map(|(name, value)| (name, Measure(value)))
            .collect(),
    });
    History {
        runs: runs.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_outermost_runs_stand_oldest_first() {
        let found = r#"[
            {"info":{"run_id":"new","status":"FINISHED","start_time":9},"data":{"metrics":[{"key":"a","value":"NaN"}]}},
            {"info":{"run_id":"broken","status":"FAILED","start_time":8}},
            {"info":{"run_id":"killed","status":"KILLED","start_time":7}},
            {"info":{"run_id":"child","status":"FINISHED","start_time":6},"data":{"tags":[{"key":"mlflow.parentRunId","value":"old"}]}},
            {"info":{"run_id":"old","status":"RUNNING","start_time":"5"},"data":{"metrics":[{"key":"a","value":0.5}]}}]"#;
        let history = put_together(serde_json::from_str(found).unwrap(), Some("http://h"));
        let ids: Vec<_> = history.runs.iter().map(|run| run.id.as_str()).collect();
        assert_eq!(ids, ["old", "new"]);
        assert_eq!(history.runs[0].metrics["a"], Measure(0.5));
        assert!(history.runs[1].metrics["a"].0.is_nan());
        assert!(history.runs[0].url.as_ref().unwrap().ends_with("/runs/old"));
    }
}
