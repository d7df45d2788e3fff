//! Findings for programs that show them at their lines: `findings.sarif` (SARIF 2.1.0) and `codequality.json` (GitLab). It knows the
//! two forms; both tell a finding that stays from one that is new by the same fingerprint.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Severity};

use super::outputs::Facts;

/// Characters of a message; the rest stands in report.json.
const LONGEST: usize = 4000;
/// Lines of evidence that a result of SARIF carries.
const EVIDENCE: usize = 30;

/// The findings, worst first, each with its fingerprint.
fn fingerprinted<'a>(facts: &'a Facts<'_>) -> Vec<(&'a Diagnostic, String)> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let ranked = facts.record.ranked().into_iter();
    ranked
        .map(|finding| {
            let finding = &finding.what;
            let key = key(finding);
            // Two findings that look the same are told apart by their order.
            let number = seen.entry(key.clone()).or_default();
            *number += 1;
            let text = format!("{key}\n{number}");
            let digest = Sha256::digest(text.as_bytes());
            let hex = digest.iter().take(16).map(|byte| format!("{byte:02x}"));
            (finding, hex.collect())
        })
        .collect()
}

/// What stays the same while lines move and measured numbers change: code, file, and the message without its digits.
fn key(finding: &Diagnostic) -> String {
    let file = finding.at.as_ref().map_or("", |at| at.file.as_str());
    let mut message = String::new();
    for c in finding.message.chars() {
        let digit = c.is_ascii_digit();
        if !digit {
            message.push(c);
        } else if !message.ends_with('0') {
            message.push('0');
        }
    }
    format!("{}\n{file}\n{message}", finding.code.slug())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A place inside of the checkout; neither form can name another.
fn file(finding: &Diagnostic) -> Option<&str> {
    let file = finding.at.as_ref()?.file.as_str();
    let file = file.trim_start_matches("./");
    let outside =
        file.is_empty() || file.starts_with('/') || file.split('/').any(|part| part == "..");
    (!outside).then_some(file)
}

/// GitLab's code quality report: an array, empty when there is nothing to say. It takes no finding without a file, so those stand
/// in the first line of `home`.
pub(super) fn quality(facts: &Facts<'_>, home: &str) -> String {
    let all = fingerprinted(facts);
    let entries: Vec<Value> = all
        .iter()
        .map(|(finding, fingerprint)| {
            let line = finding.at.as_ref().and_then(|at| at.line);
            let place = file(finding).map(|path| (path, line.unwrap_or(1)));
            let (path, line) = place.unwrap_or((home, 1));
            json!({
                "description": cut(&format!("{}. {}", finding.message, finding.advice())),
                "check_name": finding.code.slug(),
                "fingerprint": fingerprint,
                "severity": match finding.severity {
                    Severity::Error => "critical",
                    Severity::Warning => "minor",
                },
                "location": {"path": path, "lines": {"begin": line}},
            })
        })
        .collect();
    pretty(&entries.into())
}

/// SARIF 2.1.0 (OASIS), one run.
pub(super) fn sarif(facts: &Facts<'_>) -> String {
    let all = fingerprinted(facts);
    let mut rules: Vec<Code> = Vec::new();
    let mut results = Vec::new();
    for (finding, fingerprint) in &all {
        let index = rules.iter().position(|code| *code == finding.code);
        let index = index.unwrap_or_else(|| {
            rules.push(finding.code);
            rules.len() - 1
        });
        results.push(result(finding, index, fingerprint));
    }
    let rules: Vec<Value> = rules.into_iter().map(rule).collect();
    let failed = facts.verdict.exit != 0;
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ml-deploy",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": !failed, "exitCode": facts.verdict.exit}],
            "results": results,
        }],
    }))
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.slug(),
        "shortDescription": {"text": code.title()},
        "help": {"text": code.help()},
    })
}

