//! Metrics in a JSON file: nested keys joined by `.`, and the `NaN` and `Infinity` that Python writes although JSON has
//! none. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// Every number in the text by its joined keys. What is no number is left out, lists too: their items have no names.
///
/// # Errors
/// Text that is no JSON object; line, if known, and reason.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, f64>, (u32, String)> {
    let value: Value = serde_json::from_str(&quoted(text)).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(0);
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        (line, reason.to_owned())
    })?;
    if !value.is_object() {
        return Err((1, "it is no JSON object".to_owned()));
    }
    let mut found = BTreeMap::new();
    collect("", &value, &mut found);
    Ok(found)
}

/// The numbers in one value of a name, as in a whole object.
pub(super) fn value(name: &str, text: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    if let Ok(value) = serde_json::from_str(&quoted(text)) {
        collect(name, &value, &mut found);
    }
    found
}

fn collect(name: &str, value: &Value, found: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let joined = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                collect(&joined, value, found);
            }
        }
        Value::Number(number) => {
            found.insert(name.to_owned(), number.as_f64().unwrap_or(f64::NAN));
        }
        Value::String(text) => {
            let value = match text.as_str() {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => return,
            };
            found.insert(name.to_owned(), value);
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => {}
    }
}

/// The text with bare `NaN`, `Infinity` and `-Infinity` in quotes.
fn quoted(text: &str) -> String {
    const WORDS: &[&str] = &["-Infinity", "Infinity", "NaN"];
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut escaped, mut rest) = (false, false, text);
    while let Some(c) = rest.chars().next() {
        if !inside && let Some(word) = WORDS.iter().find(|word| rest.starts_with(**word)) {
            out.push_str(&format!("\"{word}\""));
            rest = &rest[word.len()..];
            continue;
        }
        if c == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && c == '\\' && !escaped;
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_keys_are_joined_and_only_numbers_count() {
        let found = read(
            r#"{"accuracy": 0.9, "macro avg": {"f1-score": 1}, "ok": true, "l": [1], "s": "0.5", "n": null}"#,
        )
        .unwrap();
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["accuracy", "macro avg.f1-score"]);
    }

    #[test]
    fn what_python_writes_for_no_number_is_one() {
        let found = read(r#"{"a \" NaN": 1, "b": NaN, "c": -Infinity, "d": "NaN"}"#).unwrap();
        assert_eq!(found["a \" NaN"], 1.0);
        assert!(found["b"].is_nan() && found["d"].is_nan());
        assert_eq!(found["c"], f64::NEG_INFINITY);
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_line() {
        assert_eq!(read("{\n\"a\": }").unwrap_err().0, 2);
        assert_eq!(read("[1]").unwrap_err().1, "it is no JSON object");
    }
}
