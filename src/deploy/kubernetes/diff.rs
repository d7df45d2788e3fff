//! What a deployment changes: each object as it is live against what a dry run makes of it. Pure. Values of Secrets, and
//! others that are named like one, never leave this file.

use serde_json::{Map, Value};

use super::fields::MANAGER;
use super::hidden::without_credentials;
use super::manifest::Object;
use super::tree::Node;
use crate::artifact::{Action, Changes, FieldChange};
use crate::secret_names;

/// What the server writes itself.
const SERVERS: &[&str] = &[
    "status",
    "metadata.managedFields",
    "metadata.resourceVersion",
    "metadata.generation",
    "metadata.uid",
    "metadata.creationTimestamp",
    "metadata.selfLink",
];

/// Annotations that tools write about themselves; one of them repeats whole Secrets.
const TOOLS: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
];

/// Keys by which the API tells items of a list apart.
const KEYS: &[&str] = &["name", "mountPath", "containerPort", "port", "key", "type"];

/// Characters of a value that are shown, and lines of the log.
const LONGEST: usize = 120;
const LINES: usize = 20;

/// The changes in a few lines.
pub(super) fn lines(changes: &Changes) -> Vec<String> {
    let (mut lines, mut same) = (Vec::new(), Vec::new());
    for change in &changes.objects {
        let object = &change.object;
        match change.action {
            Action::Created => lines.push(format!("{object} would be created")),
            Action::Removed => lines.push(format!(
                "{object} would be removed after verification (`prune: true`)"
            )),
            Action::Unchanged => same.push(object.as_str()),
            Action::Changed => lines.extend(change.fields.iter().map(|field| {
                let side = |value: &Option<String>| value.clone().unwrap_or("nothing".to_owned());
                let (before, after) = (side(&field.before), side(&field.after));
                format!("{object} {}: {before} → {after}", field.path)
            })),
        }
    }
    let more = lines.len().saturating_sub(LINES);
    if more > 0 {
        lines.truncate(LINES);
        lines.push(format!("… and {more} more changes"));
    }
    match same.len() {
        0 => {}
        1..=4 => lines.push(format!("unchanged: {}", same.join(", "))),
        count => lines.push(format!("unchanged: {count} objects")),
    }
    lines
}

/// How items of lists are written.
#[derive(Clone, Copy)]
pub(super) enum Places<'a> {
    /// By name, for people, who do not count; with what stands in for an image that is not made yet.
    Named(Option<&'a str>),
    /// By number, as the API server writes them.
    Numbered,
}

/// Fields that differ between an object as it is and as it would be.
pub(super) fn fields(
    kind: &str,
    live: &Value,
    after: &Value,
    places: Places<'_>,
) -> Vec<FieldChange> {
    let mut differ = Differ {
        secret: kind == "Secret",
        places,
        found: Vec::new(),
    };
    differ.compare("", Some(live), Some(after), false);
    differ.found
}

struct Differ<'a> {
    /// The object's own data is secret.
    secret: bool,
    places: Places<'a>,
    found: Vec<FieldChange>,
}

impl Differ<'_> {
    fn compare(&mut self, path: &str, live: Option<&Value>, after: Option<&Value>, hidden: bool) {
        if live == after || ignored(path) {
            return;
        }
        let hidden =
            hidden || (self.secret && (path.starts_with("data") || path.starts_with("stringData")));
        let empty = Map::new();
        match (live, after) {
            (Some(Value::Object(live)), Some(Value::Object(after))) => {
                self.maps(path, live, after, hidden);
            }
            // Labels and annotations are told one by one, also when there were none.
            (None, Some(Value::Object(after))) if is_open(path) => {
                self.maps(path, &empty, after, hidden);
            }
            (Some(Value::Object(live)), None) if is_open(path) => {
                self.maps(path, live, &empty, hidden);
            }
            (Some(Value::Array(live)), Some(Value::Array(after))) => {
                self.lists(path, live, after, hidden);
            }
            _ => self.push(path, live, after, hidden),
        }
    }

    fn maps(
        &mut self,
        path: &str,
        live: &Map<String, Value>,
        after: &Map<String, Value>,
        hidden: bool,
    ) {
        let open = is_open(path);
        let gone = live.keys().filter(|key| !after.contains_key(*key));
        for key in after.keys().chain(gone) {
            let secret = |map| holds_one(map, key, open);
            let hidden = hidden || secret(live) || secret(after);
            self.compare(&step(path, key), live.get(key), after.get(key), hidden);
        }
    }

    fn lists(&mut self, path: &str, live: &[Value], after: &[Value], hidden: bool) {
        let Some(key) = KEYS.iter().find(|key| {
            let named = |items: &[Value]| items.iter().all(|item| item.get(**key).is_some());
            named(live) && named(after)
        }) else {
            if live.len() == after.len() {
                for (index, (live, after)) in live.iter().zip(after).enumerate() {
                    self.compare(&format!("{path}[{index}]"), Some(live), Some(after), hidden);
                }
            } else {
                let (live, after) = (Value::from(live), Value::from(after));
                self.push(path, Some(&live), Some(&after), hidden);
            }
            return;
        };
        let same = |item: &&Value, other: &Value| item.get(*key) == other.get(*key);
        let named = |item: &Value| match &item[*key] {
            Value::String(name) if *key == "name" => format!("{path}[{name}]"),
            value => format!("{path}[{key}={}]", shown(value)),
        };
        for (index, item) in after.iter().enumerate() {
            let before = live.iter().find(|other| same(other, item));
            let place = match self.places {
                Places::Named(_) => named(item),
                Places::Numbered => format!("{path}[{index}]"),
            };
            self.compare(&place, before, Some(item), hidden);
        }
        for item in live {
            if !after.iter().any(|other| same(&other, item)) {
                self.compare(&named(item), Some(item), None, hidden);
            }
        }
    }

    fn is_pending(&self, value: &Value) -> bool {
        let Places::Named(Some(pending)) = self.places else {
            return false;
        };
        value.as_str() == Some(pending)
    }

    fn push(&mut self, path: &str, live: Option<&Value>, after: Option<&Value>, hidden: bool) {
        let hidden = hidden || [live, after].into_iter().flatten().any(holds_secret);
        let side = |value: Option<&Value>, word: &str| {
            let value = value?;
            Some(if hidden {
                word.to_owned()
            } else if path.ends_with("image") && self.is_pending(value) {
                format!("{} as this run builds it", shown(value))
            } else {
                shown(value)
            })
        };
        let before = side(live, "(hidden)");
        let word = if before.is_some() {
            "(hidden, changed)"
        } else {
            "(hidden)"
        };
        let after = side(after, word);
        self.found.push(FieldChange {
            path: path.to_owned(),
            before,
            after,
        });
    }
}

