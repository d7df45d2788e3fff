//! Server-side apply: which resource an object is, in which order objects go, and the request itself.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use kube::api::{Patch, PatchParams};
use kube::core::discovery::Scope;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::discovery::ApiCapabilities;
use kube::{Api, Client, discovery};

use super::fields::MANAGER;
use super::manifest::Object;
use super::reject::explain;
use crate::cluster::{Cluster, transport};
use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Diagnostic;

/// Together with the number of tries: half a minute, in which an API server is restarted.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a request that could not be delivered is sent again; applying is idempotent.
const TRIES: u32 = 9;

/// What the cluster knows about the kinds in use.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    known: HashMap<(String, String), (ApiResource, bool)>,
}

impl Kinds {
    /// Asks the API server once per kind. A kind that it does not have is a finding, unless the objects bring its
    /// definition along.
    pub(super) async fn discover(
        client: &Client,
        objects: &[Object],
    ) -> Result<Self, Vec<Diagnostic>> {
        let (kinds, findings) = Self::discover_all(client, objects).await;
        if findings.is_empty() {
            Ok(kinds)
        } else {
            Err(findings)
        }
    }

    /// The same, with what is known and with the findings about the rest.
    pub(super) async fn discover_all(
        client: &Client,
        objects: &[Object],
    ) -> (Self, Vec<Diagnostic>) {
        let mut first: HashMap<(String, String), &Object> = HashMap::new();
        for object in objects {
            first
                .entry((object.api_version.clone(), object.kind.clone()))
                .or_insert(object);
        }
        let asked = join_all(first.into_iter().map(async |(key, object)| {
            let version = object.api_version.rsplit('/').next().unwrap_or_default();
            let gvk = GroupVersionKind::gvk(object.group(), version, &object.kind);
            (key, object, pinned(client, &gvk).await)
        }));
        let (mut kinds, mut findings) = (Self::default(), Vec::new());
        for (key, object, answer) in asked.await {
            match answer {
                Ok((resource, capabilities)) => {
                    let namespaced = capabilities.scope == Scope::Namespaced;
                    kinds.known.insert(key, (resource, namespaced));
                }
                Err(_) if defined(objects, object) => {}
                Err(error) => findings.push(unknown(object, error)),
            }
        }
        (kinds, findings)
    }

    /// Takes in what is known elsewhere.
    pub(super) fn extend(&mut self, more: Self) {
        self.known.extend(more.known);
    }

    /// The resource of an object, and whether it lives in a namespace; `None` while its definition is not applied.
    pub(super) fn of(&self, object: &Object) -> Option<(&ApiResource, bool)> {
        let key = (object.api_version.clone(), object.kind.clone());
        self.known
            .get(&key)
            .map(|(resource, namespaced)| (resource, *namespaced))
    }
}

/// What the API server knows of a kind; one that is restarted is waited for.
async fn pinned(
    client: &Client,
    kind: &GroupVersionKind,
) -> Result<(ApiResource, ApiCapabilities), kube::Error> {
    let mut wait = Duration::from_millis(500);
    loop {
        match discovery::pinned_kind(client, kind).await {
            Err(error) if wait <= LONGEST_PAUSE && transient(&error) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            answer => return answer,
        }
    }
}

/// Whether a CustomResourceDefinition for the object's kind is among the objects.
fn defined(objects: &[Object], object: &Object) -> bool {
    objects.iter().any(|other| {
        other.kind == "CustomResourceDefinition"
            && other.value["spec"]["group"] == object.group()
            && other.value["spec"]["names"]["kind"] == object.kind.as_str()
    })
}

fn unknown(object: &Object, error: kube::Error) -> Diagnostic {
    let (kind, version) = (&object.kind, &object.api_version);
    let missing = match &error {
        kube::Error::Api(status) => status.code == 404,
        kube::Error::Discovery(_) => true,
        _ => false,
    };
    if !missing {
        let message = format!(
            "failed to ask the API server for kind `{kind}`: {}",
            transport(error)
        );
        return Diagnostic::error(Code::ClusterUnreachable, message);
    }
    Diagnostic::error(
        Code::ManifestRejected,
        format!("failed to apply `{}`: the cluster has no kind `{kind}` in `{version}`", object.label()),
    )
    .help("correct `apiVersion` and `kind` (`kubectl api-resources` lists them), or install the custom resource's definition first")
    .at(object.at("kind"))
}

