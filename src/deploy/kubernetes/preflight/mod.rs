//! Everything that can be known about a deployment before it is made: read-only, concurrent, all findings at once. Here
//! is what is asked and in which order; each check has a file of its own.

mod admission;
mod attached;
mod backends;
mod capacity;
mod demand;
mod launch;
mod measured;
mod mentions;
mod namespaces;
mod nodes;
mod pods;
mod pulls;
mod quantity;
mod references;
mod rights;
mod routes;
mod routing;
mod storage;
mod tried;
mod view;
mod workloads;

use std::collections::BTreeSet;
use std::time::Duration;

use self::capacity::Load;
use self::demand::Defaults;
use self::namespaces::Absent;
use self::routes::Routes;
use self::tried::Tried;
use self::view::{View, Want};
use super::apply::Kinds;
use super::manifest::{self, Object};
use super::prepare::prepare;
use super::{diff, hidden, prune, strategy};
use crate::artifact::{Changes, Launch, Trial};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::plan::{KubernetesSpec, VerifySpec};
use crate::registry::Reference;

/// A healthy cluster needs a second or two; one that is busy may take longer, but no training is held up for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Checks manifests, namespace, rights and, by server-side dry run, every object, and produces what would change. `image` is
/// what will be deployed, as far as it is known: before the push a repository with a tag stands in for it. `verify`: the
/// checks that will be made through the API server.
pub(crate) async fn preflight(
    ctx: &Context,
    spec: &KubernetesSpec,
    verify: Option<&VerifySpec>,
    image: Option<&Reference>,
) -> Vec<Diagnostic> {
    // The manifests can be wrong and the cluster unreachable at once; both are told.
    let loaded = manifest::load(spec, &ctx.workspace);
    if let Ok(objects) = &loaded {
        hidden::announce(ctx, objects).await;
    }
    let namespace = spec.namespace.clone().or_else(|| {
        loaded
            .as_ref()
            .ok()
            .and_then(|objects| manifest::namespace(spec, objects))
    });
    let cluster = Cluster::connect(&spec.cluster, namespace.as_deref()).await;
    let mut findings = Vec::new();
    let objects = loaded
        .and_then(|objects| with_image(objects, spec, image))
        .map_err(|found| findings.extend(found));
    let cluster = cluster.map_err(|failure| findings.extend(failure.into_findings()));
    let (Ok(objects), Ok(cluster)) = (objects, cluster) else {
        return findings;
    };
    findings.extend(strategy::check(spec, &objects));
    let objects = strategy::tried(spec, &objects);
    // What stands in for an image that is not made yet.
    let pending = spec.repository.as_ref().filter(|_| image.is_none());
    let pending = pending.map(ToString::to_string);
    let work = against(ctx, &cluster, spec, verify, &objects, pending.as_deref());
    let (found, changes) = tokio::select! {
        biased;
        // The pipeline itself says that the run was stopped.
        () = ctx.cancel.cancelled() => return findings,
        done = tokio::time::timeout(PATIENCE, work) => match done {
            Ok(done) => done,
            Err(_) => {
                let message = format!(
                    "failed to check the manifests against `{}` within {} s",
                    cluster.server,
                    PATIENCE.as_secs()
                );
                findings.push(Diagnostic::error(Code::ClusterUnreachable, message));
                return findings;
            }
        },
    };
    findings.extend(found);
    for line in diff::lines(&changes) {
        ctx.events.note(line).await;
    }
    ctx.events.produced(changes).await;
    findings
}

/// The objects as they will be applied, as far as the image is known.
fn with_image(
    mut objects: Vec<Object>,
    spec: &KubernetesSpec,
    image: Option<&Reference>,
) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let image = image.map(ToString::to_string);
    prepare(&mut objects, spec, image.as_deref(), &[]).map_err(|found| vec![found])?;
    Ok(objects)
}

/// What can be said of the manifests without a cluster.
pub(crate) async fn on_paper(
    ctx: &Context,
    spec: &KubernetesSpec,
    image: Option<&Reference>,
) -> Vec<Diagnostic> {
    let loaded = manifest::load(spec, &ctx.workspace);
    if let Ok(objects) = &loaded {
        hidden::announce(ctx, objects).await;
    }
    let objects = loaded.and_then(|objects| with_image(objects, spec, image));
    let why = match spec.cluster.cloud {
        Some(_) => "this run has no secrets to reach the cluster with",
        None => "no `kubeconfig` is given",
    };
    ctx.events
        .note(format!("the manifests are only read, not tried: {why}"))
        .await;
    objects.map_or_else(|found| found, |objects| strategy::check(spec, &objects))
}

/// How the manifests start the built image. Manifests that cannot be read are a finding of the preflight.
pub(crate) fn launch(ctx: &Context, spec: &KubernetesSpec) -> Launch {
    let objects = manifest::load(spec, &ctx.workspace).unwrap_or_default();
    launch::of(&objects, spec.repository.as_ref())
}

/// Warnings about what the manifests give the container, once it is known what it needs.
pub(crate) fn measured(ctx: &Context, spec: &KubernetesSpec, trial: &Trial) -> Vec<Diagnostic> {
    let objects = manifest::load(spec, &ctx.workspace).unwrap_or_default();
    let measured = measured::Measured {
        start: Duration::from_millis(trial.start_ms),
        memory: trial.peak_memory_mib,
    };
    let templates = pods::templates(&objects, "");
    let found = templates
        .iter()
        .map(|template| measured::check(template, measured, spec.repository.as_ref()));
    found.flatten().collect()
}

