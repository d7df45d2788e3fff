//! The live objects that a verdict depends on, by uid and by owner, with events and log tails. It keeps; it judges nothing.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;

use super::events::{Happening, Happenings};
use super::target::Target;
use super::trim::trim;
use crate::cluster::{is_ready, kind_of, newest_pods, text, uid_of};

/// The end of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Id of the run that wrote it.
    pub(super) run: String,
    /// Exit status of that run.
    pub(super) exit: i64,
    pub(super) lines: Vec<String>,
}

/// The end of a log that was read.
#[derive(Debug)]
pub(in crate::deploy::kubernetes) struct Heard {
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) tail: Tail,
}

/// Everything that is known of the cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    objects: HashMap<String, Value>,
    owned: HashMap<String, BTreeSet<String>>,
    /// Uids of objects that were deleted after they had been seen.
    gone: HashSet<String>,
    pub(super) events: Happenings,
    /// By pod and container; the last two runs.
    logs: HashMap<(String, String), Vec<Tail>>,
    /// By pod and container: what the diagnosis read, more than the end.
    pub(super) read: HashMap<(String, String), Vec<String>>,
    /// Places (`Kind/namespace`) that we may not watch.
    pub(super) denied: BTreeSet<String>,
}

impl State {
    /// Keeps an object, trimmed.
    pub(super) fn keep(&mut self, kind: &str, object: &Value) -> String {
        let kept = trim(kind, object);
        let uid = uid_of(&kept).to_owned();
        for owner in owners(&kept) {
            self.owned.entry(owner).or_default().insert(uid.clone());
        }
        self.gone.remove(&uid);
        self.objects.insert(uid.clone(), kept);
        uid
    }

    /// Keeps objects and events that a bundle hands in as if a watch had.
    pub(super) fn take_in(&mut self, objects: &[Value], events: &[Value]) {
        for object in objects {
            self.keep(kind_of(object), object);
        }
        for happening in events.iter().filter_map(Happening::read) {
            self.events.keep(happening);
        }
    }

    /// Forgets an object; that of a target stays as it was last, marked as gone.
    pub(super) fn forget(&mut self, uid: &str, is_target: bool) {
        if is_target {
            self.gone.insert(uid.to_owned());
            return;
        }
        if let Some(object) = self.objects.remove(uid) {
            for owner in owners(&object) {
                if let Some(owned) = self.owned.get_mut(&owner) {
                    owned.remove(uid);
                }
            }
        }
        self.logs.retain(|(pod, _), _| pod != uid);
    }

    /// Whether an object was deleted after it had been seen.
    pub(super) fn is_gone(&self, uid: &str) -> bool {
        self.gone.contains(uid)
    }

    /// The object with this uid.
    pub(super) fn get(&self, uid: &str) -> Option<&Value> {
        self.objects.get(uid)
    }

    /// All objects, in no order.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// Nodes that do not answer, as far as nodes may be watched.
    pub(super) fn lost_nodes(&self) -> impl Iterator<Item = &Value> {
        let nodes = self.objects().filter(|object| kind_of(object) == "Node");
        nodes.filter(|node| !is_ready(node))
    }

    /// Objects of a kind that the one with this uid owns.
    pub(super) fn owned<'a>(&'a self, uid: &str, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let owned = self.owned.get(uid).into_iter().flatten();
        owned
            .filter_map(|uid| self.objects.get(uid))
            .filter(move |object| kind_of(object) == kind)
    }

    /// Pods of the target, of every revision.
    pub(super) fn pods(&self, target: &Target) -> Vec<&Value> {
        match target.kind() {
            "Pod" => self.get(&target.uid).into_iter().collect(),
            "Deployment" => self
                .owned(&target.uid, "ReplicaSet")
                .flat_map(|set| self.owned(uid_of(set), "Pod"))
                .collect(),
            _ => self.owned(&target.uid, "Pod").collect(),
        }
    }

    /// Pods of the target's newest revision, those that are going away left out.
    pub(super) fn newest_pods(&self, target: &Target) -> Vec<&Value> {
        let Some(workload) = self.get(&target.uid) else {
            return Vec::new();
        };
        let mut pods = newest_pods(
            workload,
            self.owned(&target.uid, "ReplicaSet"),
            self.pods(target),
        );
        pods.sort_by_key(|pod| text(pod, "/metadata/name"));
        pods
    }

    /// Keeps the end of a log.
    pub(super) fn keep_log(&mut self, pod: &str, container: &str, tail: Tail) {
        let tails = self
            .logs
            .entry((pod.to_owned(), container.to_owned()))
            .or_default();
        tails.retain(|known| known.run != tail.run);
        tails.push(tail);
        if tails.len() > 2 {
            tails.remove(0);
        }
    }

    /// The log tail of a run.
    pub(super) fn log(&self, pod: &str, container: &str, run: &str) -> Option<&Tail> {
        self.tails(pod, container)
            .iter()
            .find(|tail| tail.run == run)
    }

    /// The log tails of a container's last two runs, older first.
    pub(super) fn tails(&self, pod: &str, container: &str) -> &[Tail] {
        self.logs
            .get(&(pod.to_owned(), container.to_owned()))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Every log tail, with pod and container.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&str, &str, &Tail)> {
        self.logs.iter().flat_map(|((pod, container), tails)| {
            tails
                .iter()
                .map(move |tail| (pod.as_str(), container.as_str(), tail))
        })
    }

    /// Events of an object since a time, oldest first.
    pub(super) fn events(&self, uid: &str, since: Timestamp) -> Vec<&Happening> {
        self.events.of(uid, since)
    }
}

fn owners(object: &Value) -> Vec<String> {
    let all = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    all.into_iter()
        .flatten()
        .map(|owner| text(owner, "/uid").to_owned())
        .collect()
}
