//! The pods that a set of manifests asks for: templates, containers, labels. Pure; it asks no cluster.

use serde_json::{Map, Value};

use super::super::image::{pod_of, pointer};
use super::super::manifest::Object;

/// One pod template of the manifests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Template<'a> {
    pub(super) object: &'a Object,
    pub(super) namespace: &'a str,
    /// Field path of the pod's `spec`.
    pub(super) path: &'static str,
    pub(super) spec: &'a Value,
    pub(super) labels: Option<&'a Map<String, Value>>,
}

/// One container of a pod.
#[derive(Clone, Debug)]
pub(super) struct Container<'a> {
    /// Field path from the object.
    pub(super) path: String,
    pub(super) value: &'a Value,
    /// It ends before the others start, so it needs nothing beside them.
    pub(super) init: bool,
}

impl<'a> Template<'a> {
    /// All containers, those that run first included.
    pub(super) fn containers(&self) -> Vec<Container<'a>> {
        containers(self.path, self.spec)
    }
}

impl<'a> Container<'a> {
    /// Its name; empty when the manifest has none.
    pub(super) fn name(&self) -> &'a str {
        self.value
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The containers of a pod's `spec`, which stands at `path`.
pub(super) fn containers<'a>(path: &str, spec: &'a Value) -> Vec<Container<'a>> {
    let mut found = Vec::new();
    for list in ["initContainers", "containers"] {
        for (index, value) in list_of(spec, list).iter().enumerate() {
            let sidecar = value
                .get("restartPolicy")
                .is_some_and(|rule| rule == "Always");
            found.push(Container {
                path: format!("{path}.{list}[{index}]"),
                value,
                init: list == "initContainers" && !sidecar,
            });
        }
    }
    found
}

/// All pod templates of the manifests; `default` is the namespace of what names none.
pub(super) fn templates<'a>(objects: &'a [Object], default: &'a str) -> Vec<Template<'a>> {
    objects
        .iter()
        .filter_map(|object| {
            let (path, _) = pod_of(&object.kind)?;
            Some(Template {
                object,
                namespace: object.namespace.as_deref().unwrap_or(default),
                path,
                spec: pod_spec(&object.kind, &object.value)?,
                labels: pod_labels(&object.kind, &object.value),
            })
        })
        .collect()
}

/// The pod's `spec` of an object of a kind, from the manifest or live.
pub(super) fn pod_spec<'a>(kind: &str, value: &'a Value) -> Option<&'a Value> {
    value.pointer(&pointer(pod_of(kind)?.0))
}

/// The labels that the object's pods carry.
pub(super) fn pod_labels<'a>(kind: &str, value: &'a Value) -> Option<&'a Map<String, Value>> {
    let (_, metadata) = pod_of(kind)?;
    value
        .pointer(&pointer(&format!("{metadata}.labels")))?
        .as_object()
}

/// A list at a key; empty when there is none.
pub(super) fn list_of<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A whole number at a JSON pointer.
pub(super) fn number(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// Whether the labels have every pair of the selector; an empty selector chooses nothing here.
pub(super) fn chooses(selector: &Map<String, Value>, labels: Option<&Map<String, Value>>) -> bool {
    let Some(labels) = labels else { return false };
    !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
}

/// The field path of a map's key, which may hold dots.
pub(super) fn keyed(path: &str, key: &str) -> String {
    format!("{path}[{key}]")
}

/// Names that look like the wanted one, the likest first, at most three.
pub(super) fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut rated: Vec<(f64, &str)> = names
        .into_iter()
        .map(|name| {
            let part = name.contains(wanted) || wanted.contains(name);
            let likeness = strsim::normalized_damerau_levenshtein(
                &name.to_lowercase(),
                &wanted.to_lowercase(),
            );
            (if part { likeness.max(0.6) } else { likeness }, name)
        })
        .filter(|(likeness, name)| *likeness >= 0.6 && *name != wanted)
        .collect();
    rated.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    rated.dedup();
    rated.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `did you mean …?`, when something is near.
pub(super) fn suggestion(near: &[&str]) -> Option<String> {
    let names: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_look_alike_are_suggested() {
        let names = ["wine-secrets", "wine-secret-2", "beer", "default"];
        assert_eq!(
            near("wine-secret", names),
            ["wine-secrets", "wine-secret-2"]
        );
        assert!(near("model", names).is_empty());
        assert_eq!(near("PASSWORD", ["password"]), ["password"]);
        assert_eq!(suggestion(&[]), None);
    }

    #[test]
    fn sidecars_run_beside_the_others() {
        let spec = serde_json::json!({
            "initContainers": [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}],
            "containers": [{"name": "c"}],
        });
        let found: Vec<_> = containers("spec", &spec)
            .into_iter()
            .map(|container| (container.path.clone(), container.init))
            .collect();
        assert_eq!(
            found,
            [
                ("spec.initContainers[0]".to_owned(), true),
                ("spec.initContainers[1]".to_owned(), false),
                ("spec.containers[0]".to_owned(), false),
            ]
        );
    }
}
