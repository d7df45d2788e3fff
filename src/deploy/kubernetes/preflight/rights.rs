//! Every right that a deployment will use, by what it does: apply, watch, explain, verify, record, remove.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::ApiResource;

use super::super::apply::Kinds;
use super::super::manifest::{Object, is_workload};
use super::super::strategy;
use super::super::undo::is_precious;
use super::tried::Tried;
use crate::cluster::{Cluster, Right, account, denied, rules};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::failure::Outcome;
use crate::plan::{KubernetesSpec, OnFirstFailure, Strategy, VerifySpec};

/// What the account may not do.
#[derive(Debug, Default)]
pub(super) struct Denied {
    /// Needed for the deployment.
    needed: Vec<Right>,
    /// Needed to remember it.
    record: Vec<Right>,
    /// Needed to put it back.
    undo: Vec<Right>,
    /// Needed to take away what a failed deployment has made.
    remove: Vec<Right>,
}

/// Asks for everything that will be used.
pub(super) async fn ask(
    cluster: &Cluster,
    spec: &KubernetesSpec,
    verify: Option<&VerifySpec>,
    objects: &[Object],
    kinds: &Kinds,
) -> Outcome<Denied> {
    // Reading what is applied is only for going back, and so is deleting where nothing else deletes.
    let (mut undo, needed): (Vec<Right>, Vec<Right>) =
        needed(cluster, spec, verify, objects, kinds)
            .into_iter()
            .partition(|right| only_to_go_back(spec, right));
    undo.extend(pods_of_sets(cluster, objects));
    let remove = if removes(spec) {
        Vec::new()
    } else {
        deleting(cluster, objects, kinds)
    };
    let record: Vec<Right> = ["get", "create", "patch"]
        .into_iter()
        .map(|verb| Right::new(verb, "", "secrets", Some(&cluster.namespace)))
        .filter(|right| !needed.contains(right))
        .collect();
    let (needed, record, undo, remove) = tokio::join!(
        denied(cluster, &needed),
        denied(cluster, &record),
        denied(cluster, &undo),
        denied(cluster, &remove)
    );
    Ok(Denied {
        needed: needed?,
        record: record?,
        undo: undo?,
        remove: remove?,
    })
}

impl Denied {
    /// One finding for all that is missing. What only creating needs is no finding for kinds whose objects are all there, and
    /// neither is deleting what is new where nothing is live to go back to.
    pub(super) async fn findings(
        mut self,
        cluster: &Cluster,
        kinds: &Kinds,
        tried: &[Tried<'_>],
    ) -> Vec<Diagnostic> {
        let live = |tried: &&Tried<'_>| tried.live.is_some();
        let all_there = |right: &Right| {
            let is = |tried: &Tried<'_>| {
                kinds
                    .of(tried.object)
                    .is_some_and(|kind| concerns(right, tried, kind.0, cluster))
            };
            let there: Vec<&str> = tried
                .iter()
                .filter(live)
                .filter(|tried| is(tried))
                .map(|tried| tried.object.name.as_str())
                .collect();
            !right.names.is_empty()
                && right
                    .names
                    .iter()
                    .all(|name| there.contains(&name.as_str()))
        };
        self.needed
            .retain(|right| right.verb != "create" || !all_there(right));
        let goes_back = tried
            .iter()
            .filter(live)
            .any(|tried| is_workload(&tried.object.kind));
        self.remove.retain(|right| goes_back && !all_there(right));
        let set = tried
            .iter()
            .filter(live)
            .any(|tried| tried.object.kind == "StatefulSet");
        self.undo.retain(|right| set || right.verb != "delete");
        let mut findings = Vec::new();
        if !self.needed.is_empty() {
            let who = account(cluster).await;
            let who = who.map_or("the account in the kubeconfig".to_owned(), |name| {
                format!("account `{name}`")
            });
            let message = format!("{who} may not {}", told(&self.needed));
            findings.push(
                Diagnostic::error(Code::ClusterDenied, message)
                    .help("add the rules shown to a Role that is bound to the account")
                    .evidence(rules(&self.needed)),
            );
        }
        let lesser = [
            (
                &self.record,
                "`status` and `rollback` will not know this deployment",
            ),
            (
                &self.undo,
                "what is live cannot be put back if the deployment fails",
            ),
            (
                &self.remove,
                "what is new is left behind if the deployment fails",
            ),
        ];
        for (rights, consequence) in lesser {
            if rights.is_empty() {
                continue;
            }
            let message = format!("the account may not {}: {consequence}", told(rights));
            findings.push(
                Diagnostic::warning(Code::ClusterDenied, message)
                    .help("add the rules shown to a Role that is bound to the account")
                    .evidence(rules(rights)),
            );
        }
        findings
    }
}

