//! What Services and everything that points to them are compared with: the manifests and what was read of the cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::manifest::Object;
use super::pods::Template;
use super::view::View;

/// Kinds whose pods a Service may choose.
pub(super) const MAKERS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// What the checks compare with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routes<'a> {
    pub(super) objects: &'a [Object],
    pub(super) templates: &'a [Template<'a>],
    /// Namespace of what names none.
    pub(super) default: &'a str,
    pub(super) view: &'a View,
    /// Namespaces that do not exist yet: nothing is in them.
    pub(super) absent: &'a BTreeSet<String>,
}

impl<'a> Routes<'a> {
    pub(super) fn namespace(&self, object: &'a Object) -> &'a str {
        object.namespace.as_deref().unwrap_or(self.default)
    }

    /// A list of the cluster; empty in a namespace that is not there yet, `None` when it is not known.
    pub(super) fn live(&self, kind: &'static str, namespace: &str) -> Option<&'a [Value]> {
        if self.absent.contains(namespace) {
            return Some(&[]);
        }
        self.view.list(kind, namespace)
    }
}

/// A text without its own quotes, or a number, in backticks.
pub(super) fn quoted(value: &Value) -> String {
    format!("`{}`", plain(value))
}

/// A text without its own quotes, or a number.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