fn step(path: &str, key: &str) -> String {
    if key.contains(['.', '/']) {
        format!("{path}[{key}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Maps that anybody may add to.
fn is_open(path: &str) -> bool {
    ["annotations", "labels", "data", "stringData"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Not part of what anybody wants: written by the server, or by tools about themselves, us included.
fn ignored(path: &str) -> bool {
    let key = path
        .rsplit_once('[')
        .map_or("", |(_, key)| key.trim_end_matches(']'));
    SERVERS.contains(&path)
        || TOOLS.contains(&key)
        || key
            .strip_prefix(MANAGER)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether an entry of a map is what nobody should read. In an open map people chose the names, else the API did.
fn holds_one(map: &Map<String, Value>, key: &str, open: bool) -> bool {
    if !map.get(key).is_some_and(Value::is_string) {
        return false;
    }
    // An environment variable keeps its secret beside its name.
    let variable = map.get("name").and_then(Value::as_str);
    let named = key == "value" && variable.is_some_and(secret_names::variable);
    named
        || if open {
            secret_names::variable(key)
        } else {
            secret_names::field(key)
        }
}

/// A whole block may bring a variable with it.
fn holds_secret(value: &Value) -> bool {
    match value {
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| holds_one(map, key, false) || holds_secret(value)),
        Value::Array(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

/// As JSON, shortened, without passwords in URLs.
fn shown(value: &Value) -> String {
    let text = without_credentials(&value.to_string());
    let length = text.chars().count();
    if length <= LONGEST {
        return text;
    }
    let head: String = text.chars().take(LONGEST * 2 / 3).collect();
    format!("{head}… ({length} characters)")
}

/// A value at a field path of an object's manifest or of what is live, fit to be shown.
pub(super) fn value_at(object: &Object, value: &Value, path: &str) -> Option<String> {
    let found = Node::from(value).value_of(path)?;
    let secret = object.kind == "Secret" && !path.starts_with("metadata");
    if secret || names_secret(path) || holds_secret(&found) {
        return Some("(hidden)".to_owned());
    }
    Some(shown(&found))
}

/// Whether the path leads to what nobody should read. A variable's name stands in it as the API server writes it:
/// `env[name="DB_PASSWORD"].value`.
fn names_secret(path: &str) -> bool {
    if let Some((_, name)) = path
        .strip_suffix("\"].value")
        .and_then(|path| path.rsplit_once('"'))
    {
        return secret_names::variable(name);
    }
    let (above, last) = path.rsplit_once('.').unwrap_or(("", path));
    secret_names::field(last) || is_open(above) && secret_names::variable(last)
}

/// Fields below a path that the manifest wants otherwise than they are live. What only the server filled in is no wish.
pub(super) fn wishes(object: &Object, live: &Value, path: &str) -> Vec<FieldChange> {
    let path = path.trim_start_matches('.');
    let mut found = fields(&object.kind, live, &object.value, Places::Numbered);
    found.retain(|field| field.after.is_some());
    // The API server may name a field that it derives from the manifest's, `clusterIPs[0]` from `clusterIP`.
    let (below, rest): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|field| field.path.starts_with(path));
    if !below.is_empty() {
        return below;
    }
    rest.into_iter()
        .filter(|field| path.starts_with(&field.path))
        .collect()
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
