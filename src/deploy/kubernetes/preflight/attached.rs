//! Whether the nodes may pull from a registry of their own cloud, where no pod brings a login. The cloud says what it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::Client;
use serde_json::Value;

use super::pods::{Template, list_of};
use super::view::api;
use crate::cloud::Unattached;
use crate::cluster::together;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::plan::ClusterSpec;
use crate::registry::Reference;

/// How long a cloud may take for what is only a warning.
const PATIENCE: Duration = Duration::from_secs(15);

/// Warns of registries that the cluster's nodes have no right to. What cannot be known is let pass.
pub(super) async fn check(
    client: &Client,
    spec: &ClusterSpec,
    templates: &[Template<'_>],
) -> Vec<Diagnostic> {
    let Some(cluster) = &spec.cloud else {
        return Vec::new();
    };
    let bare: Vec<&Template<'_>> = templates
        .iter()
        .filter(|one| !has_login(one.spec))
        .collect();
    let all: BTreeSet<String> = bare.iter().flat_map(|one| hosts(one)).collect();
    let asked = all.into_iter().map(async |host| {
        let found = tokio::time::timeout(PATIENCE, spec.clouds.unattached(cluster, &host));
        Some((host.clone(), found.await.ok()??))
    });
    let unattached = together(asked).await.into_iter().flatten();
    let unattached: BTreeMap<String, Unattached> = unattached.collect();
    if unattached.is_empty() {
        return Vec::new();
    }
    let concerned = bare.into_iter().filter(|one| {
        let hosts = hosts(one);
        unattached.keys().any(|host| hosts.contains(host))
    });
    let alone = concerned.map(async |one| (!account_has_login(client, one).await).then_some(one));
    let alone: Vec<&Template<'_>> = together(alone).await.into_iter().flatten().collect();
    judge(&alone, &unattached)
}

/// One finding a registry, at the first pod that needs it.
fn judge(
    templates: &[&Template<'_>],
    unattached: &BTreeMap<String, Unattached>,
) -> Vec<Diagnostic> {
    let told = unattached.iter().filter_map(|(host, found)| {
        let template = templates.iter().find(|one| hosts(one).contains(host))?;
        let message = format!(
            "`{}` pulls from `{host}` without a pull secret, and {}",
            template.object.label(),
            found.why
        );
        let at = template.object.at(&format!("{}.containers", template.path));
        let finding = Diagnostic::warning(Code::PullDenied, message);
        Some(finding.help(found.help.clone()).at(at))
    });
    told.collect()
}

/// Whether a pod, or an account, names a login of its own.
fn has_login(value: &Value) -> bool {
    !list_of(value, "imagePullSecrets").is_empty()
}

/// Whether the pod's account brings a login; one that may not be read may.
async fn account_has_login(client: &Client, template: &Template<'_>) -> bool {
    let name = template.spec.get("serviceAccountName");
    let name = name.and_then(Value::as_str).unwrap_or("default");
    let Some(api) = api(client, "ServiceAccount", template.namespace) else {
        return true;
    };
    match api.get_opt(name).await {
        Ok(Some(account)) => has_login(&account.data),
        // It comes with the manifests, or with its namespace.
        Ok(None) => false,
        Err(_) => true,
    }
}

/// The registries of the pod's images.
fn hosts(template: &Template<'_>) -> BTreeSet<String> {
    let containers = template.containers();
    let images = containers.iter().filter_map(|container| {
        let image = container.value.get("image")?.as_str()?;
        image.parse::<Reference>().ok()
    });
    images.map(|image| image.host().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::pods::templates;
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    const TEXT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: wine}
spec:
  template:
    spec:
      containers: [{name: model, image: 'wine.azurecr.io/team/wine:v1'}, {name: side, image: 'ghcr.io/a/b:1'}]
";

    #[test]
    fn a_registry_without_a_right_is_told_once_with_what_gives_it() {
        let objects = parse("k.yaml", TEXT).unwrap();
        let templates = templates(&objects, "ml");
        let all: Vec<_> = templates.iter().collect();
        assert_eq!(
            hosts(all[0]),
            BTreeSet::from(["ghcr.io".to_owned(), "wine.azurecr.io".to_owned()])
        );
        let unattached = |host: &str| {
            let found = Unattached {
                why: "the nodes have no role".to_owned(),
                help: "attach it".to_owned(),
            };
            BTreeMap::from([(host.to_owned(), found)])
        };
        let told = judge(&all, &unattached("wine.azurecr.io"));
        assert_eq!(told.len(), 1);
        assert_eq!(
            told[0].message,
            "`Deployment/wine` pulls from `wine.azurecr.io` without a pull secret, and the nodes have no role"
        );
        assert_eq!(told[0].advice(), "attach it");
        assert!(judge(&all, &unattached("other.azurecr.io")).is_empty());
        assert!(judge(&[], &unattached("wine.azurecr.io")).is_empty());
    }

    #[test]
    fn a_login_of_the_pod_or_its_account_is_enough() {
        assert!(has_login(&json!({"imagePullSecrets": [{"name": "a"}]})));
        assert!(!has_login(&json!({"imagePullSecrets": []})) && !has_login(&json!({})));
    }
}
