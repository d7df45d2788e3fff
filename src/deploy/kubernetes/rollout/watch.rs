//! Watches that keep the state up to date and reconnect by themselves. Trouble is told, and is never a verdict.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures_util::stream::{BoxStream, SelectAll, StreamExt as _};
use jiff::Timestamp;
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::utils::{Backoff, StreamBackoff};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use tokio::time::Instant;

use super::events::Happening;
use super::scene::Scene;
use super::state::State;
use super::target::{Target, companion};
use crate::cluster::{Cluster, transport};

/// Objects for each page of a list: a page is in memory as a whole before it is trimmed.
const PAGE: u32 = 50;
/// Seconds after which a watch is opened anew, which also finds a connection that silently broke.
const RENEWED: u32 = 60;

/// How long after the last failed attempt what we know may be old. Attempts follow each other faster than this.
const BLIND: Duration = Duration::from_secs(8);

type Change = (
    String,
    Result<watcher::Event<DynamicObject>, watcher::Error>,
);

/// Waits between attempts: soon again, because a person waits and an API server restarts within seconds.
#[derive(Debug)]
struct Patience(Duration);

impl Patience {
    const SHORTEST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(2);
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.0;
        self.0 = (wait * 2).min(Self::LONGEST);
        Some(wait)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.0 = Self::SHORTEST;
    }
}

/// What a person should hear about a watch.
#[derive(Debug)]
pub(in crate::deploy::kubernetes) enum Trouble {
    /// It is tried again.
    Interrupted(String),
    /// We have no right to it; the rollout is judged without.
    Denied(String),
}

/// The streams, and what is needed to apply their changes.
pub(in crate::deploy::kubernetes) struct Watch {
    streams: SelectAll<BoxStream<'static, Change>>,
    /// Objects seen while a watch lists anew, by place: those that are missing at its end are gone.
    listing: HashMap<String, HashSet<String>>,
    /// Uids known by place.
    known: HashMap<String, HashSet<String>>,
    /// Uids of targets by place.
    targets: HashMap<String, HashSet<String>>,
    /// Places whose trouble was told and has not ended.
    told: BTreeSet<String>,
    /// When a watch failed last.
    failed: Option<Instant>,
    since: Timestamp,
}

impl Watch {
    /// Watches everything that these targets depend on, only in their namespaces, each place once.
    pub(in crate::deploy::kubernetes) fn start(
        cluster: &Cluster,
        targets: &[Target],
        since: Timestamp,
    ) -> Self {
        let mut streams = SelectAll::new();
        for ((_, namespace), resource) in places(targets) {
            let api: Api<DynamicObject> = match namespace.as_str() {
                "" => Api::all_with(cluster.client.clone(), &resource),
                namespace => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
            };
            let place = format!("{}/{namespace}", resource.kind);
            let config = watcher::Config::default().page_size(PAGE).timeout(RENEWED);
            // The beginning of an attempt is no success: it must neither end the waits nor what was told.
            let told = watcher(api, config)
                .filter(|change| std::future::ready(!matches!(change, Ok(watcher::Event::Init))));
            let stream = StreamBackoff::new(told, Patience(Patience::SHORTEST));
            streams.push(stream.map(move |change| (place.clone(), change)).boxed());
        }
        let mut by_place: HashMap<String, HashSet<String>> = HashMap::new();
        for target in targets.iter().filter(|target| target.is_watched()) {
            let place = format!("{}/{}", target.kind(), target.namespace);
            by_place
                .entry(place)
                .or_default()
                .insert(target.uid.clone());
        }
        Self {
            streams,
            listing: HashMap::new(),
            known: HashMap::new(),
            targets: by_place,
            told: BTreeSet::new(),
            failed: None,
            since,
        }
    }

    /// Until when what we know may be old: an API server that does not answer must not let a grace run out.
    pub(in crate::deploy::kubernetes) fn blind_until(&self) -> Option<Instant> {
        let until = self.failed? + BLIND;
        (until > Instant::now()).then_some(until)
    }

