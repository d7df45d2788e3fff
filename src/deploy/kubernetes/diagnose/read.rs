//! What the cluster tells of one container: the end of its log, and warnings since the deployment. What cannot be read,
//! or not in time, is left out: a diagnosis never fails for it.

use std::collections::HashSet;
use std::time::Duration;

use http_body_util::BodyExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::{ListParams, LogParams, Request};
use kube::client::Body;

use crate::cluster::Cluster;

/// How long each request may take; all run at the same time.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Lines in which a cause is looked for: a traceback through a web framework has a hundred.
const LINES: i64 = 300;
/// Bytes of a log, counted from the first of these lines. A log with longer lines is asked for again, with fewer.
const BYTES: i64 = 256 * 1024;
const FEW: i64 = 20;
/// Events are asked for without their kind, so that many of one object stay cheap.
const EVENTS: u32 = 200;

/// A container whose log is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) namespace: &'a str,
    pub(super) pod: &'a str,
    pub(super) container: &'a str,
    /// The run before the present one.
    pub(super) previous: bool,
}

/// The last lines of a container's log. When the run before is gone, those of the present one.
pub(super) async fn log(cluster: &Cluster, source: Source<'_>) -> Vec<String> {
    let present = Source {
        previous: false,
        ..source
    };
    let (before, now) = futures_util::join!(
        async {
            if source.previous {
                tail(cluster, source).await
            } else {
                Vec::new()
            }
        },
        tail(cluster, present)
    );
    if before.is_empty() { now } else { before }
}

async fn tail(cluster: &Cluster, source: Source<'_>) -> Vec<String> {
    let api = Api::<Pod>::namespaced(cluster.client.clone(), source.namespace);
    let mut params = LogParams {
        container: Some(source.container.to_owned()),
        tail_lines: Some(LINES),
        limit_bytes: Some(BYTES),
        previous: source.previous,
        ..LogParams::default()
    };
    let work = async {
        let text = ask(cluster, &api, source.pod, &params).await?;
        if i64::try_from(text.len()).is_ok_and(|length| length < BYTES) {
            return Some(text);
        }
        params.tail_lines = Some(FEW);
        ask(cluster, &api, source.pod, &params).await.or(Some(text))
    };
    let text = tokio::time::timeout(PATIENCE, work).await;
    lines(&text.ok().flatten().unwrap_or_default())
}

/// One request for a log. Programs write what they like, so bytes that are no text are replaced.
async fn ask(cluster: &Cluster, api: &Api<Pod>, pod: &str, params: &LogParams) -> Option<String> {
    let request = Request::new(api.resource_url()).logs(pod, params).ok()?;
    let answer = cluster.client.send(request.map(Body::from)).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let bytes = answer.into_body().collect().await.ok()?.to_bytes();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The lines, unless the kubelet answers in place of the log.
fn lines(text: &str) -> Vec<String> {
    if text.starts_with("unable to retrieve container logs for ")
        || text.starts_with("failed to try resolving symlinks in path ")
    {
        return Vec::new();
    }
    text.lines().map(str::to_owned).collect()
}

/// A warning, and how often it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) count: i64,
    last: Timestamp,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = if self.count > 1 {
            format!(" ({}×)", self.count)
        } else {
            String::new()
        };
        write!(f, "{}{times}: {}", self.reason, self.message)
    }
}

/// Warnings about these objects since then, oldest first, each once.
pub(super) async fn warnings(
    cluster: &Cluster,
    namespace: &str,
    uids: &[String],
    since: Timestamp,
) -> Vec<Warning> {
    let api = Api::<Event>::namespaced(cluster.client.clone(), namespace);
    let asked = uids.iter().collect::<HashSet<_>>();
    let requests = asked.into_iter().map(|uid| {
        let params = ListParams::default()
            .fields(&format!("involvedObject.uid={uid}"))
            .limit(EVENTS);
        let api = &api;
        async move {
            let found = tokio::time::timeout(PATIENCE, api.list(&params)).await;
            match found {
                Ok(Ok(list)) => list.items,
                _ => Vec::new(),
            }
        }
    });
    let found = futures_util::future::join_all(requests).await;
    telling(found.into_iter().flatten(), since)
}

/// Warnings, and the kubelet's word that it kills a container, which is none.
fn telling(events: impl Iterator<Item = Event>, since: Timestamp) -> Vec<Warning> {
    let mut found: Vec<Warning> = Vec::new();
    for event in events {
        let reason = event.reason.unwrap_or_default();
        if event.type_.as_deref() != Some("Warning") && reason != "Killing" {
            continue;
        }
        let series = event.series.as_ref();
        let times = [
            series
                .and_then(|series| series.last_observed_time.as_ref())
                .map(|time| time.0),
            event.last_timestamp.map(|time| time.0),
            event.event_time.map(|time| time.0),
            event.metadata.creation_timestamp.map(|time| time.0),
        ];
        let Some(last) = times.into_iter().flatten().max() else {
            continue;
        };
        if last < since {
            continue;
        }
        let count = series
            .and_then(|series| series.count)
            .or(event.count)
            .unwrap_or(1);
        let message = event.message.unwrap_or_default();
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        match found
            .iter_mut()
            .find(|one| one.reason == reason && one.message == message)
        {
            Some(one) => {
                one.count += i64::from(count);
                one.last = one.last.max(last);
            }
            None => found.push(Warning {
                reason,
                message,
                count: i64::from(count),
                last,
            }),
        }
    }
    found.sort_by_key(|one| one.last);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, reason: &str, message: &str, time: &str, count: i32) -> Event {
        serde_json::from_value(json!({"metadata": {}, "involvedObject": {}, "type": kind,
            "reason": reason, "message": message, "lastTimestamp": time, "count": count}))
        .unwrap()
    }

    #[test]
    fn warnings_since_then_each_once() {
        let events = [
            event("Warning", "Unhealthy", "b", "2026-01-01T00:00:09Z", 2),
            event("Warning", "Unhealthy", "b", "2026-01-01T00:00:07Z", 3),
            event("Warning", "BackOff", "a", "2026-01-01T00:00:05Z", 1),
            event(
                "Normal",
                "Killing",
                "failed liveness probe",
                "2026-01-01T00:00:06Z",
                1,
            ),
            event("Normal", "Pulled", "image", "2026-01-01T00:00:06Z", 1),
            event("Warning", "Unhealthy", "old", "2025-12-31T23:59:59Z", 1),
        ];
        let since = "2026-01-01T00:00:00Z".parse().unwrap();
        let found = telling(events.into_iter(), since);
        assert_eq!(
            found.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "BackOff: a",
                "Killing: failed liveness probe",
                "Unhealthy (5×): b"
            ]
        );
    }

    #[test]
    fn the_kubelets_excuse_is_no_log() {
        assert!(lines("unable to retrieve container logs for containerd://0").is_empty());
        assert_eq!(lines("we were unable to retrieve it\nx").len(), 2);
    }
}
