//! Pods fit the namespace's quota and limits, now and while a rolling update has old and new ones side by side. Pure. What
//! nodes can take is in `nodes`.

use serde_json::Value;

use super::demand::{self, Amounts, Defaults, Demand, of_container, of_pod, of_quota};
use super::pods::{Template, list_of, number, pod_spec};
use super::quantity::{Milli, show};
use super::tried::Tried;
use super::view::View;
use crate::cluster::{name_of, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::Strategy;

/// A workload with the pods that it has and the pods that it will have.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) template: Template<'a>,
    /// What one new pod asks for.
    pub(super) one: Demand,
    /// Pods wanted in the end.
    pub(super) count: Milli,
    /// Pods that run now, and what one of them asks for.
    pub(super) old: (Milli, Demand),
    /// Pods above `count` that a rolling update may have, and pods below it that it may lack.
    pub(super) surge: Milli,
    pub(super) lack: Milli,
    pub(super) strategy: Strategy,
    /// New pods are made because the template or the count changes.
    pub(super) changes: bool,
}

impl<'a> Load<'a> {
    /// Reads it off the manifest, what is live and what a dry run made of both.
    pub(super) fn of(
        template: Template<'a>,
        tried: Option<&Tried<'_>>,
        defaults: &Defaults,
        strategy: Strategy,
    ) -> Self {
        let kind = template.object.kind.as_str();
        let live = tried.and_then(|tried| tried.live.as_ref());
        // The dry run knows replicas that somebody else sets.
        let after = tried.and_then(|tried| tried.after.as_ref());
        let value = after.unwrap_or(&template.object.value);
        let running = live.and_then(|live| number(live, "/status/replicas"));
        let count = match kind {
            "Deployment" | "StatefulSet" | "ReplicaSet" => {
                number(value, "/spec/replicas").unwrap_or(1)
            }
            "Job" if live.is_none() => number(value, "/spec/parallelism").unwrap_or(1),
            "Pod" if live.is_none() => 1,
            _ => 0,
        };
        let old_spec = live.and_then(|live| pod_spec(kind, live));
        let old = old_spec.map(|spec| of_pod(spec, defaults));
        let (surge, lack) = match kind {
            "Deployment" => rolling(value, count),
            // Old pods of the other kinds go before new ones come.
            _ => (0, count),
        };
        let same_spec =
            old_spec.is_some() && old_spec == after.and_then(|after| pod_spec(kind, after));
        let changes = !same_spec || running != Some(count);
        Self {
            template,
            one: of_pod(template.spec, defaults),
            count: count.into(),
            old: (running.unwrap_or(0).into(), old.unwrap_or_default()),
            surge: surge.into(),
            lack: lack.into(),
            strategy,
            changes,
        }
    }

    /// Pods that must run beside all old ones before the first of these goes: a rolling update that may lack none makes
    /// one more, the other strategies a second workload. Without room for them nothing ever moves.
    pub(super) fn beside(&self) -> Milli {
        let moves = self.changes && self.old.0 > 0 && self.count > 0;
        if !moves || self.template.object.kind != "Deployment" {
            return 0;
        }
        match self.strategy {
            Strategy::Rolling => Milli::from(self.lack == 0 && self.count >= self.old.0),
            Strategy::Canary { percent } => (self.count * Milli::from(percent) + 99) / 100,
            Strategy::BlueGreen => self.count,
        }
    }

    /// How new pods take over, for a sentence.
    pub(super) fn way(&self) -> &'static str {
        match self.strategy {
            Strategy::Rolling => "a rolling update",
            Strategy::Canary { .. } => "a canary",
            Strategy::BlueGreen => "a blue-green deployment",
        }
    }
}

/// Pods above and below the count that a Deployment's strategy allows, rounded as its controller does.
fn rolling(value: &Value, count: i64) -> (i64, i64) {
    let strategy = &value["spec"]["strategy"];
    if text(strategy, "/type") == "Recreate" {
        return (0, count);
    }
    let share = |field: &str, up: bool| {
        let value = &strategy["rollingUpdate"][field];
        if let Some(number) = value.as_i64() {
            return number;
        }
        let percent = value.as_str().unwrap_or("25%").trim_end_matches('%');
        let percent: i64 = percent.parse().unwrap_or(25);
        (count * percent + if up { 99 } else { 0 }) / 100
    };
    let (surge, lack) = (share("maxSurge", true), share("maxUnavailable", false));
    // Both zero could never move; the API server refuses it, and rounding is mended as the controller does.
    (surge, if surge == 0 && lack == 0 { 1 } else { lack })
}

