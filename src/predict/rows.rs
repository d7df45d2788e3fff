//! The file of recorded predictions: JSON lines of a request and the response that is expected (docs/predictions.md).

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::form::Form;
use super::lenient;
use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::{Diagnostic, Location};

/// One recorded prediction.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// Body of the request.
    pub(crate) request: Value,
    /// What is expected; `None`: an answer, whatever it says.
    #[serde(default, deserialize_with = "some")]
    pub(crate) response: Option<Value>,
    /// Path that it is posted to, where that is recorded too.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// Where the prediction stands in an answer; `None`: it is the whole.
    #[serde(skip)]
    pub(crate) pointer: Option<String>,
    /// Line in the file.
    #[serde(skip)]
    pub(crate) line: u32,
}

impl Row {
    /// The request's body, as it was recorded.
    pub(crate) fn body(&self) -> String {
        lenient::write(&self.request)
    }
}

/// A `null` that was written is a value.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads all rows, in the form of requests; every line that is none is a finding.
pub(super) fn read(
    workspace: &Workspace,
    path: &Path,
    form: &Form,
) -> Result<Vec<Row>, Vec<Diagnostic>> {
    let name = workspace.relative(path);
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("failed to read recorded predictions `{name}`: {error}");
        vec![Diagnostic::error(Code::InputInvalid, message)]
    })?;
    parse(&name, &text, form)
}

fn row(text: &str, form: &Form) -> Result<Row, String> {
    let row: Row = serde_json::from_value(lenient::parse(text)?).map_err(|why| why.to_string())?;
    if row.response.is_none() {
        return Err("missing field `response`".to_owned());
    }
    if row
        .path
        .as_deref()
        .is_some_and(|path| !path.starts_with('/'))
    {
        return Err("`path` does not begin with `/`".to_owned());
    }
    Ok(Row {
        request: form.body(row.request)?,
        pointer: form.pointer.clone(),
        ..row
    })
}

fn parse(name: &str, text: &str, form: &Form) -> Result<Vec<Row>, Vec<Diagnostic>> {
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match row(text, form) {
            Ok(row) => rows.push(Row { line, ..row }),
            Err(why) => {
                findings.push(
                    Diagnostic::error(
                        Code::InputInvalid,
                        format!("failed to read a row of `{name}`: {why}"),
                    )
                    .help("each line is `{\"request\": …, \"response\": …}`")
                    .at(Location::line(name, line)),
                );
            }
        }
    }
    if rows.is_empty() && findings.is_empty() {
        let message = format!("failed to read recorded predictions `{name}`: there are no rows");
        findings.push(Diagnostic::error(Code::InputInvalid, message).at(Location::file(name)));
    }
    if findings.is_empty() {
        Ok(rows)
    } else {
        Err(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_line_is_named() {
        let plain = Form::default();
        let text = "{\"request\": 1, \"response\": 2}\n\nnot json\n{\"request\": 1}\n";
        let findings = parse("golden.jsonl", text, &plain).unwrap_err();
        let places: Vec<String> = findings
            .iter()
            .map(|finding| finding.at.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(places, ["golden.jsonl:3", "golden.jsonl:4"]);
        let rows = parse("g", "\n{\"request\": 1, \"response\": 2}", &plain).unwrap();
        assert_eq!(rows[0].line, 2);
        let rows = parse(
            "g",
            "{\"request\": [NaN], \"response\": null, \"path\": \"/p\"}",
            &plain,
        )
        .unwrap();
        assert_eq!(rows[0].response, Some(Value::Null));
        assert_eq!(rows[0].body(), "[NaN]");
        assert!(
            parse(
                "g",
                "{\"request\": 1, \"response\": 2, \"path\": \"p\"}",
                &plain
            )
            .is_err()
        );
        let form = Form {
            template: Some("$row/x".into()),
            pointer: Some("/0".to_owned()),
        };
        let text = "{\"request\": {\"x\": 5}, \"response\": 2}";
        let rows = parse("g", text, &form).unwrap();
        assert_eq!(
            (rows[0].body(), rows[0].pointer.as_deref()),
            ("5".to_owned(), Some("/0"))
        );
        assert!(parse("g", "{\"request\": 1, \"response\": 2}", &form).is_err());
    }
}
