//! The live objects that rollouts depend on, kept up to date by watches that reconnect by themselves.

use std::collections::HashMap;

use futures_util::stream::{BoxStream, SelectAll, StreamExt as _};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use crate::cluster::{Cluster, kind_of, transport, uid_of};

type Change = (
    String,
    Result<watcher::Event<DynamicObject>, watcher::Error>,
);

/// Objects by uid, and the streams that change them.
pub(super) struct Live {
    objects: HashMap<String, Value>,
    /// Objects seen while a watch lists anew, by kind: those that are missing at its end are gone.
    listing: HashMap<String, Vec<String>>,
    streams: SelectAll<BoxStream<'static, Change>>,
}

/// The group of a kind that is watched.
fn group(kind: &str) -> &'static str {
    match kind {
        "Pod" => "",
        "Job" => "batch",
        _ => "apps",
    }
}

impl Live {
    /// Watches kinds in namespaces; each pair once.
    pub(super) fn watch(
        cluster: &Cluster,
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut streams = SelectAll::new();
        for (kind, namespace) in pairs {
            let gvk = GroupVersionKind::gvk(group(&kind), "v1", &kind);
            let resource = ApiResource::from_gvk(&gvk);
            let api: Api<DynamicObject> =
                Api::namespaced_with(cluster.client.clone(), &namespace, &resource);
            let place = format!("{kind}/{namespace}");
            let stream = watcher(api, watcher::Config::default())
                .default_backoff()
                .map(move |change| (place.clone(), change));
            streams.push(stream.boxed());
        }
        Self {
            objects: HashMap::new(),
            listing: HashMap::new(),
            streams,
        }
    }

    /// Waits for the next change. Returns a text when a watch failed and is tried again.
    pub(super) async fn changed(&mut self) -> Option<String> {
        let Some((place, change)) = self.streams.next().await else {
            // Watches never end; if they did, waiting is all that is left.
            return std::future::pending().await;
        };
        match change {
            Ok(watcher::Event::Apply(object)) => {
                self.keep(&place, object);
            }
            Ok(watcher::Event::Delete(object)) => {
                self.objects.remove(&object.uid().unwrap_or_default());
            }
            Ok(watcher::Event::Init) => {
                self.listing.insert(place, Vec::new());
            }
            Ok(watcher::Event::InitApply(object)) => {
                let uid = self.keep(&place, object);
                self.listing.entry(place).or_default().push(uid);
            }
            Ok(watcher::Event::InitDone) => {
                let listed = self.listing.remove(&place).unwrap_or_default();
                self.objects
                    .retain(|uid, object| place_of(object) != place || listed.contains(uid));
            }
            Err(error) => return Some(format!("failed to watch {place}: {}", transport(error))),
        }
        None
    }

    fn keep(&mut self, place: &str, mut object: DynamicObject) -> String {
        // Half of an object's size, and of no use here.
        object.managed_fields_mut().clear();
        let mut value = serde_json::to_value(&object).unwrap_or_default();
        let kind = place.split('/').next().unwrap_or_default();
        value["kind"] = kind.into();
        let uid = uid_of(&value).to_owned();
        self.objects.insert(uid.clone(), value);
        uid
    }

    /// The object with this uid.
    pub(super) fn get(&self, uid: &str) -> Option<&Value> {
        self.objects.get(uid)
    }

    /// All objects of a kind.
    pub(super) fn all(&self, kind: &str) -> Vec<Value> {
        self.objects
            .values()
            .filter(|object| kind_of(object) == kind)
            .cloned()
            .collect()
    }
}

fn place_of(object: &Value) -> String {
    format!(
        "{}/{}",
        kind_of(object),
        crate::cluster::text(object, "/metadata/namespace")
    )
}
