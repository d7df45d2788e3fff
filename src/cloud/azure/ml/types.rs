//! What Azure Machine Learning says of its things, and how an endpoint is written back. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::sovereign::{is_registry, registry_name};

/// A workspace.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// Azure's name of its region.
    pub(crate) location: String,
    /// Name of its own registry; a new workspace may have none.
    registry: Option<String>,
    /// Whether only its private network reaches it.
    pub(crate) private: bool,
}

impl Workspace {
    pub(super) fn of(body: &Value) -> Self {
        let registry = text(body, "/properties/containerRegistry");
        Self {
            location: text(body, "/location").to_owned(),
            registry: registry
                .rsplit('/')
                .next()
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            private: text(body, "/properties/publicNetworkAccess") == "Disabled",
        }
    }

    /// Whether the registry that answers there is the workspace's own.
    pub(crate) fn owns(&self, host: &str) -> bool {
        let own = self.registry.as_deref();
        is_registry(host) && own.is_some_and(|own| own.eq_ignore_ascii_case(registry_name(host)))
    }
}

/// How an endpoint knows who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    Key,
    /// A token that the workspace hands out.
    Workspace,
    /// A token of the directory.
    Directory,
}

/// An online endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) name: String,
    /// `Succeeded`, `Creating`, …
    pub(crate) state: String,
    pub(crate) auth: Auth,
    /// Per cent by deployment.
    pub(crate) traffic: BTreeMap<String, u64>,
    /// Deployments that get a copy of requests, whose answers nobody sees.
    pub(crate) mirrored: BTreeSet<String>,
    /// Where it is asked.
    pub(crate) scoring: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    body: Value,
}

impl Endpoint {
    pub(super) fn of(body: &Value) -> Self {
        let scoring = text(body, "/properties/scoringUri");
        Self {
            name: text(body, "/name").to_owned(),
            state: text(body, "/properties/provisioningState").to_owned(),
            auth: match text(body, "/properties/authMode") {
                "AADToken" => Auth::Directory,
                "AMLToken" => Auth::Workspace,
                _ => Auth::Key,
            },
            traffic: shares(body, "/properties/traffic").collect(),
            mirrored: shares(body, "/properties/mirrorTraffic")
                .map(|(name, _)| name)
                .collect(),
            scoring: (!scoring.is_empty()).then(|| scoring.to_owned()),
            tags: tags(body),
            body: body.clone(),
        }
    }

    /// Whether Azure is busy with it.
    pub(crate) fn is_changing(&self) -> bool {
        is_changing(&self.state)
    }

    /// A new one. Without an identity of its own it could not pull from the workspace's registry.
    pub(crate) fn fresh(location: &str, tags: &BTreeMap<String, String>) -> Value {
        json!({
            "location": location,
            "tags": tags,
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key"},
        })
    }

    /// As it is, but for its traffic and some tags: what only Azure may write is left out.
    pub(crate) fn with(
        &self,
        traffic: &BTreeMap<String, u64>,
        tags: &BTreeMap<String, String>,
    ) -> Value {
        let kept = |from: Option<&Value>, names: &[&str]| -> Map<String, Value> {
            let from = from.and_then(Value::as_object);
            from.into_iter()
                .flatten()
                .filter(|(name, value)| names.contains(&name.as_str()) && !value.is_null())
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        let mut body = kept(Some(&self.body), &["location", "kind", "sku"]);
        let mut properties = kept(
            self.body.get("properties"),
            &[
                "authMode",
                "description",
                "properties",
                "compute",
                "mirrorTraffic",
                "publicNetworkAccess",
            ],
        );
        properties.insert("traffic".to_owned(), json!(traffic));
        body.insert("properties".to_owned(), properties.into());
        if let Some(identity) = self.body.get("identity").filter(|one| !one.is_null()) {
            let mut identity = kept(Some(identity), &["type", "userAssignedIdentities"]);
            if let Some(Value::Object(assigned)) = identity.get_mut("userAssignedIdentities") {
                assigned.values_mut().for_each(|one| *one = json!({}));
            }
            body.insert("identity".to_owned(), identity.into());
        }
        let mut all = self.tags.clone();
        all.extend(tags.clone());
        body.insert("tags".to_owned(), json!(all));
        body.into()
    }
}

/// A deployment of an online endpoint.
#[derive(Clone, Debug)]
pub(crate) struct OnlineDeployment {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) tags: BTreeMap<String, String>,
    /// Id of its environment; it ends with `environments/NAME/versions/VERSION`.
    pub(crate) environment: String,
    pub(crate) instance_type: String,
    pub(crate) instances: u64,
}

