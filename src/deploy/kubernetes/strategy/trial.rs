//! A second Deployment beside the one that serves: how it is made of the manifest's, and how it goes again.
//! It knows no strategy.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::super::fields::MANAGER;
use super::super::manifest::Object;
use crate::cluster::{Cluster, transport};
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// How long pods may take to leave their Service after their Deployment is gone.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Log lines that are kept of a trial that did not verify.
const LINES: i64 = 20;

/// The Deployment `main` under another name, its pods told apart by one more label.
pub(super) fn beside(
    main: &Object,
    name: &str,
    label: (&str, &str),
    replicas: Option<u64>,
) -> Object {
    let mut object = main.clone();
    object.name = name.to_owned();
    let value = &mut object.value;
    if let Some(metadata) = map(value, &["metadata"]) {
        metadata.insert("name".to_owned(), object.name.clone().into());
    }
    for place in [
        &["metadata", "labels"][..],
        &["spec", "selector", "matchLabels"],
        &["spec", "template", "metadata", "labels"],
    ] {
        if let Some(labels) = map(value, place) {
            labels.insert(label.0.to_owned(), label.1.into());
        }
    }
    if let (Some(replicas), Some(spec)) = (replicas, map(value, &["spec"])) {
        spec.insert("replicas".to_owned(), replicas.into());
    }
    object
}

/// The map at a path, made where it is missing.
pub(super) fn map<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut place = value;
    for part in path {
        place = place.as_object_mut()?.entry(*part).or_insert(Value::Null);
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
    }
    place.as_object_mut()
}

/// The namespace of an object.
pub(super) fn namespace<'a>(cluster: &'a Cluster, object: &'a Object) -> &'a str {
    object.namespace.as_deref().unwrap_or(&cluster.namespace)
}

pub(super) fn api<K>(cluster: &Cluster, object: &Object) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(cluster.client.clone(), namespace(cluster, object))
}

/// Reads an object; `None` when it is not there.
pub(super) async fn read<K>(api: &Api<K>, label: &str, name: &str) -> Outcome<Option<K>>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    api.get_opt(name)
        .await
        .map_err(|error| failed("read", label, error))
}

/// A request about an object that failed.
pub(super) fn failed(verb: &str, label: &str, error: kube::Error) -> Failure {
    let code = match &error {
        kube::Error::Api(status) if status.code == 403 => Code::ClusterDenied,
        kube::Error::Api(_) => Code::ApplyFailed,
        _ => Code::ClusterUnreachable,
    };
    Failure::new(code, format!("failed to {verb} `{label}`: {}", why(error)))
}

fn why(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => transport(other),
    }
}

/// Removes what an earlier run left under the trial's name. One that we did not make is an error.
/// Returns how many of its pods were ready; `None` when there is nothing.
pub(super) async fn clear(
    cluster: &Cluster,
    trial: &Object,
    label: (&str, &str),
) -> Outcome<Option<i32>> {
    let api: Api<Deployment> = api(cluster, trial);
    let Some(found) = read(&api, &trial.label(), &trial.name).await? else {
        return Ok(None);
    };
    if found.labels().get(label.0).map(String::as_str) != Some(label.1) {
        let message = format!(
            "failed to make `{}`: there is one already that was not made by ml-deploy",
            trial.label()
        );
        return Err(Failure::new(Code::StrategyUnfit, message).help(format!(
            "rename it, or delete it with `kubectl -n {} delete deployment {}`",
            namespace(cluster, trial),
            trial.name
        )));
    }
    delete(&api, trial)
        .await
        .map_err(|error| failed("delete", &trial.label(), error))?;
    let ready = found.status.and_then(|status| status.ready_replicas);
    Ok(Some(ready.unwrap_or_default()))
}

/// Deletes it at once; the garbage collector takes its pods. They keep their owner all the time, so no other Deployment
/// whose selector matches them adopts them.
async fn delete(api: &Api<Deployment>, trial: &Object) -> Result<bool, kube::Error> {
    match api.delete(&trial.name, &DeleteParams::background()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        done => done.map(|_| true),
    }
}

