//! `ml-deploy.yml`: the same names as the flags, each value with the line it stands on. It knows YAML, not what values mean.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};

/// One key of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// One for a scalar, any number for a list. As written: `3.10` stays `3.10`.
    pub(crate) values: Vec<String>,
    /// Line of the value, from 1.
    pub(crate) line: u32,
    /// Line in which the text of each of `values` begins.
    pub(crate) begins: Vec<u32>,
}

/// What the file holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) entries: Vec<Entry>,
    /// Keys whose values can be none of an input.
    pub(crate) unusable: Vec<String>,
}

/// Reads the file's text; `path` is for messages. What is not YAML, a key that stands twice, and a value that is neither a
/// scalar nor a list of scalars become findings with their line; the other entries are read all the same. `None` when nothing
/// could be read.
pub(crate) fn read(text: &str, path: &str, findings: &mut Vec<Diagnostic>) -> Option<Contents> {
    if let Some(line) = text
        .lines()
        .position(|line| line.trim_start_matches(' ').starts_with('\t'))
    {
        let finding = Diagnostic::error(
            Code::ConfigInvalid,
            format!("`{path}` is indented with a tab, which YAML does not allow"),
        );
        let at = Location::line(path, u32::try_from(line + 1).unwrap_or(u32::MAX));
        findings.push(finding.at(at).help("indent with spaces"));
        return None;
    }
    let parsed: Result<Option<BTreeMap<String, Spanned<Value>>>, _> = serde_saphyr::from_str(text);
    match parsed {
        Ok(map) => {
            let mut contents = Contents::default();
            for (name, value) in map.unwrap_or_default() {
                match entry(text, path, name.clone(), value) {
                    Ok(entry) => contents.entries.push(entry),
                    Err(finding) => {
                        findings.push(*finding);
                        contents.unusable.push(name);
                    }
                }
            }
            Some(contents)
        }
        Err(error) => {
            let line = error
                .location()
                .map_or(0, |at| u32::try_from(at.line()).unwrap_or(0));
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or_default();
            // The place is told as a place.
            let reason = match reason.strip_prefix("error: line ") {
                Some(rest) => rest.split_once(": ").map_or(rest, |(_, reason)| reason),
                None => reason,
            };
            let finding = Diagnostic::error(
                Code::ConfigInvalid,
                format!("failed to read `{path}`: {reason}"),
            );
            findings.push(finding.at(Location::line(path, line)));
            None
        }
    }
}

fn entry(
    text: &str,
    path: &str,
    name: String,
    value: Spanned<Value>,
) -> Result<Entry, Box<Diagnostic>> {
    let line = u32::try_from(value.referenced.line()).unwrap_or(0);
    let begins = match &value.value {
        Value::List(items) => items
            .iter()
            .map(|item| first_line(text, item.referenced))
            .collect(),
        _ => vec![first_line(text, value.referenced)],
    };
    let values = match value.value {
        Value::Text(text) => vec![text],
        Value::Number(shown) => vec![as_written(text, value.referenced).unwrap_or(shown)],
        Value::List(items) => items
            .into_iter()
            .map(|item| item_text(text, item))
            .collect(),
        Value::Nested => {
            let finding = Diagnostic::error(
                Code::ConfigInvalid,
                format!(
                    "key `{name}` of `{path}` holds keys or lists of its own, expected a text, a number, true, false or a list of them"
                ),
            );
            return Err(Box::new(finding.at(Location::line(path, line))));
        }
    };
    Ok(Entry {
        name,
        values,
        line,
        begins,
    })
}

/// The line in which a scalar's text begins: that of a block (`|`) stands below its mark.
fn first_line(text: &str, at: serde_saphyr::Location) -> u32 {
    let line = u32::try_from(at.line()).unwrap_or(0);
    let rest: Option<String> = (|| {
        let line = text
            .lines()
            .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
        let from = usize::try_from(at.column()).ok()?.checked_sub(1)?;
        Some(line.chars().skip(from).collect())
    })();
    let block = rest.is_some_and(|rest| rest.starts_with(['|', '>']));
    line + u32::from(block)
}

fn item_text(text: &str, item: Spanned<Value>) -> String {
    match item.value {
        Value::Text(value) => value,
        Value::Number(shown) => as_written(text, item.referenced).unwrap_or(shown),
        // The visitor has made the whole list `Nested`.
        Value::List(_) | Value::Nested => String::new(),
    }
}

/// The scalar as it stands in the file: a version such as `3.10` must not become the number 3.1.
fn as_written(text: &str, at: serde_saphyr::Location) -> Option<String> {
    let line = text
        .lines()
        .nth(usize::try_from(at.line()).ok()?.checked_sub(1)?)?;
    let from = usize::try_from(at.column()).ok()?.checked_sub(1)?;
    let rest: String = line.chars().skip(from).collect();
    let end = rest.find(['#', ',', ']', '}']).unwrap_or(rest.len());
    let scalar = rest[..end].trim();
    (!scalar.is_empty()).then(|| scalar.to_owned())
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// A number or boolean, as serde saw it.
    Number(String),
    List(Vec<Spanned<Self>>),
    /// What no input can be: a map, or a list that holds one or another list.
    Nested,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false or a list of them")
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Text(String::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (mut list, mut nested) = (Vec::new(), false);
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            nested |= matches!(item.value, Value::List(_) | Value::Nested);
            list.push(item);
        }
        Ok(if nested {
            Value::Nested
        } else {
            Value::List(list)
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Nested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Entry {
        let mut findings = Vec::new();
        let contents = read(text, "ml-deploy.yml", &mut findings).unwrap();
        let entry = contents.entries.into_iter().next().unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        entry
    }

    #[test]
    fn values_stay_as_written_and_know_their_line() {
        let entry = only("# first\npython-version: 3.10 # not 3.1\n");
        assert_eq!((entry.values[0].as_str(), entry.line), ("3.10", 2));
        assert_eq!(only("reuse: true").values, ["true"]);
        assert_eq!(only("tags: [a, 1.0, '2']").values, ["a", "1.0", "2"]);
        assert_eq!(only("train: |\n  python a.py\n").values, ["python a.py\n"]);
        let empty = read("", "x", &mut Vec::new()).unwrap();
        assert!(empty.entries.is_empty());
        let begins = |text: &str| only(text).begins;
        assert_eq!(begins("gates: |\n  a > 1\n  b > 1\n"), [2]);
        assert_eq!(begins("gates: a > 1\n"), [1]);
        assert_eq!(begins("gates:\n  - a > 1\n\n  - b > 1\n"), [2, 4]);
    }

    #[test]
    fn what_is_not_a_flat_map_is_refused_with_its_line() {
        for (text, line) in [
            ("a: 1\nb: {c: 1}\n", 2),
            ("a: 1\n\tb: 2\n", 2),
            ("a: [1\n", 1),
            ("a: 1\na: 2\n", 2),
            ("a: 1\nb: [[1]]\n", 2),
        ] {
            let mut findings = Vec::new();
            read(text, "ml-deploy.yml", &mut findings);
            let finding = findings.remove(0);
            assert!(!finding.message.contains("error: line"), "{finding:?}");
            let at = finding.at.clone().unwrap();
            assert_eq!(finding.code, Code::ConfigInvalid);
            assert!(at.line.is_some_and(|found| found >= line), "{text:?}: {at}");
        }
    }
}
