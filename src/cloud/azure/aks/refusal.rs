//! What Azure means by not handing out a kubeconfig, and what to do next. Pure.

use super::super::arm::Refusal;
use crate::cloud::spec::AksSpec;
use crate::code::Code;
use crate::failure::Failure;

/// What a refusal is about: who asked for which cluster.
pub(super) struct Asked<'a> {
    pub(super) cluster: &'a AksSpec,
    pub(super) subscription: &'a str,
    /// As `az role assignment` takes it.
    pub(super) assignee: &'a str,
    /// The clusters that there are, as resource group and name.
    pub(super) there: &'a [(String, String)],
}

/// Resource group and name of `/subscriptions/S/resourceGroups/G/providers/P/managedClusters/N`.
pub(super) fn place(id: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = id.split('/').collect();
    let group = parts
        .iter()
        .position(|part| part.eq_ignore_ascii_case("resourceGroups"))?;
    Some((parts.get(group + 1)?.to_string(), parts.last()?.to_string()))
}

/// What a refusal means.
struct Meaning {
    code: Code,
    why: String,
    help: String,
}

impl Meaning {
    fn tell(self, tried: &str, refusal: &Refusal) -> Failure {
        Failure::new(self.code, format!("failed to {tried}: {}", self.why))
            .help(self.help)
            .evidence(refusal.evidence())
    }
}

/// The failure for an answer that is no kubeconfig. `tried` completes "failed to …".
pub(super) fn refused(asked: &Asked<'_>, tried: &str, refusal: &Refusal, status: u16) -> Failure {
    explain(asked, refusal, status).tell(tried, refusal)
}

fn explain(asked: &Asked<'_>, refusal: &Refusal, status: u16) -> Meaning {
    let Asked {
        cluster,
        subscription,
        assignee,
        there,
    } = *asked;
    let AksSpec {
        resource_group,
        name,
        admin,
    } = cluster;
    let meaning = |code, why: &str, help: String| Meaning {
        code,
        why: why.to_owned(),
        help,
    };
    let roles = format!(
        "`az role assignment list --assignee {assignee} --all` shows what the identity has"
    );
    match refusal.code.as_str() {
        "SubscriptionNotFound" | "InvalidSubscriptionId" => meaning(
            Code::CloudDenied,
            &format!("subscription `{subscription}` does not exist, or the identity has no role in it"),
            format!("correct `subscription-id`; {roles}"),
        ),
        "InvalidAuthenticationTokenTenant" => meaning(
            Code::CloudDenied,
            &format!("subscription `{subscription}` belongs to another tenant than the identity"),
            "correct `tenant-id` or `subscription-id`: `az account list --query \"[].[id, tenantId]\"`".to_owned(),
        ),
        "ResourceGroupNotFound" => missing(cluster, there, &format!("subscription `{subscription}` has no such resource group")),
        _ if status == 404 => missing(cluster, there, "the resource group has no such cluster"),
        _ if status == 403 => {
            let role = if *admin {
                "Azure Kubernetes Service Cluster Admin Role"
            } else {
                "Azure Kubernetes Service Cluster User Role"
            };
            meaning(
                Code::CloudDenied,
                "the identity may not",
                format!(
                    "give it the role: az role assignment create --assignee {assignee} --role '{role}' --scope /subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.ContainerService/managedClusters/{name}; a new assignment takes up to five minutes"
                ),
            )
        }
        _ if *admin && refusal.message.contains("local accounts") => meaning(
            Code::CloudDenied,
            "the cluster has no local administrator (`disableLocalAccounts`)",
            format!("remove `admin: true`, and give the identity the role 'Azure Kubernetes Service RBAC Writer' or a RoleBinding in the namespace: docs/azure.md; {roles}"),
        ),
        _ => meaning(
            Code::CloudDenied,
            &format!("it answers {status}"),
            format!(
                "Azure's own words stand below; the cluster's state: az aks show --resource-group {resource_group} --name {name} --query '[provisioningState, powerState.code]'"
            ),
        ),
    }
}

/// The cluster is not where it was looked for: the nearest that is there.
fn missing(cluster: &AksSpec, there: &[(String, String)], why: &str) -> Meaning {
    // The same name in another group is nearer than a similar name in this one.
    let score = |(group, name): &(String, String)| {
        let name = if *name == cluster.name {
            2.0
        } else {
            strsim::jaro_winkler(name, &cluster.name)
        };
        name + strsim::jaro_winkler(group, &cluster.resource_group) / 2.0
    };
    let nearest = there.iter().max_by(|a, b| score(a).total_cmp(&score(b)));
    let help = match nearest.filter(|place| score(place) > 1.2) {
        Some((group, name)) => format!("did you mean `cluster-name: {name}` with `resource-group: {group}`?"),
        None => "correct `cluster-name`, `resource-group` and `subscription-id`: `az aks list --output table`".to_owned(),
    };
    Meaning {
        code: Code::ClusterMissing,
        why: why.to_owned(),
        help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(
        admin: bool,
        there: &[(&str, &str)],
        code: &str,
        message: &str,
        status: u16,
    ) -> Meaning {
        let cluster = AksSpec {
            resource_group: "ml-prod".to_owned(),
            name: "serving".to_owned(),
            admin,
        };
        let there: Vec<_> = there
            .iter()
            .map(|&(group, name)| (group.to_owned(), name.to_owned()))
            .collect();
        let refusal = Refusal {
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let asked = Asked {
            cluster: &cluster,
            subscription: "sub",
            assignee: "app",
            there: &there,
        };
        explain(&asked, &refusal, status)
    }

    #[test]
    fn a_missing_right_is_named_as_the_role_that_holds_it() {
        let user = meant(false, &[], "AuthorizationFailed", "", 403);
        assert_eq!(user.code, Code::CloudDenied);
        assert!(
            user.help
                .contains("--assignee app --role 'Azure Kubernetes Service Cluster User Role'")
        );
        assert!(user.help.contains(
            "resourceGroups/ml-prod/providers/Microsoft.ContainerService/managedClusters/serving"
        ));
        assert!(
            meant(true, &[], "AuthorizationFailed", "", 403)
                .help
                .contains("Cluster Admin Role")
        );
        assert!(
            meant(false, &[], "SubscriptionNotFound", "", 404)
                .why
                .contains("`sub`")
        );
    }

    #[test]
    fn a_cluster_elsewhere_is_found() {
        let there = [
            ("ml-prod", "other"),
            ("ml-staging", "serving"),
            ("ml-prod", "servign2"),
        ];
        let found = meant(false, &there, "ResourceNotFound", "", 404);
        assert_eq!(found.code, Code::ClusterMissing);
        assert!(
            found
                .help
                .contains("`cluster-name: serving` with `resource-group: ml-staging`"),
            "{}",
            found.help
        );
        let far = meant(false, &[("x", "y")], "ResourceGroupNotFound", "", 404);
        assert!(far.help.contains("az aks list"), "{}", far.help);
        let id = "/subscriptions/s/resourcegroups/G/providers/Microsoft.ContainerService/managedClusters/n";
        assert_eq!(place(id), Some(("G".to_owned(), "n".to_owned())));
    }

    #[test]
    fn clusters_without_local_accounts_have_no_administrator() {
        let text = "Getting static credential is not allowed because this cluster is set to disable local accounts.";
        assert!(
            meant(true, &[], "BadRequest", text, 400)
                .help
                .contains("remove `admin: true`")
        );
        assert!(
            meant(false, &[], "BadRequest", text, 400)
                .why
                .contains("400")
        );
    }
}