/// Removes a trial and waits until no pod of it answers any more. Returns whether there was one; the error is one line.
pub(super) async fn remove(cluster: &Cluster, trial: &Object) -> Result<bool, String> {
    let was = delete(&api(cluster, trial), trial).await.map_err(why)?;
    let left = async {
        while !pods(cluster, trial).await.map_err(why)?.is_empty() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(was)
    };
    tokio::time::timeout(GONE_WITHIN, left)
        .await
        .unwrap_or_else(|_| Err("its pods are still there".to_owned()))
}

/// Names of the pods of a trial that are not going away.
pub(super) async fn pods(cluster: &Cluster, trial: &Object) -> Result<Vec<String>, kube::Error> {
    let labels = trial
        .value
        .pointer("/spec/template/metadata/labels")
        .and_then(Value::as_object);
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    let api: Api<Pod> = api(cluster, trial);
    let found = api
        .list(&ListParams::default().labels(&selector.join(",")))
        .await?;
    let stay = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
    Ok(found
        .items
        .into_iter()
        .filter(stay)
        .map(|pod| pod.name_any())
        .collect())
}

/// The last lines of a pod of the trial: they go with it. What cannot be read is left out.
pub(super) async fn log(cluster: &Cluster, trial: &Object) -> Vec<String> {
    let container = trial
        .value
        .pointer("/spec/template/spec/containers/0/name")
        .and_then(Value::as_str);
    let names = pods(cluster, trial).await.unwrap_or_default();
    let Some((name, container)) = names.first().zip(container) else {
        return Vec::new();
    };
    let params = LogParams {
        container: Some(container.to_owned()),
        tail_lines: Some(LINES),
        ..LogParams::default()
    };
    let api: Api<Pod> = api(cluster, trial);
    let read = api.logs(name, &params).await.unwrap_or_default();
    read.lines()
        .map(|line| format!("log {name} {container}: {line}"))
        .collect()
}

/// Scales a Deployment to zero.
pub(super) async fn stop(cluster: &Cluster, main: &Object, name: &str) -> Result<(), kube::Error> {
    let api: Api<Deployment> = api(cluster, main);
    quietly(&api, name, json!({"spec": {"replicas": 0}})).await
}

/// Changes a field without staying its owner: whoever applies the object next, we too, meets no conflict.
pub(super) async fn quietly<K>(api: &Api<K>, name: &str, change: Value) -> Result<(), kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let live = api.patch(name, &params, &Patch::Merge(&change)).await?;
    let mut owners = live.meta().managed_fields.clone().unwrap_or_default();
    owners.retain(|owner| {
        owner.manager.as_deref() != Some(MANAGER) || owner.operation.as_deref() != Some("Update")
    });
    let release = json!({"metadata": {"managedFields": owners}});
    // The change itself is done; an owner that stays costs a conflict later, which names itself.
    drop(api.patch(name, &params, &Patch::Merge(&release)).await);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    #[test]
    fn a_second_deployment_differs_by_name_label_and_replicas() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: wine}\nspec:\n  replicas: 5\n  selector: {matchLabels: {app: wine}}\n  template:\n    metadata: {labels: {app: wine, tier: web}}\n    spec: {containers: [{image: x}]}\n";
        let main = parse("k.yaml", text).unwrap().remove(0);
        let second = beside(&main, "wine-canary", ("ml-deploy/track", "canary"), Some(1));
        assert_eq!(second.label(), "Deployment/wine-canary");
        assert_eq!(second.value["metadata"]["name"], "wine-canary");
        assert_eq!(second.value["spec"]["replicas"], 1);
        assert_eq!(
            second.value["spec"]["selector"]["matchLabels"],
            json!({"app": "wine", "ml-deploy/track": "canary"})
        );
        assert_eq!(
            second.value["spec"]["template"]["metadata"]["labels"],
            json!({"app": "wine", "tier": "web", "ml-deploy/track": "canary"})
        );
        assert_eq!(
            second.value["metadata"]["labels"]["ml-deploy/track"],
            "canary"
        );
        // The manifest's own stays, and its replicas when none are given.
        assert_eq!(main.value["spec"]["replicas"], 5);
        let third = beside(&main, "wine-blue", ("k", "v"), None);
        assert_eq!(third.value["spec"]["replicas"], 5);
    }
}