/// `create, patch deployments.apps; list pods in namespace …`.
fn told(rights: &[Right]) -> String {
    let mut places: BTreeMap<Option<&str>, BTreeMap<String, BTreeSet<&str>>> = BTreeMap::new();
    for right in rights {
        let resource = if right.group.is_empty() {
            right.resource.clone()
        } else {
            format!("{}.{}", right.resource, right.group)
        };
        let verbs = places.entry(right.namespace.as_deref()).or_default();
        verbs.entry(resource).or_default().insert(right.verb);
    }
    let parts = places.into_iter().map(|(namespace, resources)| {
        let all = resources.into_iter().map(|(resource, verbs)| {
            let verbs: Vec<&str> = verbs.into_iter().collect();
            format!("{} {resource}", verbs.join(", "))
        });
        let all = all.collect::<Vec<_>>().join("; ");
        let place = namespace.map_or(String::new(), |name| format!(" in namespace `{name}`"));
        format!("{all}{place}")
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// Every right without which the deployment stops half-way.
fn needed(
    cluster: &Cluster,
    spec: &KubernetesSpec,
    verify: Option<&VerifySpec>,
    objects: &[Object],
    kinds: &Kinds,
) -> Vec<Right> {
    let mut wanted: BTreeMap<Right, BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        let Some((resource, namespaced)) = kinds.of(object) else {
            continue;
        };
        let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
        let namespace = namespaced.then_some(namespace);
        let mut want = |verb: &'static str, group: &str, resource: &str, names: &[String]| {
            wanted
                .entry(Right::new(verb, group, resource, namespace))
                .or_default()
                .extend(names.iter().cloned());
        };
        let second = strategy::second(spec, objects, object);
        let all = [second.as_slice(), std::slice::from_ref(&object.name)].concat();
        for verb in ["get", "create", "patch"] {
            want(verb, &resource.group, &resource.plural, &all);
        }
        let deleted = if removes(spec) { &all } else { &second };
        if !deleted.is_empty() {
            want("delete", &resource.group, &resource.plural, deleted);
        }
        let watched = |kind: &str| is_workload(kind) || kind == "PersistentVolumeClaim";
        if watched(&object.kind) {
            for verb in ["list", "watch"] {
                want(verb, &resource.group, &resource.plural, &[]);
            }
        }
        if is_workload(&object.kind) {
            for verb in ["list", "watch"] {
                want(verb, "", "pods", &[]);
                want(verb, "", "events", &[]);
                if object.kind == "Deployment" {
                    want(verb, "apps", "replicasets", &[]);
                }
                if object.value.pointer("/spec/volumeClaimTemplates").is_some() {
                    want(verb, "", "persistentvolumeclaims", &[]);
                }
            }
            want("get", "", "pods/log", &[]);
        }
        if object.kind == "Service" {
            for verb in ["list", "watch"] {
                want(verb, "discovery.k8s.io", "endpointslices", &[]);
            }
        }
    }
    if let Some(verify) = verify {
        let service = objects.iter().any(|object| object.kind == "Service");
        let beside = spec.strategy != Strategy::Rolling;
        for (verb, resource) in verified(verify, service, beside) {
            let right = Right::new(verb, "", resource, Some(&cluster.namespace));
            wanted.entry(right).or_default();
        }
    }
    wanted
        .into_iter()
        .map(|(right, names)| right.named(names))
        .collect()
}

/// Whether everything may have to be deleted that is applied, and not only what a failed deployment has made. What pruning
/// deletes is not among it, and asked for where it is known.
fn removes(spec: &KubernetesSpec) -> bool {
    spec.on_first_failure == OnFirstFailure::Remove
}

/// Reading an object that is applied; a strategy also looks at what is live before it begins.
fn only_to_go_back(spec: &KubernetesSpec, right: &Right) -> bool {
    let looks = match spec.strategy {
        Strategy::Rolling => false,
        Strategy::Canary { .. } => right.resource == "deployments",
        Strategy::BlueGreen => matches!(right.resource.as_str(), "deployments" | "services"),
    };
    right.verb == "get" && !right.names.is_empty() && !looks
}

/// A StatefulSet does not replace a broken pod when it is put back: we do.
fn pods_of_sets(cluster: &Cluster, objects: &[Object]) -> BTreeSet<Right> {
    let sets = objects.iter().filter(|object| object.kind == "StatefulSet");
    sets.map(|set| {
        let namespace = set.namespace.as_deref().unwrap_or(&cluster.namespace);
        Right::new("delete", "", "pods", Some(namespace))
    })
    .collect()
}

/// What takes away again what a failed deployment has made.
fn deleting(cluster: &Cluster, objects: &[Object], kinds: &Kinds) -> Vec<Right> {
    let mut wanted: BTreeMap<Right, BTreeSet<String>> = BTreeMap::new();
    for object in objects.iter().filter(|object| !is_precious(&object.kind)) {
        let Some((resource, namespaced)) = kinds.of(object) else {
            continue;
        };
        let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
        let namespace = namespaced.then_some(namespace);
        let right = Right::new("delete", &resource.group, &resource.plural, namespace);
        wanted.entry(right).or_default().insert(object.name.clone());
    }
    let rights = wanted.into_iter();
    rights.map(|(right, names)| right.named(names)).collect()
}

/// Whether the right is about the kind and the namespace of an object.
fn concerns(right: &Right, tried: &Tried<'_>, kind: &ApiResource, cluster: &Cluster) -> bool {
    let own = tried.object.namespace.as_ref();
    let place = right.namespace.as_ref();
    right.group == kind.group
        && right.resource == kind.plural
        && place.is_none_or(|place| place == own.unwrap_or(&cluster.namespace))
}

/// What the checks on the live service use: requests go through the API server, which takes their method as the verb. A
/// version that stands `beside` the old one is asked pod by pod before its Service is.
fn verified(verify: &VerifySpec, service: bool, beside: bool) -> Vec<(&'static str, &'static str)> {
    let mut wanted = vec![("list", "pods"), ("list", "services")];
    let through = [
        ("services/proxy", service),
        ("pods/proxy", beside || !service),
    ];
    for (resource, _) in through.into_iter().filter(|(_, used)| *used) {
        if verify.health_path.is_some() {
            wanted.push(("get", resource));
        }
        if verify.predict_path.is_some() && verify.golden.is_some() {
            wanted.push(("create", resource));
        }
    }
    wanted
}
