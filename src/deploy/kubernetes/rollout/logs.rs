//! Ends of logs, fetched while the rollout is watched: those of runs that ended, because some of them are a verdict by
//! themselves, and in the end that of the pod that tells most.

use std::collections::HashSet;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;

use super::container::Container;
use super::observation::Culprit;
use super::scene::Scene;
use super::state::{Heard, Tail};
use super::tail::{self, FEW, Run};
use crate::cluster::{Cluster, name_of, text, uid_of};

/// Pods of one target whose logs are read: more would say the same.
const PODS: usize = 3;
/// Logs that are read at a time.
const AT_ONCE: usize = 8;

/// Logs that are being read.
#[derive(Default)]
pub(in crate::deploy::kubernetes) struct Logs {
    reading: FuturesUnordered<BoxFuture<'static, Option<Heard>>>,
    asked: HashSet<(String, String)>,
}

impl Logs {
    /// Starts to read what is new.
    pub(in crate::deploy::kubernetes) fn ask(&mut self, cluster: &Cluster, scene: &Scene) {
        for target in scene.targets.iter().filter(|target| target.has_pods()) {
            let pods = scene.state.newest_pods(target);
            let broken = pods
                .into_iter()
                .filter(|pod| Container::all(pod).any(|one| is_bad(&one)));
            for pod in broken.take(PODS) {
                for container in Container::all(pod).filter(is_bad) {
                    self.ask_one(cluster, pod, container);
                }
            }
        }
    }

    fn ask_one(&mut self, cluster: &Cluster, pod: &Value, container: Container<'_>) {
        let end = container.ended().unwrap_or(&Value::Null);
        let id = text(end, "/containerID").to_owned();
        let asked = (uid_of(pod).to_owned(), id.clone());
        if id.is_empty() || self.reading.len() >= AT_ONCE || !self.asked.insert(asked) {
            return;
        }
        let exit = end.get("exitCode").and_then(Value::as_i64).unwrap_or(-1);
        let uid = uid_of(pod).to_owned();
        let previous = container.status.pointer("/state/terminated").is_none();
        let run = run(pod, container.name(), previous);
        let client = cluster.client.clone();
        self.reading.push(Box::pin(async move {
            // A log that cannot be read is no evidence, and no reason to stop.
            let lines = tail::read(&client, &run, FEW).await?;
            Some(Heard {
                pod: uid,
                container: run.container,
                tail: Tail {
                    run: id,
                    exit,
                    lines,
                },
            })
        }));
    }

    /// Waits for the next log that could be read.
    pub(in crate::deploy::kubernetes) async fn read(&mut self) -> Heard {
        loop {
            match self.reading.next().await {
                Some(Some(heard)) => return heard,
                Some(None) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// The log of the container that a finding is about; empty when it is about none, or nobody tells.
pub(in crate::deploy::kubernetes) async fn of_culprit(
    cluster: &Cluster,
    culprit: &Culprit,
) -> Vec<String> {
    let Some(container) = culprit.container.as_deref() else {
        return Vec::new();
    };
    let run = run(&culprit.pod, container, culprit.previous);
    tail::long(&cluster.client, &run).await
}

fn run(pod: &Value, container: &str, previous: bool) -> Run {
    Run {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        pod: name_of(pod).to_owned(),
        container: container.to_owned(),
        previous,
    }
}

/// Whether the container's last run ended badly and it does not serve now.
fn is_bad(container: &Container<'_>) -> bool {
    let good = |end: &Value| end.get("exitCode") == Some(&Value::from(0));
    !container.ready() && container.ended().is_some_and(|end| !good(end))
}
