//! Field sets as the API server records them in `metadata.managedFields`: whose they are, and what an object says at them.
//! Pure; the format is that of `FieldsV1` (`f:` a field, `k:` a list item by its keys, `v:` a value of a set, `.` the thing itself).

use serde_json::{Map, Value};

use crate::cluster::text;

/// The field manager, and the prefix of our annotations.
pub(super) const MANAGER: &str = "ml-deploy";

/// A set of fields, as a tree.
pub(super) type Fields = Map<String, Value>;

/// What we apply, as far as the API server knows.
pub(super) fn ours(object: &Value) -> Fields {
    entries(object)
        .filter(|entry| is_ours(entry))
        .fold(Fields::new(), |all, entry| union(all, fields_of(entry)))
}

/// What anybody else has set.
pub(super) fn of_others(object: &Value) -> Fields {
    entries(object)
        .filter(|entry| !is_ours(entry))
        .fold(Fields::new(), |all, entry| union(all, fields_of(entry)))
}

/// Whether we apply anything of the object at all.
pub(super) fn has_ours(object: &Value) -> bool {
    entries(object).any(is_ours)
}

/// Who else than we set the field; the path is written as in the set, such as `["f:spec", "f:replicas"]`.
pub(super) fn other_owner<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    entries(object)
        .filter(|entry| !is_ours(entry))
        .find(|entry| {
            let mut place = entry.get("fieldsV1");
            for part in path {
                place = place.and_then(|fields| fields.get(*part));
            }
            place.is_some()
        })
        .map(|entry| text(entry, "/manager"))
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn is_ours(entry: &Value) -> bool {
    text(entry, "/manager") == MANAGER
        && text(entry, "/operation") == "Apply"
        && text(entry, "/subresource").is_empty()
}

fn fields_of(entry: &Value) -> Fields {
    entry
        .get("fieldsV1")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

fn below(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// Everything that is in one of them.
pub(super) fn union(mut all: Fields, more: Fields) -> Fields {
    for (key, more) in more {
        let joined = match all.remove(&key) {
            None => more,
            Some(known) => {
                let (known, more) = (below(known), below(more));
                // A field that is owned as a whole on one side and in parts on the other: both.
                let whole = known.is_empty() != more.is_empty();
                let mut joined = union(known, more);
                if whole {
                    joined.insert(".".to_owned(), Value::Object(Fields::new()));
                }
                Value::Object(joined)
            }
        };
        all.insert(key, joined);
    }
    all
}

/// What is in the first and not in the second.
pub(super) fn minus(fields: Fields, without: &Fields) -> Fields {
    let mut left = Fields::new();
    for (key, value) in fields {
        let Some(other) = without.get(&key).and_then(Value::as_object) else {
            left.insert(key, value);
            continue;
        };
        let inner = below(value);
        if inner.is_empty() {
            if !other.is_empty() && !other.contains_key(".") {
                left.insert(key, Value::Object(inner));
            }
            continue;
        }
        let rest = minus(inner, other);
        if !rest.is_empty() {
            left.insert(key, Value::Object(rest));
        }
    }
    left
}

/// What the object says at these fields; `None` when it has none of them.
pub(super) fn extract(value: &Value, fields: &Fields) -> Option<Value> {
    if fields.is_empty() {
        return Some(value.clone());
    }
    match value {
        Value::Object(map) => {
            let mut found = Map::new();
            for (key, inner) in fields {
                let Some(name) = key.strip_prefix("f:") else {
                    continue;
                };
                let inner = inner.as_object();
                let kept = map
                    .get(name)
                    .zip(inner)
                    .and_then(|(value, inner)| extract(value, inner));
                if let Some(kept) = kept {
                    found.insert(name.to_owned(), kept);
                }
            }
            (!found.is_empty() || fields.contains_key(".")).then_some(Value::Object(found))
        }
        Value::Array(items) => {
            let found: Vec<Value> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| item_of(item, index, fields))
                .collect();
            (!found.is_empty() || fields.contains_key(".")).then_some(Value::Array(found))
        }
        other => Some(other.clone()),
    }
}

/// A list's item, as far as it is in the set; its keys always belong to it.
fn item_of(item: &Value, index: usize, fields: &Fields) -> Option<Value> {
    for (key, inner) in fields {
        let inner = inner.as_object()?;
        let (kind, rest) = key.split_once(':').unwrap_or((key, ""));
        match kind {
            "k" => {
                let Ok(Value::Object(keys)) = serde_json::from_str(rest) else {
                    continue;
                };
                if !keys
                    .iter()
                    .all(|(name, value)| item.get(name) == Some(value))
                {
                    continue;
                }
                let mut found = keys;
                if let Some(Value::Object(more)) = extract(item, inner) {
                    found.extend(more);
                }
                return Some(Value::Object(found));
            }
            "v" if serde_json::from_str::<Value>(rest).ok().as_ref() == Some(item) => {
                return Some(item.clone());
            }
            "i" if rest.parse() == Ok(index) => return extract(item, inner),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
