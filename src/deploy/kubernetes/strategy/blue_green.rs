//! Blue-green: the new version stands beside the old one under the other colour, and the Service is switched to it when it
//! is verified. The colour is a label of the pods and part of the Service's selector.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::Api;

use super::super::apply::{Kinds, Manner, apply};
use super::super::colour::{LABEL, colour, plain_name};
use super::super::manifest::Object;
use super::super::reject::explain;
use super::route::Route;
use super::suffix::COLOURS;
use super::trial::{self, beside, map, read};
use super::{Trial, Way, check};
use crate::cluster::{Cluster, text};
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::plan::KubernetesSpec;

/// The second workload. The objects are changed into what they are after the switch; nothing in the cluster is, except
/// that a workload which nobody asks any more makes room.
pub(super) async fn stage(
    ctx: &Context,
    spec: &KubernetesSpec,
    cluster: &Cluster,
    kinds: &Kinds,
    objects: &mut [Object],
) -> Outcome<Option<Trial>> {
    // Recorded objects that come back have their colour already.
    let recorded = objects.iter().find(|object| colour(object).is_some());
    let main = match recorded {
        Some(recorded) => recorded.clone(),
        None => check::main(spec, objects)?.clone(),
    };
    let (own, plain) = (colour(&main), plain_name(&main));
    let services: Vec<Object> = check::services(objects, &main).cloned().collect();
    let mut routes = Vec::new();
    for service in services.iter().cloned() {
        let api: Api<Service> = trial::api(cluster, &service);
        let live = read(&api, &service.label(), &service.name).await?;
        if let Some(live) = live {
            routes.push(Route::new(service, &live));
        }
    }
    let active = agreed(&routes)?.map(str::to_owned);
    if own.is_some() && own == active.as_deref() {
        ctx.events
            .note(format!(
                "`{}` is the colour that is live: it is rolled out in its place",
                main.label()
            ))
            .await;
        return Ok(None);
    }
    let next = own.unwrap_or(match active.as_deref() {
        Some("blue") => "green",
        _ => "blue",
    });
    let old = match &active {
        Some(colour) => format!("{plain}-{colour}"),
        None => plain.to_owned(),
    };
    let api: Api<Deployment> = trial::api(cluster, &main);
    let live = read(&api, &format!("Deployment/{old}"), &old).await?;
    let scaled = live.as_ref().and_then(|live| live.spec.as_ref()?.replicas);
    // Its pods may be starting, or down for a moment: it is what has to make room all the same.
    let live = (live.is_some() && scaled != Some(0)).then(|| format!("Deployment/{old}"));

    let name = format!("{plain}-{next}");
    let retargeted = change(objects, &main, &services, next, &name);
    // What an autoscaler has chosen for the old version is what the new one needs from its first request on.
    let replicas = (retargeted || main.value.pointer("/spec/replicas").is_none())
        .then(|| scaled.and_then(|scaled| u64::try_from(scaled).ok()))
        .flatten()
        .filter(|scaled| *scaled > 0);
    let object = beside(&main, &name, (LABEL, next), replicas);
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
    Ok(Some(Trial {
        way: Way::BlueGreen,
        object,
        live,
        routes,
    }))
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
fn change(
    objects: &mut [Object],
    main: &Object,
    services: &[Object],
    next: &str,
    name: &str,
) -> bool {
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
                target["name"] = name.into();
                retargeted = true;
            }
        }
    }
    retargeted
}

/// The objects as preflight tries them: as they will be after the switch, whatever the colour.
pub(super) fn tried(main: &Object, mut objects: Vec<Object>) -> Vec<Object> {
    let services: Vec<Object> = check::services(&objects, main).cloned().collect();
    let name = format!("{}-{}", main.name, COLOURS[0]);
    change(&mut objects, main, &services, COLOURS[0], &name);
    for object in &mut objects {
        if object.label() == main.label() {
            *object = beside(main, &name, (LABEL, COLOURS[0]), None);
        }
    }
    objects
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

/// Gives the Deployment in the objects the name of the colour that is live, if one is.
pub(super) async fn rename(
    spec: &KubernetesSpec,
    cluster: &Cluster,
    objects: &mut [Object],
) -> Outcome<()> {
    let Ok(main) = check::main(spec, objects).cloned() else {
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
        let name = format!("{}-{colour}", main.name);
        *object = beside(&main, &name, (LABEL, colour), None);
    }
    Ok(())
}

#[cfg(test)]
#[path = "blue_green_tests.rs"]
mod tests;
