//! Whether the nodes of a cluster may pull from a registry of Azure, as far as the identity may know that.
//! Sources: learn.microsoft.com "Authenticate with Azure Container Registry from AKS", "Role Assignments - List For Scope".

use reqwest::Method;
use serde_json::Value;

use super::super::Azure;
use super::super::sovereign::is_registry;
use crate::cloud::cluster::Unattached;
use crate::cloud::spec::AksSpec;

/// Versions of the interfaces of registries and of roles.
const REGISTRIES: &str = "2023-07-01";
const ROLES: &str = "2022-04-01";

/// A registry as far as it matters here.
struct Registry {
    id: String,
    /// Whether everybody may pull.
    open: bool,
}

impl Azure {
    /// See [`super::super::super::Clouds::unattached`]. Many roles let pull, even `Reader` and own ones, so only an identity
    /// without any role is told. When we may not ask, when the nodes are a service principal, when the registry is of another
    /// subscription: then nothing is said.
    pub(in super::super::super) async fn unattached(
        &self,
        cluster: &AksSpec,
        host: &str,
    ) -> Option<Unattached> {
        if !is_registry(host) {
            return None;
        }
        let (seen, registry) = tokio::join!(self.seen(cluster), self.registry_of(host));
        let (nodes, registry) = (kubelet(&seen?)?, registry?);
        if registry.open || self.has_role(&nodes, &registry.id).await? {
            return None;
        }
        let AksSpec {
            resource_group,
            name,
            ..
        } = cluster;
        Some(Unattached {
            why: format!(
                "the nodes of AKS cluster `{name}` (identity `{nodes}`) have no role on registry `{host}`, not by a group or a scope above it either"
            ),
            help: format!(
                "attach it, once: az aks update --resource-group {resource_group} --name {name} --attach-acr {}",
                registry.id
            ),
        })
    }

    /// The registry of the subscription that answers there.
    async fn registry_of(&self, host: &str) -> Option<Registry> {
        let path = [
            "subscriptions",
            self.subscription().ok()?,
            "providers",
            "Microsoft.ContainerRegistry",
            "registries",
        ];
        let listed = self.arm_list("list the registries", &path, &[("api-version", REGISTRIES)]);
        of_host(&listed.await.ok()?.ok()?, host)
    }

    /// Whether the identity has any role there; `None` when we may not know.
    async fn has_role(&self, principal: &str, scope: &str) -> Option<bool> {
        let mut path: Vec<&str> = scope.split('/').filter(|part| !part.is_empty()).collect();
        path.extend(["providers", "Microsoft.Authorization", "roleAssignments"]);
        // With the groups that it is in, at the scope and above.
        let filter = format!("assignedTo('{principal}')");
        let query = [("api-version", ROLES), ("$filter", filter.as_str())];
        let listed = self.arm_list("list who may use the registry", &path, &query);
        Some(!listed.await.ok()?.ok()?.is_empty())
    }

    /// What Azure says of the cluster; `None` when the identity may not read it, or nobody answers.
    pub(super) async fn seen(&self, cluster: &AksSpec) -> Option<Value> {
        let path = self.path(cluster, None).ok()?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query = [("api-version", super::VERSION)];
        let answer = self.arm("read the AKS cluster", Method::GET, &path, &query, None);
        let answer = answer.await.ok()?;
        answer.status.is_success().then(|| answer.json())
    }
}

/// The object ID of what the nodes pull as; `None`: a service principal, of which only the application is told.
fn kubelet(cluster: &Value) -> Option<String> {
    let id = cluster.pointer("/properties/identityProfile/kubeletidentity/objectId")?;
    // It becomes part of a filter.
    let id = id
        .as_str()
        .filter(|id| id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && !id.is_empty());
    id.map(str::to_owned)
}

fn of_host(registries: &[Value], host: &str) -> Option<Registry> {
    let found = registries.iter().find(|one| {
        let server = one.pointer("/properties/loginServer");
        let server = server.and_then(Value::as_str);
        server.is_some_and(|server| server.eq_ignore_ascii_case(host))
    })?;
    let open = found.pointer("/properties/anonymousPullEnabled");
    Some(Registry {
        id: found.get("id")?.as_str()?.to_owned(),
        open: open == Some(&Value::Bool(true)),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_pull_as_their_own_identity() {
        let with = |id: &str| json!({"properties": {"identityProfile": {"kubeletidentity": {"objectId": id}}}});
        assert_eq!(kubelet(&with("01ab-2c")).as_deref(), Some("01ab-2c"));
        assert_eq!(kubelet(&with("x') or (true")), None);
        assert_eq!(
            kubelet(&json!({"properties": {"servicePrincipalProfile": {"clientId": "a"}}})),
            None
        );
    }

    #[test]
    fn a_registry_is_found_by_where_it_answers() {
        let all = [
            json!({"id": "/r/other", "properties": {"loginServer": "other.azurecr.io"}}),
            json!({"id": "/r/wine", "properties": {"loginServer": "wine-a1.azurecr.io", "anonymousPullEnabled": true}}),
        ];
        let found = of_host(&all, "Wine-a1.azurecr.io").unwrap();
        assert_eq!((found.id.as_str(), found.open), ("/r/wine", true));
        assert!(!of_host(&all, "other.azurecr.io").unwrap().open);
        assert!(of_host(&all, "wine.azurecr.io").is_none());
    }
}