/// What must be there first: namespaces and definitions, configuration, rights, storage, workloads, routing.
fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" | "CustomResourceDefinition" | "PriorityClass" => 0,
        "ResourceQuota" | "LimitRange" | "ConfigMap" | "Secret" => 1,
        "ServiceAccount" => 2,
        "Role" | "ClusterRole" => 3,
        "RoleBinding" | "ClusterRoleBinding" => 4,
        "StorageClass" | "PersistentVolume" | "PersistentVolumeClaim" => 5,
        "Service" => 7,
        "HorizontalPodAutoscaler"
        | "PodDisruptionBudget"
        | "Ingress"
        | "HTTPRoute"
        | "NetworkPolicy" => 8,
        _ => 6,
    }
}

/// Puts objects into the order in which they are applied; within a rank the files' order stays.
pub(super) fn order(objects: &mut [Object]) {
    objects.sort_by_key(|object| rank(&object.kind));
}

/// Whether it is what workloads are given and not one of them: it can be there before a new version is.
pub(super) fn is_configuration(kind: &str) -> bool {
    rank(kind) < rank("Deployment")
}

/// The place of an object in the cluster.
pub(super) fn api(
    cluster: &Cluster,
    (resource, namespaced): (&ApiResource, bool),
    object: &Object,
) -> Api<DynamicObject> {
    if namespaced {
        let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
        Api::namespaced_with(cluster.client.clone(), namespace, resource)
    } else {
        Api::all_with(cluster.client.clone(), resource)
    }
}

/// How an object is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) dry_run: bool,
    pub(super) force: bool,
}

/// Applies one object and returns it as it is live.
pub(super) async fn apply(
    cluster: &Cluster,
    resource: (&ApiResource, bool),
    object: &Object,
    manner: Manner,
) -> Result<DynamicObject, kube::Error> {
    let mut params = PatchParams::apply(MANAGER).validation_strict();
    params.dry_run = manner.dry_run;
    params.force = manner.force;
    api(cluster, resource, object)
        .patch(&object.name, &params, &Patch::Apply(&object.value))
        .await
}

/// Applies one object for real; what is transient is tried again.
pub(super) async fn apply_surely(
    ctx: &Context,
    cluster: &Cluster,
    resource: (&ApiResource, bool),
    object: &Object,
    force: bool,
) -> Result<DynamicObject, Vec<Diagnostic>> {
    let manner = Manner {
        dry_run: false,
        force,
    };
    let mut wait = Duration::from_millis(500);
    for left in (0..TRIES).rev() {
        match apply(cluster, resource, object, manner).await {
            Ok(live) => return Ok(live),
            Err(error) if left > 0 && transient(&error) => {
                let finding = explain(object, error).pop();
                let why = finding.map(|finding| finding.message).unwrap_or_default();
                ctx.events.retrying(wait, why).await;
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(explain(object, error)),
        }
    }
    Err(Vec::new())
}

/// Whether the same request may succeed in a moment: nothing was decided about the object itself.
pub(super) fn transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            matches!(status.code, 429 | 502..=504)
                || (status.code == 500 && !status.message.contains("typed patch object"))
                // A webhook or a controller was quicker: the object changed while we wrote.
                || (status.code == 409 && status.message.contains("the object has been modified"))
        }
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    #[test]
    fn what_others_need_goes_first() {
        let text: String = [
            "Ingress",
            "Deployment",
            "Service",
            "Secret",
            "Wine",
            "Namespace",
            "RoleBinding",
        ]
        .iter()
        .map(|kind| format!("---\napiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n"))
        .collect();
        let mut objects = parse("k.yaml", &text).unwrap();
        order(&mut objects);
        let kinds: Vec<&str> = objects.iter().map(|object| object.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "Namespace",
                "Secret",
                "RoleBinding",
                "Deployment",
                "Wine",
                "Service",
                "Ingress"
            ]
        );
    }
}
