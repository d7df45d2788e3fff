//! Pods that the API server refuses to make, as workloads' conditions and events tell it.

use jiff::Timestamp;
use serde_json::Value;

use super::conditions::condition;
use super::observation::{Observation, Seen};
use super::rules::Rule;
use super::schedule::max_unavailable;
use crate::cluster::{is_ready, text, uid_of};

/// Observes refusals of a workload's pods.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let newest = seen.state.newest_pods(seen.target);
    if let Some(refused) = refusal(seen, &newest) {
        let rule = rule(seen, &refused, &newest);
        let rest = refused
            .split_once(": ")
            .filter(|(start, _)| {
                start.starts_with("Error creating") || start.starts_with("create Pod")
            })
            .map_or(refused.as_str(), |(_, rest)| rest);
        out.push(Observation::of(
            rule,
            format!("pods are refused: {rest} — FailedCreate"),
        ));
    }
}

/// What the API server said when a pod was refused, unless a pod was made since.
fn refusal(seen: &Seen<'_>, newest: &[&Value]) -> Option<String> {
    let made = newest
        .iter()
        .filter_map(|pod| {
            text(pod, "/metadata/creationTimestamp")
                .parse::<Timestamp>()
                .ok()
        })
        .max();
    let makers: Vec<&Value> = match seen.target.kind() {
        "Deployment" => newest_set(seen).into_iter().collect(),
        _ => vec![seen.object],
    };
    for maker in makers {
        if let Some(failure) = condition(maker, "ReplicaFailure")
            .filter(|one| text(one, "/status") == "True" && text(one, "/reason") == "FailedCreate")
        {
            return Some(text(failure, "/message").to_owned());
        }
        // The newest ReplicaSet's condition is kept up to date; others have only events, which must be newer than the pods.
        if seen.target.kind() == "Deployment" {
            continue;
        }
        let events = seen.state.events(uid_of(maker), seen.applied);
        let last = events
            .iter()
            .rev()
            .find(|event| event.reason == "FailedCreate");
        if let Some(event) = last.filter(|event| made.is_none_or(|made| made < event.last)) {
            return Some(event.message.clone());
        }
    }
    None
}

/// The ReplicaSet of the Deployment's newest revision.
fn newest_set<'a>(seen: &Seen<'a>) -> Option<&'a Value> {
    const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";
    let revision = text(seen.object, REVISION);
    seen.state
        .owned(&seen.target.uid, "ReplicaSet")
        .find(|set| text(set, REVISION) == revision)
}

fn rule(seen: &Seen<'_>, said: &str, newest: &[&Value]) -> Rule {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if said.contains("exceeded quota") {
        return match frees_quota(seen, newest) {
            true => Rule::QuotaAwaited,
            false => Rule::QuotaExceeded,
        };
    }
    let webhook = said.contains("failed calling webhook");
    if webhook
        || says(&[
            "connection refused",
            "context deadline exceeded",
            "no endpoints available",
        ])
    {
        Rule::WebhookSilent
    } else if said.contains("PriorityClass") && says(&["no PriorityClass", "not found"])
        || said.to_lowercase().contains("serviceaccount") && said.contains("not found")
    {
        Rule::PodsAwaitObject
    } else if says(&[
        "violates PodSecurity",
        "is invalid",
        "denied the request",
        "unable to validate against any security context constraint",
        "usage per Container is",
        "usage per Pod is",
        "is forbidden",
    ]) {
        Rule::PodsDenied
    } else {
        Rule::PodsRefused
    }
}

/// Whether the update itself will still release quota: old pods that go now, or that go when new ones are ready.
fn frees_quota(seen: &Seen<'_>, newest: &[&Value]) -> bool {
    let all = seen.state.pods(seen.target);
    let goes = |pod: &&Value| pod.pointer("/metadata/deletionTimestamp").is_some();
    let is_new = |pod: &&Value| newest.iter().any(|new| uid_of(new) == uid_of(pod));
    // Quota is the namespace's, so any pod that goes may make room.
    let namespace = seen.target.namespace.as_str();
    let leaving = seen.state.objects().any(|object| {
        text(object, "/kind") == "Pod"
            && text(object, "/metadata/namespace") == namespace
            && goes(&object)
    });
    if leaving {
        return true;
    }
    if seen.target.kind() != "Deployment" {
        return false;
    }
    let old: Vec<&Value> = all
        .into_iter()
        .filter(|pod| !is_new(pod) && !goes(pod))
        .collect();
    if old.is_empty() {
        return false;
    }
    let ready = old.iter().chain(newest).filter(|pod| is_ready(pod)).count();
    let ready = i64::try_from(ready).unwrap_or(i64::MAX);
    let wanted = super::deployment::replicas(seen.object);
    // An old pod may go as soon as the others are enough, and each new pod that becomes ready lets one go.
    let unready_old = old.iter().any(|pod| !is_ready(pod));
    unready_old || ready > wanted - max_unavailable(seen.object) || !newest.is_empty()
}
