//! `ml-deploy.yml`: the same names as the flags, each value with the line it stands on. It knows YAML, not what values mean.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
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
}

/// Reads the file's text; `path` is for messages.
///
/// # Errors
/// Not YAML, not a map of scalars and lists of scalars, a key that stands twice: one finding with its line.
pub(crate) fn read(text: &str, path: &str) -> Result<Vec<Entry>, Box<Diagnostic>> {
    if let Some(line) = text
        .lines()
        .position(|line| line.trim_start_matches(' ').starts_with('\t'))
    {
        let finding = Diagnostic::error(
            Code::ConfigInvalid,
            format!("`{path}` is indented with a tab, which YAML does not allow"),
        );
        let at = Location::line(path, u32::try_from(line + 1).unwrap_or(u32::MAX));
        return Err(Box::new(finding.at(at).help("indent with spaces")));
    }
    let parsed: Result<Option<BTreeMap<String, Spanned<Value>>>, _> = serde_saphyr::from_str(text);
    match parsed {
        Ok(map) => Ok(map
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| entry(text, name, value))
            .collect()),
        Err(error) => {
            let line = error
                .location()
                .map_or(0, |at| u32::try_from(at.line()).unwrap_or(0));
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or_default().to_owned();
            Err(Box::new(
                Diagnostic::error(
                    Code::ConfigInvalid,
                    format!("failed to read `{path}`: {reason}"),
                )
                .at(Location::line(path, line)),
            ))
        }
    }
}

fn entry(text: &str, name: String, value: Spanned<Value>) -> Entry {
    let line = u32::try_from(value.referenced.line()).unwrap_or(0);
    let values = match value.value {
        Value::Text(text) => vec![text],
        Value::Number(shown) => vec![as_written(text, value.referenced).unwrap_or(shown)],
        Value::List(items) => items
            .into_iter()
            .map(|item| item_text(text, item))
            .collect(),
    };
    Entry { name, values, line }
}

fn item_text(text: &str, item: Spanned<Value>) -> String {
    match item.value {
        Value::Text(value) => value,
        Value::Number(shown) => as_written(text, item.referenced).unwrap_or(shown),
        // Refused by the visitor before.
        Value::List(_) => String::new(),
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
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            if matches!(item.value, Value::List(_)) {
                return Err(serde::de::Error::custom(
                    "a list inside a list is not allowed here",
                ));
            }
            list.push(item);
        }
        Ok(Value::List(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Entry {
        read(text, "ml-deploy.yml").unwrap().remove(0)
    }

    #[test]
    fn values_stay_as_written_and_know_their_line() {
        let entry = only("# first\npython-version: 3.10 # not 3.1\n");
        assert_eq!((entry.values[0].as_str(), entry.line), ("3.10", 2));
        assert_eq!(only("reuse: true").values, ["true"]);
        assert_eq!(only("tags: [a, 1.0, '2']").values, ["a", "1.0", "2"]);
        assert_eq!(only("train: |\n  python a.py\n").values, ["python a.py\n"]);
        assert!(read("", "x").unwrap().is_empty());
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
            let finding = read(text, "ml-deploy.yml").unwrap_err();
            let at = finding.at.clone().unwrap();
            assert_eq!(finding.code, Code::ConfigInvalid);
            assert!(at.line.is_some_and(|found| found >= line), "{text:?}: {at}");
        }
    }
}
