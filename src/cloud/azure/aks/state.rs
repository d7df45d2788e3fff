//! Whether a cluster of Azure can answer at all: one that is stopped or still being made hands out a kubeconfig too. Pure.
//! Source: learn.microsoft.com "Stop and start an Azure Kubernetes Service (AKS) cluster", "Managed Clusters - Get".

use serde_json::Value;

use crate::cloud::spec::AksSpec;
use crate::code::Code;
use crate::failure::Failure;

/// Why nobody answers there now, and what to do. `None`: nothing that Azure says of the cluster keeps it from answering.
pub(super) fn asleep(cluster: &AksSpec, seen: &Value) -> Option<Failure> {
    let text = |pointer: &str| seen.pointer(pointer).and_then(Value::as_str);
    let (power, made) = (
        text("/properties/powerState/code"),
        text("/properties/provisioningState"),
    );
    let AksSpec {
        resource_group,
        name,
        ..
    } = cluster;
    let on = format!("--resource-group {resource_group} --name {name}");
    let (why, help) = match (power, made) {
        // A cluster keeps its power state while it is started and stopped.
        (_, Some("Starting")) => (
            "is being started",
            format!("run again when it runs: az aks wait {on} --updated"),
        ),
        (_, Some("Stopping")) | (Some("Stopped"), _) => {
            ("is stopped", format!("start it: az aks start {on}"))
        }
        (_, Some("Creating")) => (
            "is still being made",
            format!("run again when it is there: az aks wait {on} --created"),
        ),
        (_, Some("Deleting")) => (
            "is being deleted",
            "correct `cluster-name` and `resource-group`, or make it again".to_owned(),
        ),
        _ => return None,
    };
    let message = format!(
        "failed to reach AKS cluster `{name}` in resource group `{resource_group}`: it {why}"
    );
    Some(Failure::new(Code::ClusterUnreachable, message).help(help))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_that_cannot_answer_is_known_by_its_states() {
        let said = |power: &str, made: &str| {
            let cluster = AksSpec {
                resource_group: "ml".to_owned(),
                name: "serving".to_owned(),
                admin: false,
            };
            let seen =
                json!({"properties": {"powerState": {"code": power}, "provisioningState": made}});
            asleep(&cluster, &seen).map(|failure| failure.into_findings().remove(0))
        };
        for (power, made, why, help) in [
            (
                "Stopped",
                "Succeeded",
                "it is stopped",
                "az aks start --resource-group ml --name serving",
            ),
            ("Running", "Stopping", "it is stopped", "az aks start"),
            ("Stopped", "Starting", "it is being started", "az aks wait"),
            ("Running", "Creating", "it is still being made", "--created"),
            ("Running", "Deleting", "it is being deleted", "cluster-name"),
        ] {
            let found = said(power, made).unwrap();
            assert_eq!(found.code, Code::ClusterUnreachable);
            assert!(found.message.ends_with(why), "{}", found.message);
            assert!(found.advice().contains(help), "{}", found.advice());
        }
        // What is changed or has failed to change answers meanwhile.
        for made in ["Succeeded", "Updating", "Upgrading", "Failed"] {
            assert!(said("Running", made).is_none(), "{made}");
        }
        assert!(said("", "").is_none());
    }
}
