//! An observer of its own that sees what the cluster knows and when it knew it: every state of the objects that rollouts
//! depend on, with the moment it arrived. It judges nothing.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::oneshot;

use crate::gate::client;

/// What is watched: group, version, kind, plural.
const WATCHED: &[(&str, &str, &str, &str)] = &[
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Event", "events"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "ReplicaSet", "replicasets"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("batch", "v1", "Job", "jobs"),
];

/// One state of one object.
struct Sighting {
    at: Instant,
    namespace: String,
    resource: &'static str,
    /// The object as JSON, without the managers of its fields.
    text: String,
}

type Sightings = Arc<Mutex<Vec<Sighting>>>;

/// Watches until it is dropped.
pub(super) struct Witness {
    sightings: Sightings,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Watches the namespaces whose name begins with `prefix`.
    pub(super) fn new(prefix: &'static str) -> Self {
        let sightings = Sightings::default();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let sightings = Arc::clone(&sightings);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let client = client().await;
                    let all = WATCHED
                        .iter()
                        .map(|watched| watch(&client, *watched, prefix, &sightings));
                    tokio::select! {
                        _ = futures_util::future::join_all(all) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self {
            sightings,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// When an object of this resource first was in a state whose JSON has all these texts, not before `since`.
    pub(super) fn first(
        &self,
        namespace: &str,
        resource: &str,
        texts: &[String],
        since: Instant,
    ) -> Option<Instant> {
        let sightings = self.sightings.lock().unwrap();
        sightings
            .iter()
            .find(|seen| {
                seen.at >= since
                    && seen.namespace == namespace
                    && seen.resource == resource
                    && texts.iter().all(|text| seen.text.contains(text.as_str()))
            })
            .map(|seen| seen.at)
    }

    /// The last state of each kind of thing that was seen, for the report on a case that went wrong.
    pub(super) fn tell(&self, namespace: &str, since: Instant) -> String {
        let sightings = self.sightings.lock().unwrap();
        let mut told = Vec::new();
        for seen in sightings.iter().filter(|seen| seen.namespace == namespace) {
            let object: serde_json::Value = serde_json::from_str(&seen.text).unwrap_or_default();
            let what = match seen.resource {
                "events" => format!("{} {}", object["reason"], object["message"]),
                "pods" => format!(
                    "{} {} {}",
                    object["metadata"]["name"],
                    object["status"]["phase"],
                    object["status"]["containerStatuses"][0]["state"]
                ),
                _ => continue,
            };
            let after = seen.at.saturating_duration_since(since).as_secs_f32();
            told.push(format!("  {after:6.1} s {}: {what}", seen.resource));
        }
        told.dedup();
        told.join("\n")
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

async fn watch(
    client: &kube::Client,
    (group, version, kind, plural): (&str, &str, &str, &'static str),
    prefix: &str,
    sightings: &Sightings,
) {
    let resource = ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        },
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let stream = watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects();
    let mut stream = std::pin::pin!(stream);
    while let Some(object) = stream.next().await {
        let Ok(mut object) = object else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        if !namespace.starts_with(prefix) {
            continue;
        }
        object.metadata.managed_fields = None;
        let text = serde_json::to_string(&object).unwrap();
        sightings.lock().unwrap().push(Sighting {
            at: Instant::now(),
            namespace,
            resource: plural,
            text,
        });
    }
}
