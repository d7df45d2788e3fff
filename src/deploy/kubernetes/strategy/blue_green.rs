//! Blue-green: the new version stands beside the old one under the other colour, and the Service is switched to it when it
//! is verified. The colour is a label of the pods and part of the Service's selector.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::apply::{Kinds, Manner, apply};
use super::super::manifest::Object;
use super::super::reject::explain;
use super::trial::{self, beside, failed, map, read};
use super::{Trial, Way, check};
use crate::cluster::{Cluster, serving, text};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// What the names of the two workloads end in, and the values of the label.
pub(super) const COLOURS: [&str; 2] = ["blue", "green"];

/// The label of pods and selectors.
const LABEL: &str = "ml-deploy/colour";

/// The label that the cluster's own controller puts on the pods of one template.
const TEMPLATE: &str = "pod-template-hash";

/// How long a Service may take to lead to the new pods only.
const SWITCHED_WITHIN: Duration = Duration::from_secs(30);

/// A Service that leads to the old version.
#[derive(Clone, Debug)]
pub(super) struct Route {
    service: Object,
    /// Its selector before this run.
    before: BTreeMap<String, String>,
}

impl Route {
    fn colour(&self) -> Option<&str> {
        self.before.get(LABEL).map(String::as_str)
    }
}

/// The second workload. The objects are changed into what they are after the switch; nothing in the cluster is, except
/// that a workload which nobody asks any more makes room.
pub(super) async fn stage(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    kinds: &Kinds,
    objects: &mut [Object],
) -> Outcome<Trial> {
    let main = check::main(spec, objects)?.clone();
    let services: Vec<Object> = check::services(objects, &main).cloned().collect();
    let mut routes = Vec::new();
    for service in services.iter().cloned() {
        let api: Api<Service> = trial::api(cluster, &service);
        let live = read(&api, &service.label(), &service.name).await?;
        if let Some(live) = live {
            let mut before = live.spec.and_then(|spec| spec.selector).unwrap_or_default();
            // Left by a run that was ended by force; nobody writes it by hand.
            before.remove(TEMPLATE);
            routes.push(Route { service, before });
        }
    }
    let active = agreed(&routes)?.map(str::to_owned);
    let next = match active.as_deref() {
        Some("blue") => "green",
        _ => "blue",
    };
    let old = match &active {
        Some(colour) => format!("{}-{colour}", main.name),
        None => main.name.clone(),
    };
    let api: Api<Deployment> = trial::api(cluster, &main);
    let live = read(&api, &format!("Deployment/{old}"), &old).await?;
    let scaled = live.as_ref().and_then(|live| live.spec.as_ref()?.replicas);
    let ready = live.and_then(|live| live.status?.ready_replicas);
    let live = (ready.unwrap_or_default() > 0).then(|| format!("Deployment/{old}"));

    let retargeted = change(objects, &main, &services, next);
    // What an autoscaler has chosen for the old version is what the new one needs from its first request on.
    let replicas = (retargeted || main.value.pointer("/spec/replicas").is_none())
        .then(|| scaled.and_then(|scaled| u64::try_from(scaled).ok()))
        .flatten()
        .filter(|scaled| *scaled > 0);
    let object = beside(&main, next, (LABEL, next), replicas);
    if let Some(place) = objects
        .iter_mut()
        .find(|object| object.kind == main.kind && object.label() == main.label())
    {
        *place = object.clone();
    }
    may_switch(spec, cluster, kinds, objects, &routes).await?;
    if let Some(ready) = trial::clear(cluster, &object, (LABEL, next)).await? {
        let what = if ready > 0 {
            "left by an earlier run"
        } else {
            "kept from an earlier version"
        };
        ctx.events
            .note(format!("`{}`, {what}, makes room", object.label()))
            .await;
    }
    let beside = match &live {
        Some(live) => format!("beside `{live}`, which keeps all requests until it is verified"),
        None => "with nothing live beside it".to_owned(),
    };
    ctx.events
        .note(format!("`{}` is made {beside}", object.label()))
        .await;
    Ok(Trial {
        way: Way::BlueGreen,
        object,
        live,
        routes,
    })
}

