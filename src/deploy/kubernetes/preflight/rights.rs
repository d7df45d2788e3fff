//! Every right that a deployment will use, by what it does: apply, watch, explain, verify, record, remove.

use std::collections::{BTreeMap, BTreeSet};

use super::super::apply::Kinds;
use super::super::is_workload;
use super::super::manifest::Object;
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
}

/// Asks for everything that will be used.
pub(super) async fn ask(
    cluster: &Cluster,
    spec: &KubernetesSpec,
    verify: Option<&VerifySpec>,
    objects: &[Object],
    kinds: &Kinds,
) -> Outcome<Denied> {
    // Reading what is applied is only for going back.
    let (undo, needed): (Vec<Right>, Vec<Right>) = needed(cluster, spec, verify, objects, kinds)
        .into_iter()
        .partition(|right| right.verb == "get" && !right.names.is_empty());
    let record: Vec<Right> = ["get", "create", "patch"]
        .into_iter()
        .map(|verb| Right::new(verb, "", "secrets", Some(&cluster.namespace)))
        .filter(|right| !needed.contains(right))
        .collect();
    let (needed, record, undo) = tokio::join!(
        denied(cluster, &needed),
        denied(cluster, &record),
        denied(cluster, &undo)
    );
    Ok(Denied {
        needed: needed?,
        record: record?,
        undo: undo?,
    })
}

impl Denied {
    /// One finding for all that is missing. What only creating needs is no finding for kinds whose objects are all there.
    pub(super) async fn findings(
        mut self,
        cluster: &Cluster,
        tried: &[Tried<'_>],
    ) -> Vec<Diagnostic> {
        self.needed.retain(|right| {
            let mut named = tried
                .iter()
                .filter(|tried| right.names.contains(&tried.object.name));
            right.verb != "create"
                || right.names.is_empty()
                || named.any(|tried| tried.live.is_none())
        });
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
    let removes = spec.prune
        || spec.on_first_failure == OnFirstFailure::Remove
        || spec.strategy != Strategy::Rolling;
    for object in objects {
        let Some((resource, namespaced)) = kinds.of(object) else {
            continue;
        };
        let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
        let namespace = namespaced.then_some(namespace);
        let mut want = |verb: &'static str, group: &str, resource: &str, named: bool| {
            let names = wanted
                .entry(Right::new(verb, group, resource, namespace))
                .or_default();
            if named {
                names.insert(object.name.clone());
            }
        };
        for verb in ["get", "create", "patch"] {
            want(verb, &resource.group, &resource.plural, true);
        }
        if removes {
            want("delete", &resource.group, &resource.plural, true);
        }
        let watched = |kind: &str| is_workload(kind) || kind == "PersistentVolumeClaim";
        if watched(&object.kind) {
            for verb in ["list", "watch"] {
                want(verb, &resource.group, &resource.plural, false);
            }
        }
        if is_workload(&object.kind) {
            for verb in ["list", "watch"] {
                want(verb, "", "pods", false);
                want(verb, "", "events", false);
                if object.kind == "Deployment" {
                    want(verb, "apps", "replicasets", false);
                }
                if object.value.pointer("/spec/volumeClaimTemplates").is_some() {
                    want(verb, "", "persistentvolumeclaims", false);
                }
            }
            want("get", "", "pods/log", false);
        }
        if object.kind == "Service" {
            for verb in ["list", "watch"] {
                want(verb, "discovery.k8s.io", "endpointslices", false);
            }
        }
    }
    if let Some(verify) = verify {
        let service = objects.iter().any(|object| object.kind == "Service");
        for (verb, resource) in verified(verify, service) {
            let right = Right::new(verb, "", resource, Some(&cluster.namespace));
            wanted.entry(right).or_default();
        }
    }
    wanted
        .into_iter()
        .map(|(right, names)| right.named(names))
        .collect()
}

/// What the checks on the live service use: requests go through the API server, which takes their method as the verb.
fn verified(verify: &VerifySpec, service: bool) -> Vec<(&'static str, &'static str)> {
    let mut wanted = vec![("list", "pods"), ("list", "services")];
    let through = if service {
        "services/proxy"
    } else {
        "pods/proxy"
    };
    if verify.health_path.is_some() {
        wanted.push(("get", through));
    }
    if verify.predict_path.is_some() && verify.golden.is_some() {
        wanted.push(("create", through));
    }
    wanted
}
