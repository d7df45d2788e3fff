//! A request made up from the signature of an MLflow model, for one that was saved without an input example: the right columns
//! and types, and no values that mean anything. It knows MLflow's description of a schema, not its server.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Elements that a made-up tensor may have: enough for an image, and no memory worth speaking of.
const LARGEST: usize = 1 << 20;

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    signature: Option<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    /// JSON within YAML.
    #[serde(default)]
    inputs: Option<String>,
}

/// The body of a request to `/invocations`; `None` without a signature, or with types that cannot be made up.
pub(super) fn request(mlmodel: &str) -> Option<Value> {
    let description: Description = serde_saphyr::from_str(mlmodel).ok()?;
    let inputs: Value = serde_json::from_str(&description.signature?.inputs?).ok()?;
    let inputs = inputs.as_array().filter(|inputs| !inputs.is_empty())?;
    if inputs.iter().all(|input| input["type"] == "tensor") {
        return tensors(inputs);
    }
    let (mut columns, mut row) = (Vec::new(), Vec::new());
    for (place, input) in inputs.iter().enumerate() {
        if input["required"] == false {
            continue;
        }
        let name = input.get("name").filter(|name| !name.is_null());
        columns.push(name.cloned().unwrap_or_else(|| place.into()));
        row.push(value(input["type"].as_str()?)?);
    }
    Some(json!({"dataframe_split": {"columns": columns, "data": [row]}}))
}

/// A value of a column's type.
fn value(kind: &str) -> Option<Value> {
    Some(match kind {
        "boolean" => json!(false),
        "integer" | "long" => json!(1),
        "float" | "double" => json!(1.0),
        "string" => json!(""),
        "datetime" => json!("2024-01-01T00:00:00"),
        _ => return None,
    })
}

/// One tensor alone, or several by name.
fn tensors(inputs: &[Value]) -> Option<Value> {
    let made = |input: &Value| {
        let shape = input.pointer("/tensor-spec/shape")?.as_array()?;
        let kind = input.pointer("/tensor-spec/dtype")?.as_str()?;
        let element = match kind {
            "bool" => json!(false),
            kind if kind.starts_with("float") => json!(1.0),
            kind if kind.starts_with("int") || kind.starts_with("uint") => json!(1),
            kind if kind.starts_with("str") || kind == "object" => json!(""),
            _ => return None,
        };
        // A size that is left open is -1: one of them is enough.
        let sizes = shape
            .iter()
            .map(|size| Some(size.as_i64()?.max(1) as usize));
        let sizes: Vec<usize> = sizes.collect::<Option<_>>()?;
        let all = sizes
            .iter()
            .try_fold(1_usize, |all, size| all.checked_mul(*size));
        all.filter(|all| *all <= LARGEST)?;
        let nested = |inner: Value, size: &usize| Value::Array(vec![inner; *size]);
        Some(sizes.iter().rev().fold(element, nested))
    };
    if let [input] = inputs
        && input.get("name").is_none_or(Value::is_null)
    {
        return Some(json!({"inputs": made(input)?}));
    }
    let mut named = Map::new();
    for input in inputs {
        named.insert(input["name"].as_str()?.to_owned(), made(input)?);
    }
    Some(json!({"inputs": named}))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As MLflow writes it: folded, quoted, with what we do not read around it.
    fn of(inputs: &str) -> Option<Value> {
        request(&format!(
            "artifact_path: model\nflavors:\n  sklearn:\n    pickled_model: model.pkl\nsignature:\n  inputs: '{inputs}'\n  outputs: '[{{\"type\": \"long\"}}]'\n  params: null\n"
        ))
    }

    #[test]
    fn columns_become_one_row_of_their_types() {
        let text = r#"[{"type": "double", "name": "alcohol", "required": true}, {"type": "string", "name":
            "colour", "required": true}, {"type": "long", "name": "age", "required": false}]"#;
        assert_eq!(
            of(text),
            Some(
                json!({"dataframe_split": {"columns": ["alcohol", "colour"], "data": [[1.0, ""]]}})
            )
        );
        assert_eq!(
            of(r#"[{"type": "long"}, {"type": "boolean"}]"#),
            Some(json!({"dataframe_split": {"columns": [0, 1], "data": [[1, false]]}}))
        );
    }

    #[test]
    fn tensors_have_their_shape() {
        let tensor = |name: &str| {
            format!(
                r#"{{"type": "tensor"{name}, "tensor-spec": {{"dtype": "float64", "shape": [-1, 2]}}}}"#
            )
        };
        let plain = tensor("");
        assert_eq!(
            of(&format!("[{plain}]")),
            Some(json!({"inputs": [[1.0, 1.0]]}))
        );
        let (a, b) = (tensor(r#", "name": "a""#), tensor(r#", "name": "b""#));
        assert_eq!(
            of(&format!("[{a}, {b}]")),
            Some(json!({"inputs": {"a": [[1.0, 1.0]], "b": [[1.0, 1.0]]}}))
        );
    }

    #[test]
    fn nothing_is_made_up_of_what_is_not_understood() {
        assert_eq!(request("flavors: {}\n"), None);
        assert_eq!(request("signature: null\n"), None);
        assert_eq!(request("not: [yaml"), None);
        for inputs in [
            "[]",
            "no json",
            r#"[{"type": "binary", "name": "a"}]"#,
            r#"[{"type": "array", "name": "a"}]"#,
            r#"[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [99999, 99999]}}]"#,
            r#"[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [9223372036854775807, 9]}}]"#,
        ] {
            assert_eq!(of(inputs), None, "{inputs}");
        }
    }
}