/// The colour that all Services select; `None` before the first switch.
fn agreed(routes: &[Route]) -> Outcome<Option<&str>> {
    let Some(first) = routes.first() else {
        return Ok(None);
    };
    let Some(other) = routes.iter().find(|route| route.colour() != first.colour()) else {
        return Ok(first.colour());
    };
    let told = |route: &Route| {
        let colour = route.colour().unwrap_or("none");
        format!("`{}` selects {colour}", route.service.label())
    };
    let message = format!(
        "failed to find the colour that is live: {}, {}",
        told(first),
        told(other)
    );
    Err(Failure::new(Code::StrategyUnfit, message)
        .help(format!(
            "set label `{LABEL}` in the selectors to the colour that is to serve, then run again"
        ))
        .at(other.service.at("spec.selector")))
}

/// Changes objects into what they are after the switch: Services select the colour, and what names the Deployment
/// (an autoscaler) names the new one. Returns whether there was such a thing.
fn change(objects: &mut [Object], main: &Object, services: &[Object], next: &str) -> bool {
    let mut retargeted = false;
    for object in objects {
        let is = |service: &Object| service.label() == object.label();
        if services.iter().any(is) {
            if let Some(selector) = map(&mut object.value, &["spec", "selector"]) {
                selector.insert(LABEL.to_owned(), next.into());
            }
            continue;
        }
        for place in ["/spec/scaleTargetRef", "/spec/targetRef"] {
            let Some(target) = object.value.pointer_mut(place) else {
                continue;
            };
            if text(target, "/kind") == "Deployment" && text(target, "/name") == main.name {
                target["name"] = format!("{}-{next}", main.name).into();
                retargeted = true;
            }
        }
    }
    retargeted
}

/// Tries the switch without doing it: a selector that somebody else owns is found before anything is changed.
async fn may_switch(
    spec: &KubernetesSpec,
    cluster: &Cluster,
    kinds: &Kinds,
    objects: &[Object],
    routes: &[Route],
) -> Outcome<()> {
    let manner = Manner {
        dry_run: true,
        force: spec.force_conflicts,
    };
    for route in routes {
        let label = route.service.label();
        let Some(object) = objects.iter().find(|object| object.label() == label) else {
            continue;
        };
        let Some(resource) = kinds.of(object) else {
            continue;
        };
        if let Err(error) = apply(cluster, resource, object, manner).await {
            return Err(Failure::all(explain(object, error)).unwrap_or_else(|| {
                Failure::new(Code::ApplyFailed, format!("failed to try `{label}`"))
            }));
        }
    }
    Ok(())
}

/// A Service of a plain Deployment would select the new pods too, because they carry the same labels. Until the switch
/// its selector also asks for the template of the old ones; its endpoints stay the same.
pub(super) async fn pin(cluster: &Cluster, trial: &Trial) -> Outcome<()> {
    let Some(live) = &trial.live else {
        return Ok(());
    };
    let plain: Vec<&Route> = trial
        .routes
        .iter()
        .filter(|route| route.colour().is_none())
        .collect();
    if plain.is_empty() {
        return Ok(());
    }
    let namespace = trial::namespace(cluster, &trial.object);
    let found = serving(cluster, namespace, std::slice::from_ref(live), None, true).await?;
    let pod = found.pods.first();
    let hash = pod
        .and_then(|pod| pod.pointer("/metadata/labels")?.get(TEMPLATE)?.as_str())
        .ok_or_else(|| {
            let message = format!("failed to tell the pods of `{live}` from new ones: none is ready and has label `{TEMPLATE}`");
            Failure::new(Code::ApplyFailed, message)
        })?;
    for route in plain {
        let api: Api<Service> = trial::api(cluster, &route.service);
        let pinned = json!({"spec": {"selector": {TEMPLATE: hash}}});
        trial::quietly(&api, &route.service.name, pinned)
            .await
            .map_err(|error| failed("change the selector of", &route.service.label(), error))?;
    }
    Ok(())
}

/// Gives the Services the selectors that they had. The error is one line.
pub(super) async fn restore(cluster: &Cluster, routes: &[Route]) -> Result<(), String> {
    let mut trouble = Vec::new();
    for route in routes {
        if let Err(failure) = restore_one(cluster, route).await {
            trouble.extend(failure.findings().map(|finding| finding.message.clone()));
        }
    }
    if trouble.is_empty() {
        Ok(())
    } else {
        Err(trouble.join("; "))
    }
}

