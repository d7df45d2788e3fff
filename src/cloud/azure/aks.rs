//! Clusters of Azure: Resource Manager hands out a kubeconfig, and where that needs `kubelogin`, a token of ours stands for it.
//! Sources: learn.microsoft.com "Managed Clusters - List Cluster User Credentials", github.com/Azure/kubelogin.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::super::http::Answer;
use super::super::{Bearer, Described};
use super::Azure;
use super::arm::Refusal;
use crate::cloud::spec::AksSpec;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// The application that stands for every AKS cluster at Azure's authority.
const SERVER: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";
/// Version of the interface.
const VERSION: &str = "2024-09-01";
/// What to do when the cluster does not know the identity at all.
const NOT_TAKEN: &str = "see that the cluster is integrated with Microsoft Entra in the identity's tenant (`az aks show --query aadProfile`)";
const PROVIDER: [&str; 3] = ["providers", "Microsoft.ContainerService", "managedClusters"];

impl Azure {
    /// The cluster's kubeconfig, and who makes its tokens.
    ///
    /// # Errors
    /// Those of having a token; `CloudDenied` with the role that is missing; `ClusterMissing` with the nearest name.
    pub(in super::super) async fn aks(&self, cluster: &AksSpec) -> Outcome<Described> {
        let subscription = self.subscription()?;
        let (action, whose) = if cluster.admin {
            ("listClusterAdminCredential", "administrator's")
        } else {
            ("listClusterUserCredential", "user's")
        };
        let tried = format!(
            "get the {whose} kubeconfig of AKS cluster `{}` in resource group `{}`",
            cluster.name, cluster.resource_group
        );
        let mut path = vec![
            "subscriptions",
            subscription,
            "resourceGroups",
            &cluster.resource_group,
        ];
        path.extend(PROVIDER);
        path.extend([cluster.name.as_str(), action]);
        let mut query = vec![("api-version", VERSION)];
        if !cluster.admin {
            // The older form names a log-in that no client knows any more.
            query.push(("format", "exec"));
        }
        let answer = self.arm(&tried, Method::POST, &path, &query, None).await?;
        if !answer.status.is_success() {
            return Err(self.refused(cluster, subscription, &tried, &answer).await);
        }
        let text = kubeconfig(&answer.json()).ok_or_else(|| {
            Failure::new(
                Code::CloudUnreachable,
                format!("failed to {tried}: the answer holds no kubeconfig"),
            )
        })?;
        self.around.voice.mask(&text).await;
        let bearer = server(text.expose_secret()).map(|server| {
            let (identity, scope) = (self.identity.clone(), format!("{server}/.default"));
            Bearer::new(move || {
                let (identity, scope) = (identity.clone(), scope.clone());
                async move { identity.token(&scope, "the cluster").await }
            })
            .when_refused(NOT_TAKEN)
        });
        Ok(Described::Kubeconfig { text, bearer })
    }

    async fn refused(
        &self,
        cluster: &AksSpec,
        subscription: &str,
        tried: &str,
        answer: &Answer,
    ) -> Failure {
        let refusal = Refusal::of(&answer.json());
        let missing = answer.status.as_u16() == 404 && refusal.code != "SubscriptionNotFound";
        let there = if missing {
            self.clusters(subscription).await
        } else {
            Vec::new()
        };
        let assignee = self.identity.assignee();
        explain(
            cluster,
            subscription,
            assignee,
            &there,
            &refusal,
            answer.status.as_u16(),
        )
        .tell(tried, &refusal)
    }

    /// The clusters of the subscription, as resource group and name; empty when we may not list them.
    async fn clusters(&self, subscription: &str) -> Vec<(String, String)> {
        let mut path = vec!["subscriptions", subscription];
        path.extend(PROVIDER);
        let listed = self.arm(
            "list the AKS clusters",
            Method::GET,
            &path,
            &[("api-version", VERSION)],
            None,
        );
        let Ok(answer) = listed.await else {
            return Vec::new();
        };
        let body = answer.json();
        let ids = body
            .get("value")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        ids.filter_map(|one| place(one.get("id")?.as_str()?))
            .collect()
    }
}

/// Resource group and name of `/subscriptions/S/resourceGroups/G/providers/P/managedClusters/N`.
fn place(id: &str) -> Option<(String, String)> {
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

fn explain(
    cluster: &AksSpec,
    subscription: &str,
    assignee: &str,
    there: &[(String, String)],
    refusal: &Refusal,
    status: u16,
) -> Meaning {
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
            "read what Azure says above".to_owned(),
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

/// The first kubeconfig of the answer.
fn kubeconfig(answer: &Value) -> Option<SecretString> {
    let encoded = answer.pointer("/kubeconfigs/0/value")?.as_str()?;
    let bytes = STANDARD.decode(encoded).ok()?;
    Some(String::from_utf8(bytes).ok()?.into())
}

/// The application that tokens are made for, when the kubeconfig's user needs one: its program is `kubelogin`, or it is of the
/// older form that clients knew by themselves. `None`: it holds a certificate or a token.
fn server(kubeconfig: &str) -> Option<String> {
    let document: Value = serde_saphyr::from_str(kubeconfig).ok()?;
    let users = document.get("users")?.as_array()?;
    users
        .iter()
        .filter_map(|named| named.get("user"))
        .find_map(|user| {
            let own = || SERVER.to_owned();
            if let Some(exec) = user.get("exec") {
                let command = exec.get("command")?.as_str()?;
                let program = command.rsplit(['/', '\\']).next()?.trim_end_matches(".exe");
                let words: Vec<&str> = exec
                    .get("args")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let named = words
                    .iter()
                    .position(|word| *word == "--server-id")
                    .and_then(|at| words.get(at + 1));
                return (program == "kubelogin")
                    .then(|| named.map_or_else(own, |id| (*id).to_owned()));
            }
            let provider = user.get("auth-provider")?;
            let named = provider
                .pointer("/config/apiserver-id")
                .and_then(Value::as_str);
            (provider.get("name")? == "azure").then(|| named.map_or_else(own, str::to_owned))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(user: &str) -> Option<String> {
        server(&format!(
            "apiVersion: v1\nkind: Config\nusers:\n- name: clusterUser\n  user:\n{user}"
        ))
    }

    #[test]
    fn a_user_that_needs_kubelogin_is_known() {
        let exec = "    exec:\n      command: kubelogin\n      args: [get-token, --environment, AzurePublicCloud, --server-id, aaaa, --login, devicecode]\n";
        assert_eq!(of(exec).as_deref(), Some("aaaa"));
        assert_eq!(
            of("    exec: {command: /usr/bin/kubelogin, args: [get-token]}\n").as_deref(),
            Some(SERVER)
        );
        let older =
            "    auth-provider: {name: azure, config: {apiserver-id: bbbb, tenant-id: t}}\n";
        assert_eq!(of(older).as_deref(), Some("bbbb"));
        assert_eq!(of("    token: abc\n"), None);
        assert_eq!(of("    exec: {command: aws, args: []}\n"), None);
    }

    #[test]
    fn the_kubeconfig_is_taken_out_of_the_answer() {
        let answer = json!({"kubeconfigs": [{"name": "clusterUser", "value": STANDARD.encode("kind: Config")}]});
        assert_eq!(kubeconfig(&answer).unwrap().expose_secret(), "kind: Config");
        assert!(kubeconfig(&json!({"kubeconfigs": []})).is_none());
    }

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
        explain(&cluster, "sub", "app", &there, &refusal, status)
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
