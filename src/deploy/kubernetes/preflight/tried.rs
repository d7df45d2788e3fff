//! Every object as it is live and as a server-side dry run would leave it. Read-only: nothing is changed.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Api;
use kube::core::ApiResource;
use kube::core::DynamicObject;
use serde_json::Value;

use super::super::apply::{Kinds, Manner, apply, transient};
use super::super::diff::{self, Places};
use super::super::manifest::Object;
use super::super::reject;
use crate::artifact::{Action, Change, Changes};
use crate::cluster::{Cluster, together};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// How long is waited before a request that decided nothing is sent again.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

/// What the cluster says of one object.
#[derive(Debug)]
pub(super) struct Tried<'a> {
    pub(super) object: &'a Object,
    /// As it is now; `None` when it is not there or may not be read.
    pub(super) live: Option<Value>,
    /// As it would be; `None` when it was refused or could not be tried.
    pub(super) after: Option<Value>,
    /// It is surely not there yet.
    pub(super) new: bool,
    pub(super) refused: Vec<Diagnostic>,
}

/// Tries all objects of kinds that the cluster knows.
pub(super) async fn try_all<'a>(
    cluster: &Cluster,
    force: bool,
    objects: &'a [Object],
    kinds: &Kinds,
    absent: &BTreeSet<String>,
) -> Vec<Tried<'a>> {
    let known = objects
        .iter()
        .filter_map(|object| Some((object, kinds.of(object)?)));
    together(known.map(|(object, resource)| one(cluster, object, resource, force, absent))).await
}

async fn one<'a>(
    cluster: &Cluster,
    object: &'a Object,
    resource: (&ApiResource, bool),
    force: bool,
    absent: &BTreeSet<String>,
) -> Tried<'a> {
    let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
    if resource.1 && absent.contains(namespace) {
        elsewhere(cluster, object, resource).await
    } else {
        here(cluster, object, resource, force).await
    }
}

async fn here<'a>(
    cluster: &Cluster,
    object: &'a Object,
    (resource, namespaced): (&ApiResource, bool),
    force: bool,
) -> Tried<'a> {
    let api: Api<DynamicObject> = if namespaced {
        let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
        Api::namespaced_with(cluster.client.clone(), namespace, resource)
    } else {
        Api::all_with(cluster.client.clone(), resource)
    };
    let manner = Manner {
        dry_run: true,
        force,
    };
    let (live, after) = tokio::join!(
        api.get_opt(&object.name),
        patiently(cluster, (resource, namespaced), object, manner)
    );
    let new = matches!(live, Ok(None));
    let live = live.ok().flatten().and_then(plain);
    let (after, refused) = match after {
        Ok(after) => (plain(after), Vec::new()),
        Err(error) => (None, reject::explain_against(object, live.as_ref(), error)),
    };
    Tried {
        object,
        live,
        after,
        new,
        refused,
    }
}

/// In a namespace that is not there nothing can be tried, but what the API server says of the object's fields in another
/// one holds there too. Only that is kept; quota, policies and rights of the other namespace mean nothing.
async fn elsewhere<'a>(
    cluster: &Cluster,
    object: &'a Object,
    resource: (&ApiResource, bool),
) -> Tried<'a> {
    let mut moved = object.clone();
    moved.namespace = Some("default".to_owned());
    if let Some(metadata) = moved
        .value
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
    {
        metadata.insert("namespace".to_owned(), "default".into());
    }
    let manner = Manner {
        dry_run: true,
        force: true,
    };
    let refused = match patiently(cluster, resource, &moved, manner).await {
        Err(error) if reject::is_about_fields(&error) => reject::explain(object, error),
        _ => Vec::new(),
    };
    // An object of the same name could be there, with fields that stay as they were made.
    let own = [Code::ManifestRejected, Code::SelectorMismatch];
    let refused = refused
        .into_iter()
        .filter(|finding| own.contains(&finding.code))
        .collect();
    Tried {
        object,
        live: None,
        after: None,
        new: true,
        refused,
    }
}

/// A dry run; what is no verdict about the object, such as a busy server, is asked again.
async fn patiently(
    cluster: &Cluster,
    resource: (&ApiResource, bool),
    object: &Object,
    manner: Manner,
) -> Result<DynamicObject, kube::Error> {
    for wait in PAUSES {
        match apply(cluster, resource, object, manner).await {
            Err(error) if transient(&error) => tokio::time::sleep(wait).await,
            done => return done,
        }
    }
    apply(cluster, resource, object, manner).await
}

fn plain(object: DynamicObject) -> Option<Value> {
    serde_json::to_value(object).ok()
}

/// The changes of all objects that could be tried. `pending` is what stands in for an image that is not made yet.
pub(super) fn changes(tried: &[Tried<'_>], pending: Option<&str>) -> Changes {
    let change = |one: &Tried<'_>| {
        let (action, fields) = match (&one.live, &one.after) {
            (Some(live), Some(after)) => {
                let fields = diff::fields(&one.object.kind, live, after, Places::Named(pending));
                let action = if fields.is_empty() {
                    Action::Unchanged
                } else {
                    Action::Changed
                };
                (action, fields)
            }
            _ if one.new && one.refused.is_empty() => (Action::Created, Vec::new()),
            // Refused or not to be read: nothing true can be said.
            _ => return None,
        };
        Some(Change {
            object: one.object.label(),
            action,
            fields,
        })
    };
    Changes {
        objects: tried.iter().filter_map(change).collect(),
    }
}
