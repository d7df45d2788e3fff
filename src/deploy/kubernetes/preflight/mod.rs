//! Everything that can be known about a deployment before it is made: read-only, concurrent, all findings at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use super::apply::{Kinds, Manner, apply};
use super::manifest::{self, Object};
use super::{prepare, prune, reject, strategy};
use crate::cluster::{Cluster, Right, rights, transport};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::KubernetesSpec;
use crate::registry::Reference;

/// Checks manifests, namespace, rights and, by server-side dry run, every object. `image` is what will be deployed, as
/// far as it is known: before the push a repository with a tag stands in for it.
pub(crate) async fn preflight(
    ctx: &Context,
    spec: &KubernetesSpec,
    image: Option<&Reference>,
) -> Vec<Diagnostic> {
    // The manifests can be wrong and the cluster unreachable at once; both are told.
    let loaded = manifest::load(spec, &ctx.workspace);
    let namespace = spec.namespace.clone().or_else(|| {
        loaded
            .as_ref()
            .ok()
            .and_then(|objects| manifest::namespace(spec, objects))
    });
    let cluster = Cluster::connect(&spec.cluster, namespace.as_deref()).await;
    let mut findings = Vec::new();
    let objects = loaded
        .and_then(|mut objects| {
            prepare(
                &mut objects,
                spec,
                image.map(ToString::to_string).as_deref(),
                &[],
            )
            .map(|()| objects)
            .map_err(|found| vec![found])
        })
        .map_err(|found| findings.extend(found));
    let cluster = cluster.map_err(|failure| findings.extend(failure.into_findings()));
    let (Ok(objects), Ok(cluster)) = (objects, cluster) else {
        return findings;
    };
    findings.extend(strategy::check(spec, &objects));
    findings.extend(against(&cluster, spec, &objects).await);
    prune::announce(ctx, spec, &cluster, &objects).await;
    findings
}

/// The part that needs both.
async fn against(cluster: &Cluster, spec: &KubernetesSpec, objects: &[Object]) -> Vec<Diagnostic> {
    let (kinds, absent) = tokio::join!(
        Kinds::discover(&cluster.client, objects),
        namespaces(cluster, objects)
    );
    let kinds = match kinds {
        Ok(kinds) => kinds,
        Err(mut findings) => {
            findings.extend(absent.findings);
            return findings;
        }
    };
    let mut wanted = wanted(cluster, objects, &kinds);
    wanted.extend(strategy::rights(spec, &cluster.namespace));
    let as_switched = strategy::tried(spec, objects);
    let tried = as_switched.iter().filter_map(|object| {
        let (resource, namespaced) = kinds.of(object)?;
        let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
        // In a namespace that is not there nothing can be tried.
        let possible = !namespaced || !absent.names.contains(namespace);
        possible.then_some((object, resource, namespaced))
    });
    let force = spec.force_conflicts;
    let tries = join_all(tried.map(async |(object, resource, namespaced)| {
        let manner = Manner {
            dry_run: true,
            force,
        };
        apply(cluster, (resource, namespaced), object, manner)
            .await
            .map_or_else(|error| reject::explain(object, error), |_| Vec::new())
    }));
    let (denied, tries) = tokio::join!(rights(cluster, &wanted), tries);
    let denied = denied.unwrap_or_else(|failure| failure.into_findings());
    let mut findings = absent.findings;
    // The one finding about rights already says what each refused dry run would say again.
    let told = !denied.is_empty();
    findings.extend(denied);
    let refused = tries.into_iter().flatten();
    findings.extend(refused.filter(|finding| !(told && finding.code == Code::ClusterDenied)));
    findings
}

/// Namespaces that cannot take objects.
#[derive(Default)]
struct Absent {
    names: BTreeSet<String>,
    findings: Vec<Diagnostic>,
}

async fn namespaces(cluster: &Cluster, objects: &[Object]) -> Absent {
    let own = |object: &Object| {
        object
            .namespace
            .clone()
            .unwrap_or_else(|| cluster.namespace.clone())
    };
    let used: BTreeSet<String> = objects
        .iter()
        .filter(|object| object.kind != "Namespace")
        .map(own)
        .collect();
    let api = Api::<Namespace>::all(cluster.client.clone());
    let mut absent = Absent::default();
    for (name, answer) in join_all(used.into_iter().map(async |name| {
        let answer = api.get_opt(&name).await;
        (name, answer)
    }))
    .await
    {
        let first = objects.iter().find(|object| own(object) == name);
        let at = first.map(|object| object.at("metadata.namespace"));
        let finding = match answer {
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => Diagnostic::error(
                Code::NamespaceTerminating,
                format!("failed to use namespace `{name}`: it is being deleted"),
            ),
            // Many accounts may not read namespaces; the dry run tells them enough.
            Ok(Some(_)) | Err(kube::Error::Api(_)) => continue,
            Ok(None) => {
                let made = objects
                    .iter()
                    .any(|object| object.kind == "Namespace" && object.name == name);
                absent.names.insert(name.clone());
                if made {
                    continue;
                }
                Diagnostic::error(
                    Code::NamespaceMissing,
                    format!("failed to find namespace `{name}`: it does not exist"),
                )
                .help(format!(
                    "create it with `kubectl create namespace {name}`, or correct `namespace`"
                ))
            }
            Err(error) => {
                let message = format!("failed to ask for namespace `{name}`: {}", transport(error));
                Diagnostic::error(Code::ClusterUnreachable, message)
            }
        };
        absent.findings.push(finding.at(at));
        absent.names.insert(name);
    }
    absent
}

/// Every right that the deployment will use.
fn wanted(cluster: &Cluster, objects: &[Object], kinds: &Kinds) -> Vec<Right> {
    let mut wanted = BTreeSet::new();
    for object in objects {
        let Some((resource, namespaced)) = kinds.of(object) else {
            continue;
        };
        let namespace = namespaced.then(|| {
            object
                .namespace
                .clone()
                .unwrap_or_else(|| cluster.namespace.clone())
        });
        let mut want = |verb, group: &str, resource: &str| {
            wanted.insert(Right {
                verb,
                group: group.to_owned(),
                resource: resource.to_owned(),
                namespace: namespace.clone(),
            });
        };
        want("patch", &resource.group, &resource.plural);
        if super::is_workload(&object.kind) {
            for verb in ["list", "watch"] {
                want(verb, &resource.group, &resource.plural);
                want(verb, "", "pods");
                if object.kind == "Deployment" {
                    want(verb, "apps", "replicasets");
                }
            }
            want("get", "", "pods/log");
            want("list", "", "events");
        }
    }
    wanted.into_iter().collect()
}