/// The part that needs both.
async fn against(
    ctx: &Context,
    cluster: &Cluster,
    spec: &KubernetesSpec,
    verify: Option<&VerifySpec>,
    objects: &[Object],
    pending: Option<&str>,
) -> (Vec<Diagnostic>, Changes) {
    let (kinds, absent) = tokio::join!(
        Kinds::discover_all(&cluster.client, objects),
        namespaces::check(cluster, objects)
    );
    let Absent {
        names: absent,
        mut findings,
    } = absent;
    let (kinds, unknown) = kinds;
    findings.extend(unknown);
    let default = cluster.namespace.as_str();
    let templates = pods::templates(objects, default);
    let (denied, tried, view, missing, pulls, attached, refused_pods, removed) = tokio::join!(
        rights::ask(cluster, spec, verify, objects, &kinds),
        tried::try_all(cluster, spec.force_conflicts, objects, &kinds, &absent),
        View::read(
            &cluster.client,
            wants(objects, &templates, default, &absent)
        ),
        references::check(&cluster.client, objects, &templates, default, &absent),
        pulls::check(&cluster.client, &templates, spec.repository.as_ref()),
        attached::check(&cluster.client, &spec.cluster, &templates),
        admission::check(cluster, &templates, &absent),
        prune::coming(spec, cluster, objects),
    );
    // What is live may have other secrets, and the changes tell both.
    for one in &tried {
        if let Some(live) = &one.live {
            hidden::announce_one(ctx, &one.object.kind, live).await;
        }
    }
    let denied = match denied {
        Ok(denied) => denied.findings(cluster, &kinds, &tried).await,
        Err(failure) => failure.into_findings(),
    };
    // The one finding about rights already says what each refused dry run would say again.
    let told = denied
        .iter()
        .any(|finding| finding.severity == crate::diagnostic::Severity::Error);
    findings.extend(denied);
    let refused = tried.iter().flat_map(|tried| tried.refused.iter().cloned());
    findings.extend(refused.filter(|finding| {
        let again = told && finding.code == Code::ClusterDenied;
        !again && !waits_for_another(finding, objects)
    }));
    findings.extend(missing);
    findings.extend(pulls);
    findings.extend(attached);
    findings.extend(refused_pods);
    findings.extend(routing::check(&Routes {
        objects,
        templates: &templates,
        default,
        view: &view,
        absent: &absent,
    }));
    findings.extend(workloads::check(spec, &templates, &tried));
    findings.extend(storage::check(objects, &templates, &tried, &view));
    findings.extend(room(spec, &templates, &tried, &view));
    let (removed, forbidden) = removed;
    findings.extend(forbidden);
    let mut changes = tried::changes(&tried, pending);
    // What goes is what people look for first.
    changes.objects.splice(0..0, removed);
    (findings, changes)
}

/// A dry run misses what the manifests themselves bring along, such as the account of a pod.
fn waits_for_another(finding: &Diagnostic, objects: &[Object]) -> bool {
    let message = finding.message.to_lowercase();
    let absent = message.contains("not found") || message.contains("was found");
    absent
        && objects.iter().any(|object| {
            let named = message.contains(&object.name.to_lowercase());
            // The object that was tried is named too, with its own kind.
            let itself = message.contains(&object.label().to_lowercase());
            named && !itself && message.contains(&object.kind.to_lowercase())
        })
}

/// Whether quota, limits and nodes can take the pods.
fn room(
    spec: &KubernetesSpec,
    templates: &[pods::Template<'_>],
    tried: &[Tried<'_>],
    view: &View,
) -> Vec<Diagnostic> {
    let loads: Vec<Load<'_>> = templates
        .iter()
        .map(|template| {
            let ranges = view.list("LimitRange", template.namespace);
            let defaults = Defaults::of(ranges.unwrap_or_default());
            let own = tried
                .iter()
                .find(|tried| std::ptr::eq(tried.object, template.object));
            Load::of(*template, own, &defaults, spec.strategy)
        })
        .collect();
    let namespaces: BTreeSet<&str> = loads.iter().map(|load| load.template.namespace).collect();
    let mut findings: Vec<Diagnostic> = namespaces
        .into_iter()
        .flat_map(|namespace| capacity::check(&loads, namespace, view))
        .collect();
    findings.extend(nodes::check(&loads, view));
    findings
}

/// Every list that a check compares with.
fn wants(
    objects: &[Object],
    templates: &[pods::Template<'_>],
    default: &str,
    absent: &BTreeSet<String>,
) -> BTreeSet<Want> {
    let mut wanted = routing::wants(objects, default);
    for template in templates {
        wanted.insert(("Node", String::new()));
        for kind in ["ResourceQuota", "LimitRange"] {
            wanted.insert((kind, template.namespace.to_owned()));
        }
        let asks = demand::of_pod(template.spec, &Defaults::default());
        if asks.requests.keys().any(|name| demand::is_device(name)) {
            wanted.insert(("Pod", String::new()));
        }
    }
    let claims = |object: &Object| {
        object.kind == "PersistentVolumeClaim"
            || object.value.pointer("/spec/volumeClaimTemplates").is_some()
    };
    let ephemeral = |template: &pods::Template<'_>| {
        pods::list_of(template.spec, "volumes")
            .iter()
            .any(|volume| volume.get("ephemeral").is_some())
    };
    if objects.iter().any(claims) || templates.iter().any(ephemeral) {
        for kind in ["StorageClass", "PersistentVolume"] {
            wanted.insert((kind, String::new()));
        }
    }
    wanted.retain(|(_, namespace)| !absent.contains(namespace));
    wanted
}
