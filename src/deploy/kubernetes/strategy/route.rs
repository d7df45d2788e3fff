//! The Services that are switched: what they select now, what they are to select, and who is behind them.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::colour::LABEL;
use super::super::manifest::Object;
use super::Trial;
use super::trial::{self, failed, read};
use crate::cluster::Cluster;
use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

/// The label that the cluster's own controller puts on the pods of one template.
const TEMPLATE: &str = "pod-template-hash";

/// How long a Service may take to lead to the new pods only.
const SWITCHED_WITHIN: Duration = Duration::from_secs(30);

/// A Service that leads to the old version.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) service: Object,
    /// Its selector before this run.
    before: BTreeMap<String, String>,
}

impl Route {
    pub(super) fn new(service: Object, live: &Service) -> Self {
        let selector = live.spec.as_ref().and_then(|spec| spec.selector.clone());
        let mut before = selector.unwrap_or_default();
        // Left by a run that was ended by force; nobody writes it by hand.
        before.remove(TEMPLATE);
        Self { service, before }
    }

    /// The colour that it selected before this run.
    pub(super) fn colour(&self) -> Option<&str> {
        self.before.get(LABEL).map(String::as_str)
    }
}

/// A Service of a plain Deployment would select the new pods too, because they carry the same labels. As long as they are
/// there its selector also asks for the template of the old ones; its endpoints stay the same.
pub(super) async fn pin(cluster: &Cluster, trial: &Trial) -> Outcome<()> {
    if trial.live.is_none() {
        return Ok(());
    }
    for route in trial.routes.iter().filter(|route| route.colour().is_none()) {
        let pods: Api<Pod> = trial::api(cluster, &route.service);
        let selector: Vec<String> = route
            .before
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let behind = pods
            .list(&ListParams::default().labels(&selector.join(",")))
            .await
            .map_err(|error| failed("read the pods behind", &route.service.label(), error))?;
        if let Some(hash) = template(&behind.items) {
            let mut pinned = route.before.clone();
            pinned.insert(TEMPLATE.to_owned(), hash);
            select(cluster, route, &pinned).await?;
        }
    }
    Ok(())
}

/// Leads all Services to the old pods and to no others, while the new ones are still there. The error is one line.
pub(super) async fn lead_back(cluster: &Cluster, trial: &Trial) -> Result<(), String> {
    for route in trial.routes.iter().filter(|route| route.colour().is_some()) {
        select(cluster, route, &route.before).await.map_err(line)?;
    }
    pin(cluster, trial).await.map_err(line)
}

/// Gives the Services the selectors that they had, when the new pods are gone. The error is one line.
pub(super) async fn restore(cluster: &Cluster, routes: &[Route]) -> Result<(), String> {
    for route in routes {
        select(cluster, route, &route.before).await.map_err(line)?;
    }
    Ok(())
}

fn line(failure: Failure) -> String {
    let messages = failure.findings().map(|finding| finding.message.clone());
    messages.collect::<Vec<_>>().join("; ")
}

/// Gives a Service this selector.
async fn select(
    cluster: &Cluster,
    route: &Route,
    wanted: &BTreeMap<String, String>,
) -> Outcome<()> {
    let (label, name) = (route.service.label(), &route.service.name);
    let api: Api<Service> = trial::api(cluster, &route.service);
    let Some(live) = read(&api, &label, name).await? else {
        return Ok(());
    };
    let now = live.spec.and_then(|spec| spec.selector).unwrap_or_default();
    if now == *wanted {
        return Ok(());
    }
    let change = json!({"spec": {"selector": difference(&now, wanted)}});
    trial::quietly(&api, name, change)
        .await
        .map_err(|error| failed("change the selector of", &label, error))
}

/// The template that most pods without a colour have, ready ones first: in the middle of a rollout there are two, and
/// the one that answers must go on answering.
fn template(pods: &[Pod]) -> Option<String> {
    let mut count: BTreeMap<&String, (usize, usize)> = BTreeMap::new();
    for pod in pods {
        let labels = pod.labels();
        let Some(hash) = labels.get(TEMPLATE).filter(|_| !labels.contains_key(LABEL)) else {
            continue;
        };
        let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref());
        let ready = conditions
            .unwrap_or_default()
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True");
        let seen = count.entry(hash).or_default();
        *seen = (seen.0 + usize::from(ready), seen.1 + 1);
    }
    let most = count.into_iter().max_by_key(|(_, seen)| *seen);
    most.map(|(hash, _)| hash.clone())
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

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
