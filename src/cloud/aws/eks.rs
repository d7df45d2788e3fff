//! AWS's clusters: where one answers, and tokens for it. A token is a signed question of who we are, which the cluster asks.
//! Sources: Amazon EKS API reference; kubernetes-sigs/aws-iam-authenticator, "API Authorization from Outside a Cluster".

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use reqwest::{Method, Url};
use secrecy::SecretString;
use serde_json::Value;

use super::super::kept::{Fresh, Kept};
use super::super::{Address, Bearer, Described};
use super::Aws;
use super::call::Call;
use super::place::{Partition, Service, endpoint};
use super::sign::encode;
use super::sts;
use crate::cloud::spec::EksSpec;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How long the cluster takes a token: fifteen minutes, less one for clocks that differ.
const LIFE: Duration = Duration::from_secs(14 * 60);
/// How long a cluster that hides from the world may take to show itself.
const REACHED: Duration = Duration::from_secs(4);
/// Names of clusters that are shown to whoever gave a wrong one.
const LISTED: usize = 20;

impl Aws {
    /// The cluster's address and tokens.
    ///
    /// # Errors
    /// Those of finding the identity; `ClusterMissing`, `CloudDenied`, `ClusterUnreachable` for one that is not up or private.
    pub(in crate::cloud) async fn eks(&self, cluster: &EksSpec) -> Outcome<Described> {
        let name = &cluster.name;
        let region = self.region_for(&format!("the cluster `{name}`"))?;
        let tried = format!("look up the EKS cluster `{name}` in {region}");
        let keys = self.keys().await?;
        let path = format!("/clusters/{}", encode(name, false));
        let answer = self.ask(&question(&region, &path, &tried)).await?;
        let answer = match answer {
            Ok(answer) => answer,
            Err(refused) if refused.kind.starts_with("ResourceNotFound") => {
                return Err(self.missing(name, &region).await);
            }
            Err(refused) => {
                let partition = Partition::of(&region).name;
                let resource = format!("arn:{partition}:eks:{region}:*:cluster/{name}");
                return Err(refused.failure(&tried, &keys, ("eks:DescribeCluster", &resource)));
            }
        };
        let address = address(&answer["cluster"], name)?;
        if let Some(hidden) = hidden(&answer["cluster"])
            && !is_reached(&address.server).await
        {
            return Err(Failure::new(
                Code::ClusterUnreachable,
                format!("failed to reach API server `{}`: {hidden}", address.server),
            )
            .help("run this job within the cluster's network (a self-hosted runner), or let the cluster's public endpoint take this runner's address"));
        }
        let principal = self.principal().await?;
        Ok(Described::Address {
            address,
            bearer: self.bearer(name, &region, &principal),
        })
    }

    /// What to say of a cluster that is not there: which ones are, when we may know.
    async fn missing(&self, name: &str, region: &str) -> Failure {
        let failure = Failure::new(
            Code::ClusterMissing,
            format!("failed to find the EKS cluster `{name}` in {region}"),
        );
        let question = question(region, "/clusters", "list the EKS clusters");
        let Ok(Ok(answer)) = self.ask(&question).await else {
            return failure;
        };
        let known = answer["clusters"].as_array().into_iter().flatten();
        let mut known: Vec<_> = known
            .filter_map(Value::as_str)
            .map(|name| format!("`{name}`"))
            .collect();
        if known.is_empty() {
            return failure.help(format!(
                "there is none in {region} in this account: correct `aws-region`, or the account of the identity"
            ));
        }
        // The list may be cut by AWS too.
        if known.len() > LISTED || !answer["nextToken"].is_null() {
            known.truncate(LISTED);
            known.push("others".to_owned());
        }
        failure.help(format!(
            "set `cluster-name` to one of {}, or correct `aws-region`",
            known.join(", ")
        ))
    }

    fn bearer(&self, name: &str, region: &str, principal: &str) -> Bearer {
        let aws = self.clone();
        let what = format!("token for the EKS cluster `{name}`");
        let kept = Arc::new(Kept::new(what, self.around.voice.clone()));
        let (cluster, in_region) = (name.to_owned(), region.to_owned());
        let bearer = Bearer::new(move || {
            let (aws, kept) = (aws.clone(), kept.clone());
            let (cluster, region) = (cluster.clone(), in_region.clone());
            async move { kept.get(async || aws.token(&cluster, &region).await).await }
        });
        bearer.when_refused(format!(
            "let `{principal}` into the cluster: `aws eks create-access-entry --cluster-name {name} --region {region} --principal-arn {principal}` and `aws eks associate-access-policy` for the namespace, or name it in the ConfigMap `kube-system/aws-auth` when the cluster's authentication mode is CONFIG_MAP"
        ))
    }