impl OnlineDeployment {
    pub(super) fn of(body: &Value) -> Self {
        let instances = body.pointer("/sku/capacity").and_then(Value::as_u64);
        Self {
            name: text(body, "/name").to_owned(),
            state: text(body, "/properties/provisioningState").to_owned(),
            tags: tags(body),
            environment: text(body, "/properties/environmentId").to_owned(),
            instance_type: text(body, "/properties/instanceType").to_owned(),
            instances: instances.unwrap_or(1),
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// One as Azure would answer, for tests of those who judge it.
    pub(crate) fn example(body: &Value) -> Self {
        Self::of(body)
    }
}

#[cfg(test)]
impl OnlineDeployment {
    /// One as Azure would answer, for tests of those who judge it.
    pub(crate) fn example(body: &Value) -> Self {
        Self::of(body)
    }
}

/// Whether something in this state is being changed, and takes no other change.
pub(crate) fn is_changing(state: &str) -> bool {
    matches!(state, "Creating" | "Updating" | "Scaling" | "Deleting")
}

/// Who has a share that is more than nothing, and how much.
fn shares(body: &Value, pointer: &str) -> impl Iterator<Item = (String, u64)> {
    let shares = body.pointer(pointer).and_then(Value::as_object);
    shares
        .into_iter()
        .flatten()
        .filter_map(|(name, share)| Some((name.clone(), share.as_u64()?)))
        .filter(|(_, share)| *share > 0)
}

fn tags(body: &Value) -> BTreeMap<String, String> {
    let tags = body.get("tags").and_then(Value::as_object);
    tags.into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A text in an answer; empty when it is not there.
pub(super) fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    let found = body.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_written_back_without_what_only_azure_writes() {
        let body = json!({
            "id": "/x", "name": "wine", "type": "t", "location": "westeurope", "systemData": {"createdBy": "me"}, "kind": null,
            "tags": {"team": "red", "ml-deploy.commit": "old"},
            "identity": {"type": "UserAssigned", "principalId": "p", "userAssignedIdentities": {"/id/a": {"clientId": "c"}}},
            "properties": {"authMode": "AADToken", "scoringUri": "https://wine.example/score", "provisioningState": "Succeeded",
                "traffic": {"blue": 100, "green": 0}, "mirrorTraffic": {}, "swaggerUri": "s", "description": "Wine"},
        });
        let endpoint = Endpoint::of(&body);
        assert_eq!(endpoint.auth, Auth::Directory);
        assert_eq!(endpoint.traffic, BTreeMap::from([("blue".to_owned(), 100)]));
        let traffic = BTreeMap::from([("green".to_owned(), 100)]);
        let tags = BTreeMap::from([("ml-deploy.commit".to_owned(), "new".to_owned())]);
        assert_eq!(
            endpoint.with(&traffic, &tags),
            json!({
                "location": "westeurope",
                "tags": {"team": "red", "ml-deploy.commit": "new"},
                "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/id/a": {}}},
                "properties": {"authMode": "AADToken", "mirrorTraffic": {}, "description": "Wine", "traffic": {"green": 100}},
            })
        );
    }

    #[test]
    fn a_workspace_may_have_no_registry_yet() {
        let with = json!({"properties": {"containerRegistry": "/a/b/registries/wine", "publicNetworkAccess": "Disabled"}});
        let with = Workspace::of(&with);
        assert!(with.owns("wine.azurecr.io") && with.owns("wine-a1b2.azurecr.cn"));
        assert!(!with.owns("wine2.azurecr.io") && !with.owns("wine.example"));
        assert!(with.private);
        let without = Workspace::of(
            &json!({"location": "westeurope", "properties": {"containerRegistry": null}}),
        );
        assert!(!without.owns("wine.azurecr.io") && !without.private);
    }
}
