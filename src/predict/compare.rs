//! Whether two answers mean the same: numbers within a tolerance, labels exactly, objects by key, arrays by order. Pure.

use serde_json::Value;

use super::lenient::MARK;
use super::spread::Spread;
use super::tolerance::Tolerance;

/// One place where an answer is not as recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// `$.predictions[3]`.
    pub(crate) path: String,
    /// `is 2 instead of 3`. Untrusted.
    pub(crate) what: String,
    /// How far two numbers are apart; `None` for anything else.
    pub(crate) distance: Option<f64>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.what)
    }
}

/// All that a comparison tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// The first difference in reading order.
    pub(super) first: Option<Difference>,
    /// How many places differ.
    pub(super) count: usize,
    /// Whether each difference is one of two numbers.
    pub(super) only_numbers: bool,
    pub(super) spread: Spread,
}

/// Compares an answer with the recorded one.
pub(super) fn compare(got: &Value, wanted: &Value, tolerance: Tolerance) -> Comparison {
    let mut walk = Walk {
        tolerance,
        found: Comparison {
            only_numbers: true,
            ..Comparison::default()
        },
    };
    walk.value("$", got, wanted);
    walk.found
}

struct Walk {
    tolerance: Tolerance,
    found: Comparison,
}

impl Walk {
    fn value(&mut self, path: &str, got: &Value, wanted: &Value) {
        match (got, wanted) {
            (Value::Object(got), Value::Object(wanted)) => {
                for (key, value) in wanted {
                    let path = format!("{path}.{key}");
                    match got.get(key) {
                        None => self.differs(&path, "is missing".to_owned(), None),
                        Some(found) => self.value(&path, found, value),
                    }
                }
                for key in got.keys().filter(|key| !wanted.contains_key(*key)) {
                    self.differs(&format!("{path}.{key}"), "is not expected".to_owned(), None);
                }
            }
            (Value::Array(got), Value::Array(wanted)) => {
                for (index, (got, wanted)) in got.iter().zip(wanted).enumerate() {
                    self.value(&format!("{path}[{index}]"), got, wanted);
                }
                if got.len() != wanted.len() {
                    let what = format!("has {} items instead of {}", got.len(), wanted.len());
                    self.differs(path, what, None);
                }
            }
            _ => self.leaf(path, got, wanted),
        }
    }

    fn leaf(&mut self, path: &str, got: &Value, wanted: &Value) {
        let numbers = number(got).zip(number(wanted));
        if let Some((a, b)) = numbers {
            self.found.spread.add(a, b);
        }
        // Two whole numbers are a class, a count or a rank: there is no nearly the same.
        let whole = is_whole(got) && is_whole(wanted);
        let same = got == wanted
            || numbers.is_some_and(|(a, b)| !whole && self.tolerance.allows(a, b))
            // Many servers cannot write a number that is none, and say null.
            || got.is_null() && number(wanted).is_some_and(f64::is_nan);
        if !same {
            let what = format!("is {} instead of {}", show(got), show(wanted));
            let distance = numbers.filter(|_| !whole).map(|(a, b)| (a - b).abs());
            self.differs(path, what, distance);
        }
    }

    fn differs(&mut self, path: &str, what: String, distance: Option<f64>) {
        self.found.count += 1;
        self.found.only_numbers &= distance.is_some();
        self.found.first.get_or_insert_with(|| Difference {
            path: path.to_owned(),
            what,
            distance,
        });
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64()
}

/// A number, also one that JSON cannot write and Python writes as text.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.trim_start_matches(MARK) {
            "NaN" | "nan" => Some(f64::NAN),
            "Infinity" | "inf" => Some(f64::INFINITY),
            "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn show(value: &Value) -> String {
    const MOST: usize = 80;
    let text = super::lenient::write(value);
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn difference(got: &Value, wanted: &Value) -> Option<String> {
        let found = compare(got, wanted, Tolerance::DOUBLE);
        assert_eq!(found.count == 0, found.first.is_none());
        found.first.map(|first| first.to_string())
    }

    #[test]
    fn labels_and_classes_are_exact_whatever_the_tolerance() {
        let wide = Tolerance {
            rtol: 0.5,
            atol: 0.5,
        };
        let differs = |a: Value, b: Value| compare(&a, &b, wide).count > 0;
        assert!(differs(json!(100), json!(101)));
        assert!(differs(json!("cat"), json!("dog")));
        assert!(differs(json!(true), json!(false)));
        assert!(differs(json!([1, 2]), json!([2, 1])));
        assert!(!differs(json!(100.0), json!(101)));
        assert!(!differs(json!([0.5]), json!([0.6])));
        let found = compare(&json!([9.0, "a"]), &json!([1.0, "b"]), wide);
        assert_eq!((found.count, found.only_numbers), (2, false));
        assert_eq!(found.first.unwrap().distance, Some(8.0));
    }

    #[test]
    fn what_means_the_same_is_equal() {
        for (a, b) in [
            (json!(1), json!(1.0)),
            (json!(0.1), json!(0.100_000_000_01)),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1})),
            (json!("NaN"), json!("nan")),
            (json!(null), json!("NaN")),
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
