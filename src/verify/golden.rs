//! Recorded predictions: JSON lines of a request and the response that is expected.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::{Diagnostic, Location};

/// One recorded prediction.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) request: Value,
    pub(super) response: Value,
    /// Line in the file.
    #[serde(skip)]
    pub(super) line: u32,
}

/// Reads all rows; every line that is none is a finding.
pub(super) fn read(workspace: &Workspace, path: &Path) -> Result<Vec<Row>, Vec<Diagnostic>> {
    let name = workspace.relative(path);
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("failed to read `golden` file `{name}`: {error}");
        vec![Diagnostic::error(Code::InputInvalid, message)]
    })?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<Vec<Row>, Vec<Diagnostic>> {
    let (mut rows, mut findings) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Row>(text) {
            Ok(row) => rows.push(Row { line, ..row }),
            Err(error) => {
                let why = error.to_string();
                let why = why.split(" at line ").next().unwrap_or_default();
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
        let message = format!("failed to read `golden` file `{name}`: it has no rows");
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
        let text = "{\"request\": 1, \"response\": 2}\n\nnot json\n{\"request\": 1}\n";
        let findings = parse("golden.jsonl", text).unwrap_err();
        let places: Vec<String> = findings
            .iter()
            .map(|finding| finding.at.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(places, ["golden.jsonl:3", "golden.jsonl:4"]);
        let rows = parse("g", "\n{\"request\": 1, \"response\": 2}").unwrap();
        assert_eq!(rows[0].line, 2);
    }
}
