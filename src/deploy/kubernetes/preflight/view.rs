//! What preflight has seen of the cluster: lists of the kinds that checks compare with, read once and concurrently.
//! What the account may not read is simply not known: a check that needs it is left out.

use std::collections::{BTreeSet, HashMap};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Node, PersistentVolume, PersistentVolumeClaim, Pod, ResourceQuota,
    Secret, Service, ServiceAccount,
};
use k8s_openapi::api::networking::v1::IngressClass;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use serde_json::Value;

use crate::cluster::together;

/// Items of one answer, and answers of one list. A longer list counts as not known, so memory stays bounded.
const PAGE: u32 = 500;
const PAGES: usize = 20;

/// A kind, and the namespace it is listed in; empty for all of them and for kinds without one.
pub(super) type Want = (&'static str, String);

/// Lists by kind and namespace.
#[derive(Debug, Default)]
pub(super) struct View {
    lists: HashMap<Want, Vec<Value>>,
}

impl View {
    /// Reads everything that is wanted.
    pub(super) async fn read(client: &Client, wanted: BTreeSet<Want>) -> Self {
        let answers = together(wanted.iter().map(|want| all(client, want.0, &want.1))).await;
        let known = wanted.into_iter().zip(answers);
        Self {
            lists: known
                .filter_map(|(want, list)| Some((want, list?)))
                .collect(),
        }
    }

    /// The objects; `None` when they are not known.
    pub(super) fn list(&self, kind: &'static str, namespace: &str) -> Option<&[Value]> {
        self.lists
            .get(&(kind, namespace.to_owned()))
            .map(Vec::as_slice)
    }

    /// A view with these lists.
    #[cfg(test)]
    pub(super) fn of(lists: impl IntoIterator<Item = (Want, Vec<Value>)>) -> Self {
        Self {
            lists: lists.into_iter().collect(),
        }
    }
}

async fn all(client: &Client, kind: &str, namespace: &str) -> Option<Vec<Value>> {
    let api = api(client, kind, namespace)?;
    let mut params = ListParams::default().limit(PAGE);
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let page = api.list(&params).await.ok()?;
        found.extend(
            page.items
                .iter()
                .filter_map(|item| serde_json::to_value(item).ok()),
        );
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Some(found),
        }
    }
    None
}

/// Requests for a kind of the table; in all namespaces when none is named. `None`: the kind is not in the table.
pub(super) fn api(client: &Client, kind: &str, namespace: &str) -> Option<Api<DynamicObject>> {
    let resource = resource(kind)?;
    Some(if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    })
}

/// Kinds that manifests refer to or are compared with.
fn resource(kind: &str) -> Option<ApiResource> {
    Some(match kind {
        "ConfigMap" => ApiResource::erase::<ConfigMap>(&()),
        "DaemonSet" => ApiResource::erase::<DaemonSet>(&()),
        "Deployment" => ApiResource::erase::<Deployment>(&()),
        "IngressClass" => ApiResource::erase::<IngressClass>(&()),
        "LimitRange" => ApiResource::erase::<LimitRange>(&()),
        "Node" => ApiResource::erase::<Node>(&()),
        "PersistentVolume" => ApiResource::erase::<PersistentVolume>(&()),
        "PersistentVolumeClaim" => ApiResource::erase::<PersistentVolumeClaim>(&()),
        "Pod" => ApiResource::erase::<Pod>(&()),
        "PriorityClass" => ApiResource::erase::<PriorityClass>(&()),
        "ResourceQuota" => ApiResource::erase::<ResourceQuota>(&()),
        "RuntimeClass" => ApiResource::erase::<RuntimeClass>(&()),
        "Secret" => ApiResource::erase::<Secret>(&()),
        "Service" => ApiResource::erase::<Service>(&()),
        "ServiceAccount" => ApiResource::erase::<ServiceAccount>(&()),
        "StatefulSet" => ApiResource::erase::<StatefulSet>(&()),
        "StorageClass" => ApiResource::erase::<StorageClass>(&()),
        _ => return None,
    })
}
