//! How far a Service is: a load balancer's address, and at least one ready pod of ours behind it.

use serde_json::Value;

use super::deployment::replicas;
use super::observation::{Observation, Progress, Seen};
use super::rules::Rule;
use crate::cluster::text;

/// An address and ready endpoints, as far as this kind of Service has them.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    match waits(seen) {
        Some(what) => Progress::Going(what),
        None => Progress::Done(warnings(seen)),
    }
}

/// What the load balancer's controller says.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let Some(waits) = waits(seen) else { return };
    let events = seen.state.events(&seen.target.uid, seen.applied);
    let failed = events
        .iter()
        .rev()
        .find(|event| event.warning && event.reason == "SyncLoadBalancerFailed");
    if let Some(event) = failed.filter(|_| is_balanced(seen) && !has_address(seen)) {
        let what = format!(
            "the load balancer cannot be made: {} — {}",
            event.message, event.reason
        );
        out.push(Observation::of(Rule::LoadBalancerFailed, what));
    }
    out.push(Observation::of(Rule::ServiceUnready, waits));
}

fn is_balanced(seen: &Seen<'_>) -> bool {
    text(seen.object, "/spec/type") == "LoadBalancer"
}

fn has_address(seen: &Seen<'_>) -> bool {
    let ingress = seen.object.pointer("/status/loadBalancer/ingress");
    ingress
        .and_then(Value::as_array)
        .is_some_and(|all| !all.is_empty())
}

fn waits(seen: &Seen<'_>) -> Option<String> {
    if is_balanced(seen) && !has_address(seen) {
        return Some("the load balancer has no address yet".to_owned());
    }
    // Whose slices nobody may read cannot be waited for; without a selector somebody else writes them.
    let place = format!("EndpointSlice/{}", seen.target.namespace);
    if seen.state.denied.contains(&place) || !serves_ours(seen) {
        return None;
    }
    (ready(seen) == 0).then(|| "no pod behind it is ready".to_owned())
}

fn warnings(seen: &Seen<'_>) -> Vec<String> {
    let selects = seen
        .object
        .pointer("/spec/selector")
        .is_some_and(|selector| selector.as_object().is_some_and(|all| !all.is_empty()));
    let external = text(seen.object, "/spec/type") == "ExternalName";
    match selects && !external && ready(seen) == 0 {
        true => vec![
            "no ready pod is behind it, and no workload of this deployment has its labels"
                .to_owned(),
        ],
        false => Vec::new(),
    }
}

/// Ready addresses in all slices of the Service.
fn ready(seen: &Seen<'_>) -> usize {
    let slices = seen.state.owned(&seen.target.uid, "EndpointSlice");
    let endpoints = slices.filter_map(|slice| slice.get("endpoints")?.as_array());
    endpoints
        .flatten()
        .filter(|endpoint| endpoint.pointer("/conditions/ready") == Some(&Value::Bool(true)))
        .count()
}

/// Whether a workload of this deployment that keeps running has the labels that the Service selects.
fn serves_ours(seen: &Seen<'_>) -> bool {
    if text(seen.object, "/spec/type") == "ExternalName" {
        return false;
    }
    let Some(selector) = seen
        .object
        .pointer("/spec/selector")
        .and_then(Value::as_object)
    else {
        return false;
    };
    !selector.is_empty()
        && seen.targets.iter().any(|target| {
            let Some(workload) = seen.state.get(&target.uid) else {
                return false;
            };
            let labels = workload.pointer("/spec/template/metadata/labels");
            let has = |(key, value): (&String, &Value)| {
                labels.and_then(|labels| labels.get(key)) == Some(value)
            };
            matches!(target.kind(), "Deployment" | "StatefulSet" | "DaemonSet")
                && (target.kind() == "DaemonSet" || replicas(workload) > 0)
                && target.namespace == seen.target.namespace
                && selector.iter().all(has)
        })
}