    async fn token(&self, cluster: &str, region: &str) -> Outcome<Fresh<SecretString>> {
        let keys = self.keys().await?;
        let base = endpoint(Service::Sts, region, &self.around.environment);
        let url = sts::who_we_are(&keys, region, &base, cluster, Timestamp::now());
        let url = url.map_err(|why| {
            Failure::new(
                Code::CloudUnreachable,
                format!("failed to make a token for `{cluster}`: `{base}` is no address: {why}"),
            )
            .help("correct AWS_ENDPOINT_URL, which names it")
        })?;
        let value = SecretString::from(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url)));
        self.around.voice.mask(&value).await;
        // It does not outlive the keys that signed it.
        let life = keys.life().unwrap_or(LIFE).min(LIFE);
        Ok(Fresh {
            value,
            life: Some(life),
        })
    }
}

fn question<'a>(region: &'a str, path: &'a str, tried: &'a str) -> Call<'a> {
    Call {
        service: Service::Eks,
        region,
        method: Method::GET,
        path,
        headers: &[],
        body: Vec::new(),
        tried,
    }
}

/// Where the cluster answers, when it does.
fn address(cluster: &Value, name: &str) -> Outcome<Address> {
    let status = cluster["status"].as_str().unwrap_or("unknown");
    let server = cluster["endpoint"].as_str().filter(|url| !url.is_empty());
    let authority = cluster["certificateAuthority"]["data"].as_str();
    let authority = authority.and_then(|data| STANDARD.decode(data).ok());
    let authority = authority.and_then(|bytes| String::from_utf8(bytes).ok());
    let failed = |why: &str| {
        Failure::new(
            Code::ClusterUnreachable,
            format!("failed to use the EKS cluster `{name}`: {why}"),
        )
    };
    match status {
        "CREATING" => {
            return Err(failed("it is still being created")
                .help("wait until its status is ACTIVE: `aws eks wait cluster-active`"));
        }
        "DELETING" => return Err(failed("it is being deleted").help("correct `cluster-name`")),
        "FAILED" => {
            return Err(failed("its status is FAILED")
                .help("look at `aws eks describe-cluster`, field `health`"));
        }
        // One that is updated, or waits for a payment method, still answers.
        _ => {}
    }
    let (Some(server), Some(authority)) = (server, authority) else {
        return Err(failed(&format!("it is {status} and has no endpoint")));
    };
    Ok(Address {
        server: server.to_owned(),
        authority: Some(authority),
    })
}

/// Why not everybody may reach the cluster; `None`: everybody may.
fn hidden(cluster: &Value) -> Option<String> {
    let network = &cluster["resourcesVpcConfig"];
    if network["endpointPublicAccess"] == false {
        return Some("the cluster has only a private endpoint".to_owned());
    }
    let ranges = network["publicAccessCidrs"].as_array()?;
    let ranges: Vec<_> = ranges.iter().filter_map(Value::as_str).collect();
    let open = ranges.is_empty() || ranges.contains(&"0.0.0.0/0");
    (!open).then(|| {
        format!(
            "the cluster's public endpoint takes only {}",
            ranges.join(", ")
        )
    })
}

/// Whether something listens there.
async fn is_reached(server: &str) -> bool {
    let Ok(url) = Url::parse(server) else {
        return false;
    };
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let connected = tokio::net::TcpStream::connect((host.as_str(), port));
    matches!(tokio::time::timeout(REACHED, connected).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cluster_that_is_not_up_is_explained() {
        let cluster = |status: &str| json!({"status": status, "endpoint": "https://x.eks", "certificateAuthority": {"data": "cGVt"}});
        for status in ["ACTIVE", "UPDATING"] {
            let found = address(&cluster(status), "c").unwrap();
            assert_eq!(found.server, "https://x.eks");
            assert_eq!(found.authority.as_deref(), Some("pem"));
        }
        for (status, why) in [
            ("CREATING", "still being created"),
            ("DELETING", "being deleted"),
            ("FAILED", "FAILED"),
        ] {
            let failure = address(&cluster(status), "c").unwrap_err();
            assert_eq!(failure.code(), Code::ClusterUnreachable);
            assert!(failure.findings().next().unwrap().message.contains(why));
        }
        assert!(address(&json!({"status": "ACTIVE"}), "c").is_err());
    }

    #[test]
    fn who_may_reach_a_cluster_is_read() {
        let network = |public: bool, ranges: Value| json!({"resourcesVpcConfig": {"endpointPublicAccess": public, "publicAccessCidrs": ranges}});
        assert_eq!(hidden(&network(true, json!(["0.0.0.0/0"]))), None);
        assert_eq!(hidden(&json!({})), None);
        assert!(
            hidden(&network(false, json!([])))
                .unwrap()
                .contains("private")
        );
        assert!(
            hidden(&network(true, json!(["10.0.0.0/8"])))
                .unwrap()
                .contains("10.0.0.0/8")
        );
    }
}
