//! Ends of logs of runs that ended, fetched while the rollout is watched: some of them are a verdict by themselves.

use std::collections::HashSet;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use serde_json::Value;

use super::containers::Container;
use super::scene::Scene;
use super::state::Tail;
use crate::cluster::{Cluster, name_of, text, uid_of};
use crate::deploy::kubernetes::diagnose::plain;

/// Lines that are read.
const LINES: i64 = 20;
/// Bytes that are read at most; a line may be endless.
const BYTES: i64 = 16_384;
/// Pods of one target whose logs are read: more would say the same.
const PODS: usize = 3;
/// Logs that are read at a time.
const AT_ONCE: usize = 8;

type Read = (String, String, Option<Tail>);

/// Logs that are being read.
#[derive(Default)]
pub(super) struct Logs {
    reading: FuturesUnordered<BoxFuture<'static, Read>>,
    asked: HashSet<(String, String)>,
}

impl Logs {
    /// Starts to read what is new.
    pub(super) fn ask(&mut self, cluster: &Cluster, scene: &Scene) {
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
        let run = text(container.ended().unwrap_or(&Value::Null), "/containerID").to_owned();
        let asked = (uid_of(pod).to_owned(), run.clone());
        if run.is_empty() || self.reading.len() >= AT_ONCE || !self.asked.insert(asked) {
            return;
        }
        let api = Api::<Pod>::namespaced(cluster.client.clone(), text(pod, "/metadata/namespace"));
        let (uid, name) = (uid_of(pod).to_owned(), name_of(pod).to_owned());
        let label = container.name().to_owned();
        let end = container.ended().and_then(|end| end.get("exitCode"));
        let exit = end.and_then(Value::as_i64).unwrap_or(-1);
        let params = LogParams {
            container: Some(label.clone()),
            tail_lines: Some(LINES),
            limit_bytes: Some(BYTES),
            previous: container.status.pointer("/state/terminated").is_none(),
            ..LogParams::default()
        };
        self.reading.push(Box::pin(async move {
            // A log that cannot be read is no evidence, and no reason to stop.
            let read = api.logs(&name, &params).await.ok();
            let lines = read.map(|text| text.lines().map(plain).collect());
            let tail = lines.map(|lines| Tail { run, exit, lines });
            (uid, label, tail)
        }));
    }

    /// Waits for the next log that could be read: pod, container, and its end.
    pub(super) async fn read(&mut self) -> (String, String, Tail) {
        loop {
            match self.reading.next().await {
                Some((pod, container, Some(tail))) => return (pod, container, tail),
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Whether the container's last run ended badly and it does not serve now.
fn is_bad(container: &Container<'_>) -> bool {
    let good = |end: &Value| end.get("exitCode") == Some(&Value::from(0));
    !container.ready() && container.ended().is_some_and(|end| !good(end))
}
