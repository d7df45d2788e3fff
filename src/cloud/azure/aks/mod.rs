//! Clusters of Azure: Resource Manager hands out a kubeconfig, and where that needs `kubelogin`, a token of ours stands for it.
//! Source: learn.microsoft.com "Managed Clusters - List Cluster User Credentials".

mod kubeconfig;
mod pull;
mod refusal;
mod state;

use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use self::refusal::{Asked, place, refused};
use super::super::http::Answer;
use super::super::{Bearer, Described};
use super::Azure;
use super::arm::Refusal;
use crate::cloud::spec::AksSpec;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// Version of the interface.
const VERSION: &str = "2024-09-01";
/// What to do when the cluster does not know the identity at all.
const NOT_TAKEN: &str = "see that the cluster is integrated with Microsoft Entra in the identity's tenant (`az aks show --query aadProfile`)";
const PROVIDER: [&str; 3] = ["providers", "Microsoft.ContainerService", "managedClusters"];

impl Azure {
    /// The cluster's kubeconfig, and who makes its tokens.
    ///
    /// # Errors
    /// Those of having a token; `CloudDenied` with the role that is missing; `ClusterMissing` with the nearest name;
    /// `ClusterUnreachable` when Azure says that it is stopped, or not made yet.
    pub(in super::super) async fn aks(&self, cluster: &AksSpec) -> Outcome<Described> {
        let (action, whose) = if cluster.admin {
            ("listClusterAdminCredential", "administrator's")
        } else {
            ("listClusterUserCredential", "user's")
        };
        let tried = format!(
            "get the {whose} kubeconfig of AKS cluster `{}` in resource group `{}`",
            cluster.name, cluster.resource_group
        );
        let path = self.path(cluster, Some(action))?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut query = vec![("api-version", VERSION)];
        if !cluster.admin {
            // The older form names a log-in that no client knows any more.
            query.push(("format", "exec"));
        }
        let (answer, seen) = tokio::join!(
            self.arm(&tried, Method::POST, &path, &query, None),
            self.seen(cluster)
        );
        let answer = answer?;
        // A right that is missing is told first: without it, starting the cluster does not help.
        if answer.status.as_u16() != 403
            && let Some(failure) = seen.and_then(|seen| state::asleep(cluster, &seen))
        {
            return Err(failure);
        }
        if !answer.status.is_success() {
            return Err(self.refused(cluster, &tried, &answer).await);
        }
        let text = kubeconfig::kubeconfig(&answer.json()).ok_or_else(|| {
            Failure::new(
                Code::CloudUnreachable,
                format!("failed to {tried}: the answer holds no kubeconfig"),
            )
            .help(
                "run again; if it stays, give the cluster's `kubeconfig` instead of `cluster-name`",
            )
        })?;
        self.around.voice.mask(&text).await;
        let bearer = kubeconfig::server(text.expose_secret()).map(|server| {
            let (identity, scope) = (self.identity.clone(), format!("{server}/.default"));
            Bearer::new(move || {
                let (identity, scope) = (identity.clone(), scope.clone());
                async move { identity.token(&scope, "the cluster").await }
            })
            .when_refused(NOT_TAKEN)
        });
        Ok(Described::Kubeconfig { text, bearer })
    }

    /// The parts of the cluster's address at Resource Manager.
    fn path(&self, cluster: &AksSpec, action: Option<&str>) -> Outcome<Vec<String>> {
        let mut path = vec![
            "subscriptions",
            self.subscription()?,
            "resourceGroups",
            &cluster.resource_group,
        ];
        path.extend(PROVIDER);
        path.push(&cluster.name);
        path.extend(action);
        Ok(path.into_iter().map(str::to_owned).collect())
    }

    async fn refused(&self, cluster: &AksSpec, tried: &str, answer: &Answer) -> Failure {
        let subscription = self.subscription().unwrap_or_default();
        let refusal = Refusal::of(&answer.json());
        let missing = answer.status.as_u16() == 404 && refusal.code != "SubscriptionNotFound";
        let there = if missing {
            self.clusters(subscription).await
        } else {
            Vec::new()
        };
        let asked = Asked {
            cluster,
            subscription,
            assignee: self.identity.assignee(),
            there: &there,
        };
        refused(&asked, tried, &refusal, answer.status.as_u16())
    }

    /// The clusters of the subscription, as resource group and name; empty when we may not list them.
    async fn clusters(&self, subscription: &str) -> Vec<(String, String)> {
        let mut path = vec!["subscriptions", subscription];
        path.extend(PROVIDER);
        let query = [("api-version", VERSION)];
        let listed = self.arm_list("list the AKS clusters", &path, &query).await;
        let listed = listed.ok().and_then(Result::ok).unwrap_or_default();
        let ids = listed
            .iter()
            .filter_map(|one| one.get("id").and_then(Value::as_str));
        ids.filter_map(place).collect()
    }
}