fn result(finding: &Diagnostic, rule: usize, fingerprint: &str) -> Value {
    let mut text = format!("{}\nhelp: {}", finding.message, finding.advice());
    let skipped = finding.evidence.len().saturating_sub(EVIDENCE);
    for line in finding.evidence.iter().skip(skipped) {
        text.push('\n');
        text.push_str(line);
    }
    let mut result = json!({
        "ruleId": finding.code.slug(),
        "ruleIndex": rule,
        "level": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": {"text": cut(&text)},
        "partialFingerprints": {"mlDeploy/v1": fingerprint},
    });
    if let (Some(file), Value::Object(fields)) = (file(finding), &mut result) {
        let mut place = json!({"artifactLocation": {"uri": uri(file)}});
        let at = finding.at.as_ref();
        if let (Some(line), Value::Object(place)) = (at.and_then(|at| at.line), &mut place) {
            let mut region = json!({ "startLine": line });
            if let (Some(column), Value::Object(region)) =
                (at.and_then(|at| at.column), &mut region)
            {
                region.insert("startColumn".to_owned(), column.into());
            }
            place.insert("region".to_owned(), region);
        }
        fields.insert(
            "locations".to_owned(),
            json!([{ "physicalLocation": place }]),
        );
    }
    result
}

/// A relative path as a reference of RFC 3986. A first part with a colon would be a scheme, so colons are encoded too.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Location;
    use crate::event::{EventKind, Stage};
    use crate::report::sample;

    fn facts<T>(findings: Vec<Diagnostic>, use_them: impl FnOnce(&Facts<'_>) -> T) -> T {
        let events = findings
            .into_iter()
            .map(|finding| sample::event(1, Stage::Preflight, EventKind::Diagnosed(finding)));
        sample::facts(events.collect(), None, use_them)
    }

    fn quality(facts: &Facts<'_>) -> String {
        super::quality(facts, "ml-deploy.yml")
    }

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_fingerprint_outlives_moved_lines_and_new_numbers() {
        let one = |message: &str, line| {
            let finding = Diagnostic::warning(Code::ProbeBudget, message);
            let text = facts(
                vec![finding.at(Location::line("k8s/a.yaml", line))],
                quality,
            );
            read(&text)[0]["fingerprint"].clone()
        };
        let first = one("gives up after 20 s", 3);
        assert_eq!(first.as_str().unwrap().len(), 32);
        assert_eq!(first, one("gives up after 120 s", 9));
        assert_ne!(first, one("gives up at once", 3));
    }

    #[test]
    fn equal_findings_have_fingerprints_of_their_own() {
        let finding = |line| {
            Diagnostic::error(Code::PortMismatch, format!("port {line}"))
                .at(Location::line("./k8s/a.yaml", line))
        };
        let all = read(&facts(vec![finding(1), finding(2)], quality));
        assert_ne!(all[0]["fingerprint"], all[1]["fingerprint"]);
        assert_eq!(all[0]["severity"], "critical");
        assert_eq!(
            all[1]["location"],
            json!({"path": "k8s/a.yaml", "lines": {"begin": 2}})
        );
    }

    #[test]
    fn what_has_no_file_stands_on_the_configuration_for_gitlab() {
        let findings = || {
            vec![
                Diagnostic::warning(Code::DiskFull, "x"),
                Diagnostic::warning(Code::DiskFull, "y").at(Location::line("/etc/x", 7)),
            ]
        };
        for found in read(&facts(findings(), quality)).as_array().unwrap() {
            let home = json!({"path": "ml-deploy.yml", "lines": {"begin": 1}});
            assert_eq!(found["location"], home);
        }
        assert_eq!(facts(Vec::new(), quality), "[]\n");
        let sarif = read(&facts(findings(), sarif));
        assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 2);
        assert!(sarif["runs"][0]["results"][0].get("locations").is_none());
        assert_eq!(
            sarif["runs"][0]["tool"]["driver"]["rules"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn a_path_is_a_reference() {
        assert_eq!(uri("a b/ü:1%.py"), "a%20b/%C3%BC%3A1%25.py");
    }
}
