//! YAML (and JSON) documents that remember the line of every node, so that an API server's field path becomes a place
//! in the file. It knows nothing of Kubernetes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// One node and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// First line, counted from 1.
    pub(super) line: u32,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
struct Entry {
    key: String,
    line: u32,
    node: Node,
}

/// Why a text is not YAML, and where.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) why: String,
}

/// Reads all documents of a text; empty ones are left out.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Broken> {
    serde_saphyr::from_multiple::<Node>(text).map_err(|error| {
        let at = error.location();
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (mut line, mut column) =
            at.map_or((0, 0), |at| (number(at.line()), number(at.column())));
        // For a tab in the indentation the parser names the end of the line before.
        let tabbed = |index: u32| {
            let line = usize::try_from(index)
                .ok()
                .and_then(|index| text.lines().nth(index));
            line.is_some_and(|line| line.trim_start_matches(' ').starts_with('\t'))
        };
        if line > 0 && !tabbed(line - 1) && tabbed(line) {
            (line, column) = (line + 1, 1);
        }
        let why = error.without_snippet().to_string();
        let why = why.lines().next().unwrap_or_default();
        // The place is told once, by the finding itself.
        let why = match why.split_once(" at line ") {
            Some((before, _)) if !before.is_empty() => before.to_owned(),
            _ => match why.split_once(": ") {
                Some((place, rest)) if place.contains("line ") => rest.to_owned(),
                _ => why.to_owned(),
            },
        };
        Broken { line, column, why }
    })
}

impl Node {
    /// The value without its lines.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Kind::Map(entries) => {
                let pairs = entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.value()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// The node under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The items of a list; none when it is something else.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The line of a field path as the API server writes it: `spec.ports[0].port`, `.spec.containers[name="x"].image`,
    /// `metadata.labels[app]`, `spec.containers{x}`. Apply writes keys with dots bare (`.metadata.labels.app.kubernetes.io/name`),
    /// so at each map the longest key that fits is taken. Where the path leaves the file, the line of the last part that
    /// is there.
    pub(super) fn line_of(&self, path: &str) -> u32 {
        self.walk(path).1
    }

    /// The value at such a path, when all of it is there.
    pub(super) fn value_of(&self, path: &str) -> Option<Value> {
        let (node, _, rest) = self.walk(path);
        rest.is_empty().then(|| node.value())
    }

    /// How far a path leads: the node, its line, and what is left of the path.
    fn walk<'a>(&self, path: &'a str) -> (&Self, u32, &'a str) {
        let (mut node, mut line) = (self, self.line);
        let mut rest = path;
        loop {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let found = match rest.chars().next() {
                None => break,
                Some('[') => {
                    let (text, after) = enclosed(rest, ']');
                    node.select(text).map(|(next, at)| (next, at, after))
                }
                Some('{') => {
                    let (name, after) = enclosed(rest, '}');
                    node.select(&format!("name={name}"))
                        .map(|(next, at)| (next, at, after))
                }
                Some(_) => node.step(rest),
            };
            let Some((next, at, after)) = found else {
                break;
            };
            (node, line, rest) = (next, at, after);
        }
        (node, line, rest)
    }

    /// The entry whose key begins the path; the longest one wins.
    fn step<'a>(&self, path: &'a str) -> Option<(&Self, u32, &'a str)> {
        let Kind::Map(entries) = &self.kind else {
            return None;
        };
        entries
            .iter()
            .filter_map(|entry| {
                let after = path.strip_prefix(entry.key.as_str())?;
                let ends = after.is_empty() || after.starts_with(['.', '[', '{']);
                (ends && !entry.key.is_empty()).then_some((&entry.node, entry.line, after))
            })
            .min_by_key(|(.., after)| after.len())
    }

    /// What stands in brackets: an index, `key=value` pairs that choose an item, `="value"` for an item that is a plain
    /// value, or a map's key.
    fn select(&self, text: &str) -> Option<(&Self, u32)> {
        if let Ok(index) = text.parse::<usize>() {
            return self.items().get(index).map(|item| (item, item.line));
        }
        if let Some(entry) = self.entry(text.trim_matches(['"', '\''])) {
            return Some((&entry.node, entry.line));
        }
        let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        if let Some(plain) = text.strip_prefix('=') {
            let wanted = value(plain);
            let item = self.items().iter().find(|item| item.value() == wanted)?;
            return Some((item, item.line));
        }
        let pairs: Vec<(&str, Value)> = outside_quotes(text, ',')
            .into_iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, text)| (key, value(text)))
            .collect();
        // Keys that the server has defaulted (`protocol="TCP"`) do not stand in the file.
        let matches = |item: &&Self| {
            pairs
                .iter()
                .all(|(key, value)| item.get(key).is_none_or(|found| &found.value() == value))
        };
        let item = self
            .items()
            .iter()
            .find(matches)
            .filter(|_| !pairs.is_empty())?;
        Some((item, item.line))
    }
}

/// The text between an opening bracket and its end, which may be quoted inside, and what follows.
fn enclosed(path: &str, close: char) -> (&str, &str) {
    let inside = path.get(1..).unwrap_or_default();
    let parts = outside_quotes(inside, close);
    let text = parts.first().copied().unwrap_or_default();
    let after = inside.get(text.len() + 1..).unwrap_or_default();
    (text, after)
}

/// Splits at a character wherever it stands outside of double quotes.
fn outside_quotes(text: &str, at: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == at && !quoted
    })
    .collect()
}

impl From<&Value> for Node {
    /// What was never in a file has no lines.
    fn from(value: &Value) -> Self {
        let kind = match value {
            Value::Array(items) => Kind::List(items.iter().map(Self::from).collect()),
            Value::Object(map) => Kind::Map(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        line: 0,
                        node: value.into(),
                    })
                    .collect(),
            ),
            scalar => Kind::Scalar(scalar.clone()),
        };
        Self { line: 0, kind }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        let line = u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX);
        Ok(Self {
            line,
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Scalar(
            Number::from_f64(value).map_or(Value::Null, Value::Number),
        ))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let line = u32::try_from(key.referenced.line()).unwrap_or(u32::MAX);
            let node = access.next_value()?;
            entries.push(Entry {
                key: key.value,
                line,
                node,
            });
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