async fn restore_one(cluster: &Cluster, route: &Route) -> Outcome<()> {
    let (label, name) = (route.service.label(), &route.service.name);
    let api: Api<Service> = trial::api(cluster, &route.service);
    let Some(live) = read(&api, &label, name).await? else {
        return Ok(());
    };
    let now = live.spec.and_then(|spec| spec.selector).unwrap_or_default();
    if now == route.before {
        return Ok(());
    }
    let change = json!({"spec": {"selector": difference(&now, &route.before)}});
    trial::quietly(&api, name, change)
        .await
        .map_err(|error| failed("restore the selector of", &label, error))
}

/// Which colour the Service leads to now. The error is one line.
pub(super) async fn leads(cluster: &Cluster, trial: &Trial) -> Result<String, String> {
    let Some(route) = trial.routes.first() else {
        return Ok(format!("`{}` is new", trial.object.label()));
    };
    let (label, name) = (route.service.label(), &route.service.name);
    let api: Api<Service> = trial::api(cluster, &route.service);
    let live = api.get_opt(name).await.map_err(|error| error.to_string())?;
    let selector = live
        .and_then(|live| live.spec?.selector)
        .unwrap_or_default();
    Ok(match selector.get(LABEL) {
        Some(colour) => format!("`{label}` leads to {colour}"),
        None => format!("`{label}` leads to the version without a colour"),
    })
}

/// The merge patch that turns one map into another.
fn difference(now: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Value {
    let gone = now.keys().filter(|key| !wanted.contains_key(*key));
    gone.map(|key| (key.clone(), Value::Null))
        .chain(
            wanted
                .iter()
                .map(|(key, value)| (key.clone(), value.clone().into())),
        )
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Waits until every Service that was switched leads to pods of the new colour and to no others.
pub(super) async fn settled(ctx: &Context, cluster: &Cluster, trial: &Trial) -> Outcome<()> {
    let until = Instant::now() + SWITCHED_WITHIN;
    for route in &trial.routes {
        let label = route.service.label();
        let api: Api<EndpointSlice> = trial::api(cluster, &route.service);
        let of = format!("kubernetes.io/service-name={}", route.service.name);
        loop {
            let slices = api
                .list(&ListParams::default().labels(&of))
                .await
                .map_err(|error| failed("read the endpoints of", &label, error))?;
            let pods = trial::pods(cluster, &trial.object)
                .await
                .map_err(|error| failed("read the pods of", &trial.object.label(), error))?;
            let behind = ready(&slices.items);
            let others: Vec<&String> = behind.iter().filter(|name| !pods.contains(name)).collect();
            if !behind.is_empty() && others.is_empty() {
                break;
            }
            if Instant::now() >= until {
                let seen = behind.join(", ");
                let message = format!(
                    "`{label}` does not lead to the pods of `{}` alone within {} s: behind it are {}",
                    trial.object.label(),
                    SWITCHED_WITHIN.as_secs(),
                    if seen.is_empty() { "none" } else { &seen }
                );
                return Err(Failure::new(Code::ServiceUnready, message));
            }
            tokio::select! {
                biased;
                () = ctx.cancel.cancelled() => return Err(Failure::new(Code::Interrupted, "stopped after the switch")),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }
    Ok(())
}

/// Names of the pods that a Service sends requests to.
fn ready(slices: &[EndpointSlice]) -> Vec<String> {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    endpoints
        .filter(|endpoint| {
            let conditions = endpoint.conditions.as_ref();
            conditions
                .and_then(|conditions| conditions.ready)
                .unwrap_or(true)
        })
        .filter_map(|endpoint| endpoint.target_ref.as_ref()?.name.clone())
        .collect()
}

/// Gives the Deployment in the objects the name of the colour that is live, if one is.
pub(super) async fn rename(
    spec: &KubernetesSpec,
    cluster: &Cluster,
    objects: &mut [Object],
) -> Outcome<()> {
    let Ok(main) = check::main(spec, objects)
        .cloned()
        .map_err(drop::<Diagnostic>)
    else {
        return Ok(());
    };
    let Some(service) = check::services(objects, &main).next().cloned() else {
        return Ok(());
    };
    let api: Api<Service> = trial::api(cluster, &service);
    let live = read(&api, &service.label(), &service.name).await?;
    let selector = live
        .and_then(|live| live.spec?.selector)
        .unwrap_or_default();
    let label = main.label();
    if let Some(colour) = selector.get(LABEL)
        && let Some(object) = objects.iter_mut().find(|object| object.label() == label)
    {
        *object = beside(&main, colour, (LABEL, colour), None);
    }
    Ok(())
}

#[cfg(test)]
#[path = "blue_green_tests.rs"]
mod tests;
