//! What is waited for: one object as it was applied, and how its kind is watched.

use kube::ResourceExt as _;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

use crate::deploy::kubernetes::manifest::Object;
use crate::diagnostic::Location;

/// One object as it was applied.
#[derive(Clone, Debug)]
pub(in crate::deploy::kubernetes) struct Target {
    pub(in crate::deploy::kubernetes) resource: ApiResource,
    pub(in crate::deploy::kubernetes) name: String,
    /// Empty for an object of the whole cluster.
    pub(in crate::deploy::kubernetes) namespace: String,
    pub(in crate::deploy::kubernetes) uid: String,
    pub(in crate::deploy::kubernetes) generation: i64,
    /// Where the manifest names it.
    pub(in crate::deploy::kubernetes) at: Option<Location>,
}

impl Target {
    /// The target for what the API server answered to an apply.
    pub(in crate::deploy::kubernetes) fn of(
        live: &DynamicObject,
        resource: &ApiResource,
        at: impl Into<Option<Location>>,
    ) -> Self {
        Self {
            resource: resource.clone(),
            name: live.name_any(),
            namespace: live.namespace().unwrap_or_default(),
            uid: live.uid().unwrap_or_default(),
            generation: live.metadata.generation.unwrap_or_default(),
            at: at.into(),
        }
    }

    /// Whether the object was applied as this. One that names no namespace went to the deployment's own.
    pub(in crate::deploy::kubernetes) fn is_of(&self, object: &Object) -> bool {
        let namespace = object.namespace.as_deref();
        (&*object.kind, object.group(), &*object.name)
            == (self.kind(), &*self.resource.group, &*self.name)
            && (self.namespace.is_empty()
                || namespace.is_none_or(|namespace| namespace == self.namespace))
    }

    /// `Deployment`.
    pub(in crate::deploy::kubernetes) fn kind(&self) -> &str {
        &self.resource.kind
    }

    /// `Kind/name`.
    pub(in crate::deploy::kubernetes) fn label(&self) -> String {
        format!("{}/{}", self.resource.kind, self.name)
    }

    /// Whether its pods are what it is about.
    pub(in crate::deploy::kubernetes) fn has_pods(&self) -> bool {
        matches!(
            (&*self.resource.group, self.kind()),
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "Job") | ("", "Pod")
        )
    }

    /// Whether its status says anything; else being there is all.
    pub(in crate::deploy::kubernetes) fn is_watched(&self) -> bool {
        let builtin = self.resource.group.is_empty()
            || !self.resource.group.contains('.')
            || self.resource.group.ends_with(".k8s.io");
        !builtin
            || self.has_pods()
            || matches!(
                self.kind(),
                "Service"
                    | "PersistentVolumeClaim"
                    | "HorizontalPodAutoscaler"
                    | "CustomResourceDefinition"
            )
    }

    /// Whether the deployment may go on when nobody may watch it.
    pub(super) fn is_dispensable(&self) -> bool {
        !self.has_pods()
    }
}

/// The resource of a kind that is watched besides the targets' own.
pub(super) fn companion(kind: &str) -> ApiResource {
    let group = match kind {
        "ReplicaSet" => "apps",
        "EndpointSlice" => "discovery.k8s.io",
        _ => "",
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}
