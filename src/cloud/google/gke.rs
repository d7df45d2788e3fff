//! Google's clusters: where one answers, and tokens for it: the access token itself.
//! Source: cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::super::{Address, Bearer, Described};
use super::Google;
use super::endpoints::endpoint;
use super::way::{Way, way};
use crate::cloud::spec::GkeSpec;
use crate::code::Code;
use crate::failure::{Failure, Outcome, chain};

/// How long a cluster that hides from the world may take to show itself.
const REACHED: Duration = Duration::from_secs(4);
/// States in which the API server answers.
const UP: &[&str] = &["RUNNING", "RECONCILING", "DEGRADED"];

impl Google {
    /// The cluster's address and tokens.
    ///
    /// # Errors
    /// Those of having a token; `ClusterMissing`, `CloudDenied`, `ClusterUnreachable` for one that is not up or private.
    pub(in super::super) async fn gke(&self, cluster: &GkeSpec) -> Outcome<Described> {
        let project = self.identity.project().await?.ok_or_else(|| {
            Failure::new(
                Code::CloudIdentity,
                format!(
                    "failed to look up the GKE cluster `{}`: nothing says in which project it is",
                    cluster.name
                ),
            )
            .help("set `project-id`")
        })?;
        let (location, name) = (&cluster.location, &cluster.name);
        let shown = format!("the GKE cluster `{name}` in {location} of project `{project}`");
        let env = &self.around.environment;
        let base = endpoint(env, "container", &self.identity.universe().await?)?;
        let mut url = reqwest::Url::parse(&base).map_err(|why| {
            Failure::new(
                Code::CloudIdentity,
                format!("failed to look up {shown}: `{base}` is no address: {why}"),
            )
        })?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([
                "v1",
                "projects",
                &project,
                "locations",
                location,
                "clusters",
                name,
            ]);
        }
        let token = self.identity.token().await?;
        let request = self.around.http.client().get(url);
        let request = request.bearer_auth(token.expose_secret());
        let tried = format!("look up {shown}");
        let answer = self.around.http.send(&tried, request).await?;
        if !answer.status.is_success() {
            let member = self.identity.member().await;
            let status = answer.status.as_u16();
            return Err(refused(&shown, status, &answer.json(), member.as_deref()));
        }
        let found = answer.json();
        is_up(&shown, &found)?;
        let address = match way(&found) {
            None => {
                return Err(Failure::new(
                    Code::ClusterUnreachable,
                    format!("failed to reach {shown}: it has no address that is open, neither an IP nor a name"),
                )
                .help("turn on the cluster's DNS endpoint with external traffic; docs/google.md"));
            }
            Some(Way::Name(name)) => Address {
                server: format!("https://{name}"),
                authority: None,
            },
            Some(Way::Public(address)) => of(&found, &address),
            Some(Way::Hidden { address, why }) => {
                let address = of(&found, &address);
                if !self.is_reached(&address.server).await {
                    return Err(Failure::new(
                        Code::ClusterUnreachable,
                        format!("failed to reach API server `{}` of {shown}: {why}", address.server),
                    )
                    .help("turn on the cluster's DNS endpoint with external traffic, or run this job within the cluster's network (a self-hosted runner); docs/google.md"));
                }
                address
            }
        };
        Ok(Described::Address {
            address,
            bearer: self.bearer().await,
        })
    }

    /// Whether anybody answers there, also through the company's proxy. Who shows a certificate that only the cluster's own
    /// authority knows does.
    async fn is_reached(&self, server: &str) -> bool {
        let request = self.around.http.client().get(server).timeout(REACHED);
        match request.send().await {
            Ok(_) => true,
            Err(error) => chain(&error.into()).contains("certificate"),
        }
    }

    async fn bearer(&self) -> Bearer {
        let identity = self.identity.clone();
        let bearer = Bearer::new(move || {
            let identity = identity.clone();
            async move { identity.token().await }
        });
        let member = self.identity.member().await;
        let member = member.map_or_else(|| "the identity".to_owned(), |one| format!("`{one}`"));
        bearer.when_refused(format!(
            "let {member} into the cluster: give it the role Kubernetes Engine Developer (`roles/container.developer`) in the project, or Kubernetes Engine Cluster Viewer (`roles/container.clusterViewer`) and a RoleBinding in the namespace. The DNS endpoint lets in who has `container.clusters.connect`, which the first of the two roles holds"
        ))
    }
}

