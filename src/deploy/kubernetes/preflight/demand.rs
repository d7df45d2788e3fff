//! What one pod asks of its namespace and of a node, defaults of a LimitRange included. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pods::{containers, list_of};
use super::quantity::{Milli, read};

/// Amounts by resource.
pub(super) type Amounts = BTreeMap<String, Milli>;

/// What one pod asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) requests: Amounts,
    pub(super) limits: Amounts,
}

/// What a container that says nothing is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Defaults {
    requests: Amounts,
    limits: Amounts,
}

impl Defaults {
    /// Those of the namespace's LimitRanges.
    pub(super) fn of(ranges: &[Value]) -> Self {
        let mut defaults = Self::default();
        let items = ranges
            .iter()
            .flat_map(|range| list_of(&range["spec"], "limits"));
        for item in items.filter(|item| item["type"] == "Container") {
            defaults.requests.extend(amounts(&item["defaultRequest"]));
            defaults.limits.extend(amounts(&item["default"]));
        }
        defaults
    }
}

/// A map of quantities.
pub(super) fn amounts(value: &Value) -> Amounts {
    let map = value.as_object().into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), read(value)?)))
        .collect()
}

/// What one container asks for, as the API server completes it.
pub(super) fn of_container(container: &Value, defaults: &Defaults) -> Demand {
    let mut limits = amounts(&container["resources"]["limits"]);
    let mut requests = amounts(&container["resources"]["requests"]);
    // A limit alone is a request too; what neither says comes from the namespace.
    for (name, amount) in &limits {
        requests.entry(name.clone()).or_insert(*amount);
    }
    for (name, amount) in &defaults.limits {
        limits.entry(name.clone()).or_insert(*amount);
    }
    for (name, amount) in &defaults.requests {
        requests.entry(name.clone()).or_insert(*amount);
    }
    Demand { requests, limits }
}

/// What one pod asks for: containers run beside each other, and before them one after the other those that prepare.
pub(super) fn of_pod(spec: &Value, defaults: &Defaults) -> Demand {
    let (mut together, mut before) = (Demand::default(), Demand::default());
    for container in containers("", spec) {
        let one = of_container(container.value, defaults);
        for (total, most, part) in [
            (&mut together.requests, &mut before.requests, one.requests),
            (&mut together.limits, &mut before.limits, one.limits),
        ] {
            for (name, amount) in part {
                if container.init {
                    let slot = most.entry(name).or_default();
                    *slot = amount.max(*slot);
                } else {
                    *total.entry(name).or_default() += amount;
                }
            }
        }
    }
    for (total, most) in [
        (&mut together.requests, before.requests),
        (&mut together.limits, before.limits),
    ] {
        for (name, amount) in most {
            let slot = total.entry(name).or_default();
            *slot = amount.max(*slot);
        }
    }
    together
}

/// What `count` pods take of a quota's resource, such as `requests.cpu`, `limits.memory`, `pods`; `None`: the quota counts
/// something else.
pub(super) fn of_quota(demand: &Demand, resource: &str, count: Milli) -> Option<Milli> {
    if matches!(resource, "pods" | "count/pods") {
        return Some(count * 1_000);
    }
    let (amounts, name) = match resource.split_once('.') {
        Some(("requests", name)) => (&demand.requests, name),
        Some(("limits", name)) => (&demand.limits, name),
        _ if matches!(resource, "cpu" | "memory" | "ephemeral-storage") => {
            (&demand.requests, resource)
        }
        _ => return None,
    };
    // Storage of claims is counted elsewhere.
    (name != "storage").then(|| amounts.get(name).copied().unwrap_or_default() * count)
}

/// Whether the resource is a device that a node has a whole number of, such as a GPU.
pub(super) fn is_device(resource: &str) -> bool {
    resource.contains('/') && !resource.starts_with("kubernetes.io/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_asks_for_its_containers_or_for_what_prepares_them() {
        let spec = json!({
            "initContainers": [
                {"resources": {"requests": {"cpu": "3", "memory": "1Mi"}}},
                {"restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
            ],
            "containers": [
                {"resources": {"limits": {"cpu": "500m", "nvidia.com/gpu": 1}}},
                {"resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}},
            ],
        });
        let demand = of_pod(&spec, &Defaults::default());
        assert_eq!(demand.requests["cpu"], 3_000);
        assert_eq!(demand.requests["memory"], 1_000 << 30);
        assert_eq!(demand.requests["nvidia.com/gpu"], 1_000);
        assert_eq!(demand.limits["cpu"], 500);
        assert_eq!(of_quota(&demand, "requests.cpu", 2), Some(6_000));
        assert_eq!(of_quota(&demand, "pods", 2), Some(2_000));
        assert_eq!(of_quota(&demand, "requests.storage", 2), None);
        assert_eq!(of_quota(&demand, "count/secrets", 2), None);
    }

    #[test]
    fn the_namespace_completes_what_a_container_leaves_open() {
        let range = json!({"spec": {"limits": [
            {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m", "memory": "1Gi"}},
            {"type": "Pod", "max": {"cpu": "9"}},
        ]}});
        let defaults = Defaults::of(&[range]);
        let spec = json!({"containers": [{}, {"resources": {"limits": {"cpu": "2"}}}]});
        let demand = of_pod(&spec, &defaults);
        assert_eq!(demand.requests["cpu"], 2_100);
        assert_eq!(demand.limits["cpu"], 3_000);
        assert_eq!(demand.limits["memory"], 2_000 << 30);
    }
}