/// All findings about quotas and limits of one namespace.
pub(super) fn check(loads: &[Load<'_>], namespace: &str, view: &View) -> Vec<Diagnostic> {
    let loads: Vec<&Load<'_>> = loads
        .iter()
        .filter(|load| load.template.namespace == namespace)
        .collect();
    let mut findings = Vec::new();
    let ranges = view.list("LimitRange", namespace).unwrap_or_default();
    let defaults = Defaults::of(ranges);
    for item in ranges
        .iter()
        .flat_map(|range| list_of(&range["spec"], "limits"))
    {
        for load in &loads {
            findings.extend(outside(load, item, &defaults));
        }
    }
    for quota in view.list("ResourceQuota", namespace).unwrap_or_default() {
        let scoped = quota["spec"].get("scopes").is_some_and(Value::is_array)
            || quota["spec"].get("scopeSelector").is_some();
        // A scope counts only some pods; which ones is left to the cluster.
        if !scoped {
            findings.extend(beyond(&loads, quota, &defaults));
        }
    }
    findings
}

/// Where the requests of a pod stand.
pub(super) fn resource_path(template: &Template<'_>, list: &str, resource: &str) -> String {
    let containers = template.containers();
    let has = |list: &str| {
        containers
            .iter()
            .find(|container| container.value["resources"][list].get(resource).is_some())
            .map(|container| format!("{}.resources.{list}[{resource}]", container.path))
    };
    has(list)
        .or_else(|| has("limits"))
        .or_else(|| has("requests"))
        .or_else(|| Some(format!("{}.resources", containers.first()?.path)))
        .unwrap_or_else(|| template.path.to_owned())
}

/// Containers and pods outside of a LimitRange: the API server refuses the pods later, not the workload now.
fn outside(load: &Load<'_>, item: &Value, defaults: &Defaults) -> Vec<Diagnostic> {
    let template = &load.template;
    let (min, max) = (demand::amounts(&item["min"]), demand::amounts(&item["max"]));
    let mut findings = Vec::new();
    let mut compare = |who: &str, asks: &Demand, path: &dyn Fn(&str, &str) -> String| {
        for (list, amounts) in [("requests", &asks.requests), ("limits", &asks.limits)] {
            for (resource, amount) in amounts {
                let (bound, word) = match (max.get(resource), min.get(resource)) {
                    (Some(most), _) if amount > most => (*most, "at most"),
                    (_, Some(least)) if amount < least => (*least, "at least"),
                    _ => continue,
                };
                let message = format!(
                    "`{}`: {who} has {list}.{resource} {}, and namespace `{}` allows {word} {}",
                    template.object.label(),
                    show(resource, *amount),
                    template.namespace,
                    show(resource, bound)
                );
                findings.push(
                    Diagnostic::error(Code::CapacityExceeded, message)
                        .help(format!(
                            "set {word} {}, or change the namespace's LimitRange",
                            show(resource, bound)
                        ))
                        .at(template.object.at(&path(list, resource))),
                );
            }
        }
    };
    match text(item, "/type") {
        "Container" => {
            for container in template.containers() {
                let asks = of_container(container.value, defaults);
                let who = format!("container `{}`", container.name());
                compare(&who, &asks, &|list, resource| {
                    format!("{}.resources.{list}[{resource}]", container.path)
                });
            }
        }
        "Pod" => compare("the pod", &load.one, &|list, resource| {
            resource_path(template, list, resource)
        }),
        _ => {}
    }
    findings
}

/// What a quota cannot take: pods that must say what they ask for, the end state, and the way there.
fn beyond(loads: &[&Load<'_>], quota: &Value, defaults: &Defaults) -> Vec<Diagnostic> {
    let name = name_of(quota);
    let hard = demand::amounts(&quota["status"]["hard"]);
    let used = demand::amounts(&quota["status"]["used"]);
    let mut findings = Vec::new();
    for load in loads.iter().filter(|load| load.changes && load.count > 0) {
        findings.extend(unsaid(load, name, &hard, defaults));
    }
    for (resource, most) in &hard {
        let now = used.get(resource).copied().unwrap_or_default();
        let (mut then, mut asks) = (now, false);
        for load in loads.iter().filter(|load| load.changes) {
            let new = of_quota(&load.one, resource, load.count).unwrap_or_default();
            let freed = of_quota(&load.old.1, resource, load.old.0).unwrap_or_default();
            then += new - freed;
            asks |= new > freed;
        }
        let amounts = |wanted: Milli| {
            let (wanted, most) = (show(resource, wanted), show(resource, *most));
            format!("{resource}: {wanted} of {most}")
        };
        if asks && then > *most {
            let largest = loads
                .iter()
                .filter(|load| load.changes)
                .max_by_key(|load| of_quota(&load.one, resource, load.count).unwrap_or_default());
            let Some(load) = largest else { continue };
            let message = format!(
                "`{}`: {} pods do not fit quota `{name}`: they would bring it to {} ({} used now)",
                load.template.object.label(),
                load.count,
                amounts(then),
                show(resource, now)
            );
            findings.push(quota_finding(
                load,
                resource,
                Diagnostic::error(Code::CapacityExceeded, message),
            ));
            continue;
        }
        for load in loads.iter().filter(|load| load.changes) {
            let rolling = load.strategy == Strategy::Rolling;
            let beside = load.beside();
            let step = of_quota(&load.one, resource, beside).unwrap_or_default();
            let all = of_quota(&load.one, resource, load.surge).unwrap_or_default();
            if step > 0 && now + step > *most {
                let message = format!(
                    "`{}`: {} needs room for {beside} more beside the old pods, and quota `{name}` has none: {}",
                    load.template.object.label(),
                    load.way(),
                    amounts(now + step)
                );
                let finding = Diagnostic::error(Code::CapacityExceeded, message).help(match load.strategy {
                    Strategy::Rolling => "set `strategy.rollingUpdate` to `maxSurge: 0` and `maxUnavailable: 1`, or raise the quota",
                    _ => "raise the quota, or use `strategy: rolling`",
                });
                findings.push(finding.at(load.template.object.at("spec.strategy")));
            } else if rolling && load.old.0 > 0 && all > 0 && now + all > *most {
                let message = format!(
                    "`{}`: quota `{name}` has no room for the {} extra pods of a rolling update: {}; it will go on with fewer",
                    load.template.object.label(),
                    load.surge,
                    amounts(now + all)
                );
                findings.push(quota_finding(
                    load,
                    resource,
                    Diagnostic::warning(Code::CapacityExceeded, message),
                ));
            }
        }
    }
    findings
}

fn quota_finding(load: &Load<'_>, resource: &str, finding: Diagnostic) -> Diagnostic {
    let (list, name) = resource.split_once('.').unwrap_or(("requests", resource));
    let path = match name {
        "pods" | "count/pods" => "spec.replicas".to_owned(),
        _ => resource_path(&load.template, list, name),
    };
    finding
        .help("lower requests or replicas, or raise the quota")
        .at(load.template.object.at(&path))
}

/// A quota on cpu or memory refuses pods that do not say how much they want.
fn unsaid(load: &Load<'_>, quota: &str, hard: &Amounts, defaults: &Defaults) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for resource in hard.keys() {
        let (list, name) = resource.split_once('.').unwrap_or(("requests", resource));
        if !matches!(name, "cpu" | "memory") {
            continue;
        }
        for container in load.template.containers() {
            let asks = of_container(container.value, defaults);
            let said = if list == "limits" {
                &asks.limits
            } else {
                &asks.requests
            };
            if said.contains_key(name) {
                continue;
            }
            let message = format!(
                "`{}`: container `{}` has no {list}.{name}, and quota `{quota}` refuses pods without",
                load.template.object.label(),
                container.name()
            );
            findings.push(
                Diagnostic::error(Code::CapacityExceeded, message)
                    .help(format!("add `resources.{list}.{name}` to the container"))
                    .at(load
                        .template
                        .object
                        .at(&format!("{}.resources", container.path))),
            );
        }
    }
    findings
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
mod tests;
