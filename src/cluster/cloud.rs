//! From what a cloud says of its cluster to the client's configuration. It knows no cloud's own interface.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{kubeconfig, way};
use crate::cloud::{Address, Bearer, Described};
use crate::failure::Outcome;
use crate::plan::{CloudCluster, ClusterSpec};

/// The configuration for the cluster, and who makes the tokens when the kubeconfig does not hold one.
pub(super) async fn configure(
    spec: &ClusterSpec,
    cluster: &CloudCluster,
) -> Outcome<(Config, Option<Bearer>)> {
    let described = spec.clouds.cluster(cluster).await?;
    let (mut found, bearer) = match described {
        Described::Kubeconfig { text, bearer } => {
            (kubeconfig::parse(text.expose_secret())?, bearer)
        }
        Described::Address { address, bearer } => (of(&address)?, Some(bearer)),
    };
    if bearer.is_some() {
        // Whatever program or certificate it names, the bearer stands for it.
        for user in &mut found.auth_infos {
            user.auth_info = Some(AuthInfo::default());
        }
    }
    let context = kubeconfig::context(&found, spec.context.as_deref())?;
    let proxy = way::named(&found, &context);
    let options = KubeConfigOptions {
        context: Some(context),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(found, &options).await;
    let mut config = config.map_err(|error| {
        kubeconfig::invalid(format!(
            "failed to use what the cloud says of the cluster: {error}"
        ))
    })?;
    way::settle(&mut config, proxy.as_deref());
    if let Some(bearer) = &bearer {
        // Who may not have a token is told so in the cloud's own words, before the first request.
        bearer.token().await?;
    }
    Ok((config, bearer))
}

/// A kubeconfig without a user.
fn of(address: &Address) -> Outcome<Kubeconfig> {
    let mut cluster = json!({"server": address.server});
    if let Some(pem) = &address.authority {
        cluster["certificate-authority-data"] = STANDARD.encode(pem).into();
    }
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "cloud",
        "contexts": [{"name": "cloud", "context": {"cluster": "cloud", "user": "cloud"}}],
        "clusters": [{"name": "cloud", "cluster": cluster}],
        "users": [{"name": "cloud", "user": {}}],
    });
    kubeconfig::parse(&document.to_string())
}
