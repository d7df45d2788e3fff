//! What pods refer to by name (Secrets, ConfigMaps and their keys, accounts, claims, classes) is in the manifests or in the
//! cluster. Of a Secret only the names of its keys are kept.

use std::collections::{BTreeMap, BTreeSet};

use kube::Client;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::Value;

use super::super::manifest::Object;
use super::mentions::{Reference, collect};
use super::pods::{Template, list_of, near, suggestion};
use super::view::api;
use crate::cluster::together;
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// A kind, a namespace and a name.
type Place = (&'static str, String, String);

/// What the cluster says of one object.
#[derive(Clone, Debug)]
enum Found {
    /// It is there, with these keys.
    There(BTreeSet<String>),
    Missing,
    /// The account may not look.
    Unknown,
}

/// Asks for everything that the manifests refer to and do not bring along.
pub(super) async fn check(
    client: &Client,
    objects: &[Object],
    templates: &[Template<'_>],
    default: &str,
    absent: &BTreeSet<String>,
) -> Vec<Diagnostic> {
    let references = collect(objects, templates, default);
    let asked: BTreeSet<Place> = references
        .iter()
        .filter(|reference| !brought(reference, objects, default))
        .map(place)
        .collect();
    let unknown = asked.iter().map(|place| ask(client, place, absent));
    let answers = together(unknown).await;
    let found: BTreeMap<Place, Found> = asked.iter().cloned().zip(answers).collect();
    // Names that are there are only asked for when one is missing.
    let lacking: BTreeSet<(&'static str, String)> = found
        .iter()
        .filter(|(place, found)| matches!(found, Found::Missing) && !absent.contains(&place.1))
        .map(|((kind, namespace, _), _)| (*kind, namespace.clone()))
        .collect();
    let listed = lacking
        .iter()
        .map(|(kind, namespace)| names(client, kind, namespace));
    let listed = together(listed).await;
    let names = lacking.iter().cloned().zip(listed).collect();
    judge(&references, objects, default, &found, &names)
}

async fn ask(client: &Client, place: &Place, absent: &BTreeSet<String>) -> Found {
    let (kind, namespace, name) = place;
    if absent.contains(namespace) {
        return Found::Missing;
    }
    let Some(api) = api(client, kind, namespace) else {
        return Found::Unknown;
    };
    match api.get_opt(name).await {
        Ok(Some(found)) => Found::There(keys(&found.data)),
        Ok(None) => Found::Missing,
        Err(_) => Found::Unknown,
    }
}

async fn names(client: &Client, kind: &'static str, namespace: &str) -> Vec<String> {
    let Some(api) = api(client, kind, namespace) else {
        return Vec::new();
    };
    let listed = api
        .list_metadata(&ListParams::default().limit(500))
        .await
        .ok();
    let items = listed.map(|list| list.items).unwrap_or_default();
    items.iter().map(|item| item.name_any()).collect()
}

/// Names of the keys of a Secret or ConfigMap.
fn keys(value: &Value) -> BTreeSet<String> {
    ["data", "stringData", "binaryData"]
        .iter()
        .filter_map(|field| value.get(field)?.as_object())
        .flat_map(|map| map.keys().cloned())
        .collect()
}

fn place(reference: &Reference<'_>) -> Place {
    (
        reference.kind,
        reference.namespace.to_owned(),
        reference.name.to_owned(),
    )
}

/// The object of the manifests that a reference means.
fn own<'a>(reference: &Reference<'_>, objects: &'a [Object], default: &str) -> Option<&'a Object> {
    objects.iter().find(|object| {
        object.kind == reference.kind
            && object.name == reference.name
            && (reference.namespace.is_empty()
                || object.namespace.as_deref().unwrap_or(default) == reference.namespace)
    })
}

/// Whether the manifests themselves satisfy the reference, its key included.
fn brought(reference: &Reference<'_>, objects: &[Object], default: &str) -> bool {
    if reference.kind == "PersistentVolumeClaim" && made_by_a_set(reference.name, objects) {
        return true;
    }
    own(reference, objects, default).is_some_and(|object| match &reference.key {
        Some((key, _)) => keys(&object.value).contains(*key),
        None => true,
    })
}

/// A StatefulSet makes claims named after its template and itself: `data-db-0`.
fn made_by_a_set(name: &str, objects: &[Object]) -> bool {
    objects
        .iter()
        .filter(|object| object.kind == "StatefulSet")
        .any(|set| {
            list_of(&set.value["spec"], "volumeClaimTemplates")
                .iter()
                .filter_map(|claim| claim.pointer("/metadata/name")?.as_str())
                .any(|claim| name.starts_with(&format!("{claim}-{}-", set.name)))
        })
}

/// Pods that mount an external secret store may get their Secret from it, after they were mounted.
fn has_store(object: &Object) -> bool {
    object
        .value
        .to_string()
        .contains("secrets-store.csi.k8s.io")
}

/// A custom resource of the manifests that names the object may be what makes it (sealed and external secrets,
/// certificates).
fn made_by_another(name: &str, objects: &[Object]) -> bool {
    fn names(value: &Value, name: &str) -> bool {
        match value {
            Value::String(text) => text == name,
            Value::Array(items) => items.iter().any(|item| names(item, name)),
            Value::Object(fields) => fields.values().any(|value| names(value, name)),
            _ => false,
        }
    }
    let custom = |object: &&Object| {
        let group = object.group();
        group.contains('.') && !group.ends_with(".k8s.io")
    };
    objects
        .iter()
        .filter(custom)
        .any(|object| names(&object.value, name))
}

/// Findings for what is missing; several mentions in one object are one finding.
fn judge(
    references: &[Reference<'_>],
    objects: &[Object],
    default: &str,
    found: &BTreeMap<Place, Found>,
    names: &BTreeMap<(&'static str, String), Vec<String>>,
) -> Vec<Diagnostic> {
    let mut findings: Vec<Diagnostic> = Vec::new();
    let mut told: BTreeMap<(String, Place, String), usize> = BTreeMap::new();
    for reference in references {
        let own = own(reference, objects, default);
        let asked = found.get(&place(reference));
        let wanted_key = reference.key.as_ref().map(|(key, _)| *key);
        let lacking_key = match (own, asked) {
            (_, None | Some(Found::Unknown)) => continue,
            // What is applied is merged with what is there.
            (Some(object), Some(Found::There(live))) => {
                lacking(wanted_key, keys(&object.value).union(live).cloned())
            }
            (Some(object), Some(Found::Missing)) => lacking(wanted_key, keys(&object.value)),
            (None, Some(Found::There(live))) => lacking(wanted_key, live.iter().cloned()),
            (None, Some(Found::Missing)) => {
                let stored = reference.kind == "Secret" && has_store(reference.object);
                if stored || made_by_another(reference.name, objects) {
                    continue;
                }
                None
            }
        };
        let (finding, path, key) = match lacking_key {
            Some((key, there)) => (
                key_missing(reference, key, &there),
                key_path(reference),
                key,
            ),
            None if own.is_none() && matches!(asked, Some(Found::Missing)) => {
                let near = names.get(&(reference.kind, reference.namespace.to_owned()));
                let finding = missing(reference, objects, near.map_or(&[], Vec::as_slice));
                (finding, reference.path.clone(), "")
            }
            None => continue,
        };
        let at = reference.object.at(&path);
        let same = (reference.object.label(), place(reference), key.to_owned());
        if let Some(first) = told.get(&same).and_then(|index| findings.get_mut(*index)) {
            first.evidence.push(format!("{at}: `{path}` too"));
        } else {
            told.insert(same, findings.len());
            findings.push(finding.at(at));
        }
    }
    findings
}

/// The key that is wanted and not among those that are there.
fn lacking(
    wanted: Option<&str>,
    there: impl IntoIterator<Item = String>,
) -> Option<(&str, Vec<String>)> {
    let wanted = wanted?;
    let there: Vec<String> = there.into_iter().collect();
    (!there.iter().any(|key| key == wanted)).then_some((wanted, there))
}

fn key_path(reference: &Reference<'_>) -> String {
    reference
        .key
        .as_ref()
        .map_or_else(|| reference.path.clone(), |(_, path)| path.clone())
}

fn key_missing(reference: &Reference<'_>, key: &str, there: &[String]) -> Diagnostic {
    let list = there.iter().take(8).map(|key| format!("`{key}`"));
    let list = list.collect::<Vec<_>>().join(", ");
    let has = if list.is_empty() {
        "it has no keys".to_owned()
    } else {
        format!("it has {list}")
    };
    let message = format!(
        "`{}` needs key `{key}` of {} `{}`, and {has}",
        reference.object.label(),
        reference.kind,
        reference.name
    );
    let near = near(key, there.iter().map(String::as_str));
    let fix = format!(
        "add the key to {} `{}`, or correct it here",
        reference.kind, reference.name
    );
    Diagnostic::error(Code::ReferenceMissing, message).help(match suggestion(&near) {
        Some(suggestion) => format!("{suggestion} else {fix}"),
        None => fix,
    })
}

fn missing(reference: &Reference<'_>, objects: &[Object], there: &[String]) -> Diagnostic {
    let (kind, name) = (reference.kind, reference.name);
    let place = if reference.namespace.is_empty() {
        "the cluster".to_owned()
    } else {
        format!("namespace `{}`", reference.namespace)
    };
    let message = format!(
        "`{}` refers to {kind} `{name}`, which is neither in the manifests nor in {place}",
        reference.object.label()
    );
    let ours = objects
        .iter()
        .filter(|object| object.kind == kind)
        .map(|object| object.name.as_str());
    let near = near(name, there.iter().map(String::as_str).chain(ours));
    let fix = match kind {
        "Secret" | "ConfigMap" if reference.path.contains("imagePullSecrets") => format!(
            "create it with `kubectl -n {} create secret docker-registry {name} …`, or remove it here when the image is public",
            reference.namespace
        ),
        "Secret" => format!(
            "create it with `kubectl -n {} create secret generic {name} …`, or correct the name here",
            reference.namespace
        ),
        _ => "create it, add it to the manifests, or correct the name here".to_owned(),
    };
    let help = match suggestion(&near) {
        Some(suggestion) => format!("{suggestion} else {fix}"),
        None => fix,
    };
    // Without its pull secret a node still pulls what is public; without a class a claim may still bind to a volume.
    let certain = !reference.path.contains("imagePullSecrets");
    let code = Code::ReferenceMissing;
    let finding = if certain {
        Diagnostic::error(code, message)
    } else {
        Diagnostic::warning(code, message)
    };
    finding.help(help)
}

#[cfg(test)]
#[path = "references_tests.rs"]
mod tests;
