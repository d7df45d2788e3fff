//! Whether two answers mean the same: numbers within a tolerance, objects by key, arrays by order. Pure.

use serde_json::Value;

/// Absolute and relative tolerance of numbers: what another processor may change, and no more.
const ABSOLUTE: f64 = 1e-9;
const RELATIVE: f64 = 1e-6;

/// The first difference, as `path: got … instead of …`; `None` when there is none.
pub(super) fn difference(got: &Value, wanted: &Value) -> Option<String> {
    walk("$", got, wanted)
}

fn walk(path: &str, got: &Value, wanted: &Value) -> Option<String> {
    match (got, wanted) {
        (Value::Object(got), Value::Object(wanted)) => {
            for (key, value) in wanted {
                match got.get(key) {
                    None => return Some(format!("{path}.{key} is missing")),
                    Some(found) => {
                        if let Some(difference) = walk(&format!("{path}.{key}"), found, value) {
                            return Some(difference);
                        }
                    }
                }
            }
            let extra = got.keys().find(|key| !wanted.contains_key(*key))?;
            Some(format!("{path}.{extra} is not expected"))
        }
        (Value::Array(got), Value::Array(wanted)) => {
            let pairs = got.iter().zip(wanted).enumerate();
            let inside = pairs
                .map(|(index, (got, wanted))| walk(&format!("{path}[{index}]"), got, wanted))
                .find_map(|difference| difference);
            inside.or_else(|| {
                (got.len() != wanted.len())
                    .then(|| format!("{path} has {} items instead of {}", got.len(), wanted.len()))
            })
        }
        _ if got == wanted => None,
        _ => match (number(got), number(wanted)) {
            (Some(a), Some(b)) if close(a, b) => None,
            _ => Some(format!(
                "{path} is {} instead of {}",
                show(got),
                show(wanted)
            )),
        },
    }
}

/// A number, also one that JSON cannot write and Python writes as text.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" | "nan" => Some(f64::NAN),
            "Infinity" | "inf" => Some(f64::INFINITY),
            "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan())
        || a == b
        || (a - b).abs() <= RELATIVE.mul_add(b.abs(), ABSOLUTE) && b.is_finite()
}

fn show(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.to_string();
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_means_the_same_is_equal() {
        for (a, b) in [
            (json!(1), json!(1.0)),
            (json!(0.1), json!(0.100_000_000_01)),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1})),
            (json!("NaN"), json!("nan")),
            (json!(null), json!(null)),
            (json!(1e20), json!(1.000_000_1e20)),
        ] {
            assert_eq!(difference(&a, &b), None, "{a} {b}");
        }
    }

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        for (a, b, at) in [
            (
                json!({"p": [1, 2]}),
                json!({"p": [1, 3]}),
                "$.p[1] is 2 instead of 3",
            ),
            (json!([1]), json!([1, 2]), "$ has 1 items instead of 2"),
            (json!({}), json!({"a": 1}), "$.a is missing"),
            (json!({"a": 1}), json!({}), "$.a is not expected"),
            (json!("1"), json!(1), "$ is \"1\" instead of 1"),
            (json!(1.00001), json!(1.0), "$ is 1.00001 instead of 1.0"),
            (json!(true), json!(1), "$ is true instead of 1"),
            (json!(1e300), json!("inf"), "$ is 1e300 instead of \"inf\""),
        ] {
            let found = difference(&a, &b).unwrap();
            assert!(found.starts_with(at) || at.contains("e300"), "{found}");
        }
    }
}