/// What a refusal of the service means.
fn refused(shown: &str, status: u16, body: &Value, member: Option<&str>) -> Failure {
    let message = body.pointer("/error/message").and_then(Value::as_str);
    let said = message.unwrap_or("it gives no reason").split_whitespace();
    let said = said.collect::<Vec<_>>().join(" ");
    let member = member.map_or_else(|| "the identity".to_owned(), |one| format!("`{one}`"));
    if status == 404 {
        return Failure::new(
            Code::ClusterMissing,
            format!("failed to find {shown}: {said}"),
        )
        .help("correct `cluster-name`, `location` (a region, or a zone for a zonal cluster) or `project-id`");
    }
    let help = if said.contains("has not been used") || said.contains("is disabled") {
        "enable the Kubernetes Engine API (container.googleapis.com) in the project".to_owned()
    } else if status == 403 {
        format!(
            "give {member} the role Kubernetes Engine Cluster Viewer (`roles/container.clusterViewer`) in the project; to deploy too, Kubernetes Engine Developer (`roles/container.developer`) holds both"
        )
    } else if status == 401 {
        "the token is not taken: check the credentials".to_owned()
    } else {
        "correct `cluster-name`, `location` or `project-id`".to_owned()
    };
    Failure::new(
        Code::CloudDenied,
        format!("failed to look up {shown}: {said} ({status})"),
    )
    .help(help)
}

/// Whether the cluster is in a state in which it answers.
fn is_up(shown: &str, found: &Value) -> Outcome<()> {
    let status = found["status"].as_str().unwrap_or("unknown");
    if UP.contains(&status) {
        return Ok(());
    }
    let help = match status {
        "PROVISIONING" => "wait until it is RUNNING, then run again",
        "STOPPING" => "it is being deleted; name another cluster",
        _ => "look at the cluster in the console; it must be RUNNING",
    };
    let conditions = found["conditions"].as_array().into_iter().flatten();
    let why = conditions.filter_map(|one| one["message"].as_str());
    Err(Failure::new(
        Code::ClusterUnreachable,
        format!("failed to use {shown}: it is {status}"),
    )
    .help(help)
    .evidence(why.map(str::to_owned)))
}

/// An address with the cluster's own authority.
fn of(found: &Value, address: &str) -> Address {
    let pem = found["masterAuth"]["clusterCaCertificate"].as_str();
    let pem = pem.and_then(|text| STANDARD.decode(text).ok());
    Address {
        server: format!("https://{address}"),
        authority: pem.and_then(|bytes| String::from_utf8(bytes).ok()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_that_is_not_up_is_explained() {
        assert!(is_up("c", &json!({"status": "RUNNING"})).is_ok());
        assert!(is_up("c", &json!({"status": "RECONCILING"})).is_ok());
        for (status, help) in [
            ("PROVISIONING", "wait"),
            ("STOPPING", "being deleted"),
            ("ERROR", "console"),
        ] {
            let found = json!({"status": status, "conditions": [{"message": "no IPs left"}]});
            let failure = is_up("c", &found).unwrap_err();
            let finding = failure.findings().next().unwrap();
            assert!(finding.advice().contains(help) && finding.message.contains(status));
            assert_eq!(finding.evidence, ["no IPs left"]);
        }
    }

    #[test]
    fn refusals_name_the_role_or_the_input() {
        let body = |message: &str| json!({"error": {"code": 1, "message": message}});
        for (status, message, code, help) in [
            (
                404,
                "Not found: projects/p",
                Code::ClusterMissing,
                "`location`",
            ),
            (
                403,
                "Required \"container.clusters.get\" permission(s)",
                Code::CloudDenied,
                "`serviceAccount:ci@p` the role Kubernetes Engine Cluster Viewer",
            ),
            (
                403,
                "Kubernetes Engine API has not been used in project 1",
                Code::CloudDenied,
                "container.googleapis.com",
            ),
            (401, "Invalid Credentials", Code::CloudDenied, "credentials"),
        ] {
            let failure = refused("c", status, &body(message), Some("serviceAccount:ci@p"));
            assert_eq!(failure.code(), code);
            let finding = failure.findings().next().unwrap();
            assert!(finding.advice().contains(help), "{finding:?}");
        }
    }
}