    /// Waits for the next change and applies it. Returns what a person should hear.
    pub(in crate::deploy::kubernetes) async fn changed(
        &mut self,
        scene: &mut Scene,
    ) -> Option<Trouble> {
        let state = &mut scene.state;
        let Some((place, change)) = self.streams.next().await else {
            // Watches never end; without any, waiting is all that is left.
            return std::future::pending().await;
        };
        match change {
            Ok(change) => {
                self.told.remove(&place);
                state.denied.remove(&place);
                self.apply(&place, change, state);
                None
            }
            Err(error) => self.trouble(place, error, state),
        }
    }

    fn apply(&mut self, place: &str, change: watcher::Event<DynamicObject>, state: &mut State) {
        match change {
            watcher::Event::Apply(object) => {
                let uid = self.keep(place, object, state);
                self.known.entry(place.to_owned()).or_default().insert(uid);
            }
            watcher::Event::Delete(object) => {
                let uid = object.uid().unwrap_or_default();
                if let Some(known) = self.known.get_mut(place) {
                    known.remove(&uid);
                }
                state.forget(&uid, self.is_target(place, &uid));
            }
            watcher::Event::Init => {}
            watcher::Event::InitApply(object) => {
                let uid = self.keep(place, object, state);
                self.listing
                    .entry(place.to_owned())
                    .or_default()
                    .insert(uid);
            }
            watcher::Event::InitDone => {
                let listed = self.listing.remove(place).unwrap_or_default();
                let mut expected = self.known.remove(place).unwrap_or_default();
                expected.extend(self.targets.get(place).into_iter().flatten().cloned());
                for uid in expected.difference(&listed) {
                    state.forget(uid, self.is_target(place, uid));
                }
                self.known.insert(place.to_owned(), listed);
            }
        }
    }

    fn is_target(&self, place: &str, uid: &str) -> bool {
        self.targets
            .get(place)
            .is_some_and(|targets| targets.contains(uid))
    }

    /// Keeps what matters of an object, and returns its uid; of events nothing but the text stays.
    fn keep(&self, place: &str, mut object: DynamicObject, state: &mut State) -> String {
        object.managed_fields_mut().clear();
        let value = serde_json::to_value(&object).unwrap_or_default();
        let kind = place.split('/').next().unwrap_or_default();
        if kind == "Event" {
            if let Some(happening) = Happening::read(&value).filter(|one| one.last >= self.since) {
                state.events.keep(happening);
            }
            return String::new();
        }
        state.keep(kind, &value)
    }

    fn trouble(
        &mut self,
        place: String,
        error: watcher::Error,
        state: &mut State,
    ) -> Option<Trouble> {
        let denied = match &error {
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
                // A kind that is not served is as unknown to us as one that is forbidden.
                matches!(status.code, 403 | 404).then(|| status.message.clone())
            }
            // An expired version only makes the watch list anew.
            watcher::Error::WatchError(status) if status.code == 410 => return None,
            _ => None,
        };
        // A list that broke off begins anew.
        self.listing.remove(&place);
        let first = self.told.insert(place.clone());
        let trouble = match denied {
            Some(message) => {
                state.denied.insert(place.clone());
                // Nodes only tell which pods need not be waited for; few accounts may see them.
                if place.starts_with(NODE) {
                    return None;
                }
                Trouble::Denied(format!("failed to watch {place}: {message}"))
            }
            None => {
                self.failed = Some(Instant::now());
                Trouble::Interrupted(format!("failed to watch {place}: {}", transport(error)))
            }
        };
        first.then_some(trouble)
    }
}

/// The kind of the cluster's machines.
const NODE: &str = "Node";

/// What must be watched for these targets: kind and namespace, once each.
fn places(targets: &[Target]) -> BTreeMap<(String, String), ApiResource> {
    let mut places = BTreeMap::new();
    for target in targets.iter().filter(|target| target.is_watched()) {
        let mut add = |resource: ApiResource, namespace: &str| {
            let place = (resource.kind.clone(), namespace.to_owned());
            places.entry(place).or_insert(resource);
        };
        let own = target.namespace.as_str();
        add(target.resource.clone(), own);
        if target.has_pods() {
            add(companion("Pod"), own);
        }
        match target.kind() {
            "Deployment" => add(companion("ReplicaSet"), own),
            "Service" => add(companion("EndpointSlice"), own),
            "DaemonSet" => add(companion(NODE), ""),
            _ => {}
        }
        if !own.is_empty() {
            add(companion("Event"), own);
        }
    }
    places
}
