//! Which step an object needs to be as it was: a comparison of the snapshot with what is live now. Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::{Entry, Was};
use crate::cluster::{text, uid_of};
use crate::deploy::kubernetes::fields;
use crate::deploy::kubernetes::manifest::Object;

/// What one object needs.
#[derive(Clone)]
pub(super) enum Step {
    /// It is as it was.
    Nothing,
    /// Apply this: the former values of the fields that are ours.
    Apply(Box<Value>),
    /// It was made by this deployment.
    Delete { uid: String },
    /// It cannot be compared, and the text says why.
    Refuse(String),
    /// It stays, and the text says why.
    Leave(String),
}

/// Kinds whose deletion takes along what others may have put there.
pub(in super::super) fn is_precious(kind: &str) -> bool {
    matches!(
        kind,
        "Namespace" | "CustomResourceDefinition" | "PersistentVolume" | "PersistentVolumeClaim"
    )
}

/// The step for one object. Pure.
pub(super) fn step(entry: &Entry, now: Option<&Value>, since: Timestamp) -> Step {
    let label = entry.object.label();
    match (&entry.was, now) {
        (Was::Unknown, _) => Step::Leave(format!("{label}: it could not be read before")),
        (Was::Absent, None) => Step::Nothing,
        (Was::Absent, Some(now)) => {
            // Somebody else may have made it since the snapshot.
            let made: Option<Timestamp> = text(now, "/metadata/creationTimestamp").parse().ok();
            if !fields::has_ours(now) || made.is_none_or(|made| made < since) {
                return Step::Nothing;
            }
            if is_precious(&entry.object.kind) {
                return Step::Leave(format!(
                    "{label} was made by this deployment and is left: others may have put something there; delete it by hand"
                ));
            }
            let uid = uid_of(now).to_owned();
            Step::Delete { uid }
        }
        (Was::Live(was), None) => Step::Apply(Box::new(whole(was))),
        (Was::Live(was), Some(now)) => {
            // What is ours now, and what was ours before unless somebody else has taken it over since.
            let (mine, former) = (fields::ours(now), fields::ours(was));
            let former = fields::minus(former, &fields::of_others(now));
            let all = fields::union(mine, former);
            // A set with nothing in it would mean the whole object.
            let of = |value: &Value| {
                (!all.is_empty())
                    .then(|| fields::extract(value, &all))
                    .flatten()
                    .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
            };
            let wanted = of(was);
            if wanted == of(now) {
                Step::Nothing
            } else {
                Step::Apply(Box::new(named(wanted, &entry.object, was)))
            }
        }
    }
}

/// What every request for an object must say of it.
fn named(mut value: Value, object: &Object, was: &Value) -> Value {
    value["apiVersion"] = object.api_version.as_str().into();
    value["kind"] = object.kind.as_str().into();
    value["metadata"]["name"] = object.name.as_str().into();
    if let Some(namespace) = was.pointer("/metadata/namespace") {
        value["metadata"]["namespace"] = namespace.clone();
    }
    // An object that was made anew meanwhile is not the one that was live.
    value["metadata"]["uid"] = uid_of(was).into();
    value
}

/// All that a person could have written, of an object that is gone.
fn whole(was: &Value) -> Value {
    let mut value = was.clone();
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("status");
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        let server = ["uid", "resourceVersion", "generation", "creationTimestamp"];
        for field in server.into_iter().chain(["managedFields", "selfLink"]) {
            metadata.shift_remove(field);
        }
    }
    value
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
