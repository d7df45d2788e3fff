//! How a recorded row becomes the body of a request, and where in an answer the prediction stands: for servers of plain JSON
//! whose envelope the rows do not have.

use serde_json::Value;

use super::lenient;

/// In a template: the row's `request`, or with a pointer (`$row/x`) a part of it.
const ROW: &str = "$row";

/// The inputs `request-template` and `response-pointer`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Form {
    /// JSON in which `"$row"` stands for the row's request; `None`: the request is the body.
    pub(crate) template: Option<Value>,
    /// JSON pointer (RFC 6901) to the prediction; `None`: the whole answer.
    pub(crate) pointer: Option<String>,
}

/// Reads a template.
///
/// # Errors
/// What is wrong with it, after `input …`.
pub(crate) fn template(text: &str) -> Result<Value, String> {
    let template = lenient::parse(text).map_err(|why| format!("is no JSON: {why}"))?;
    if !mentions_row(&template) {
        return Err(format!(
            "has no `\"{ROW}\"`, which stands for the recorded request, such as `{{\"instances\": [\"{ROW}\"]}}`"
        ));
    }
    Ok(template)
}

/// Whether a pointer is one.
///
/// # Errors
/// What is wrong with it, after `input …`.
pub(crate) fn pointer(text: &str) -> Result<(), String> {
    if text.starts_with('/') {
        return Ok(());
    }
    Err(format!(
        "is `{text}`, expected a JSON pointer, such as `/predictions/0`"
    ))
}

impl Form {
    /// The body for a recorded request.
    ///
    /// # Errors
    /// The part that the template asks for and the request lacks.
    pub(super) fn body(&self, request: Value) -> Result<Value, String> {
        let Some(template) = &self.template else {
            return Ok(request);
        };
        fill(template, &request)
    }
}

fn place(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(ROW)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn mentions_row(template: &Value) -> bool {
    match template {
        Value::String(text) => place(text).is_some(),
        Value::Array(items) => items.iter().any(mentions_row),
        Value::Object(fields) => fields.values().any(mentions_row),
        _ => false,
    }
}

fn fill(template: &Value, request: &Value) -> Result<Value, String> {
    Ok(match template {
        Value::String(text) => match place(text) {
            Some(pointer) => request.pointer(pointer).cloned().ok_or_else(|| {
                format!("`request` has no `{pointer}`, which `request-template` asks for")
            })?,
            None => template.clone(),
        },
        Value::Array(items) => {
            let filled = items.iter().map(|item| fill(item, request));
            Value::Array(filled.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let filled = fields
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, request)?)));
            Value::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// Whether a request is one that MLflow's scoring server takes. Source: MLflow, `pyfunc/scoring_server`.
pub(super) fn is_of_mlflow(request: &Value) -> bool {
    let forms = [
        "dataframe_split",
        "dataframe_records",
        "instances",
        "inputs",
    ];
    forms.iter().any(|form| request.get(form).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str, request: Value) -> Result<Value, String> {
        let template = Some(template(text)?);
        Form {
            template,
            pointer: None,
        }
        .body(request)
    }

    #[test]
    fn a_row_takes_its_place_in_the_template() {
        let request = || json!({"x": [1, 2], "y": "$row"});
        for (text, wanted) in [
            (r#""$row""#, request()),
            (
                r#"{"instances": ["$row/x"], "n": 1}"#,
                json!({"instances": [[1, 2]], "n": 1}),
            ),
            (r#"["$row/x/1", "$rows"]"#, json!([2, "$rows"])),
            // What a row itself says is no template.
            (r#"["$row/y"]"#, json!(["$row"])),
        ] {
            assert_eq!(filled(text, request()), Ok(wanted), "{text}");
        }
        assert_eq!(Form::default().body(json!([1])), Ok(json!([1])));
    }

    #[test]
    fn what_cannot_be_filled_is_told() {
        let why = filled(r#"["$row/z"]"#, json!({"x": 1})).unwrap_err();
        assert!(why.contains("no `/z`"), "{why}");
        assert!(template("{\"a\": \"row\"}").unwrap_err().contains("has no"));
        assert!(template("{").unwrap_err().contains("is no JSON"));
        assert!(pointer("/a/0").is_ok() && pointer("a").is_err());
    }
}
