//! The check run: one on the commit, made when everything is known, with an annotation on every line that a finding names and
//! that no command in the log has annotated already: both stand on the same line of the pull request.
//! It knows GitHub's limits for it, not what findings mean.

use http::Method;
use serde_json::{Value, json};

use super::api::Api;
use super::place::Place;
use super::trouble::Trouble;
use crate::diagnostic::{Diagnostic, Severity};

/// Annotations of one request; further ones are appended by further requests.
const AT_ONCE: usize = 50;
/// Annotations altogether: nobody reads more, and each fifty cost a request.
const MOST: usize = 500;
/// Characters of a title and bytes of a message; GitHub takes 255 and 64 KB.
const TITLE: usize = 250;
const MESSAGE: usize = 60 << 10;

/// What the check says.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// `success`, `failure`, `cancelled`, `timed_out`.
    pub(super) conclusion: &'static str,
    /// Begin and end, RFC 3339.
    pub(super) started: String,
    pub(super) completed: String,
    pub(super) title: String,
    /// Markdown.
    pub(super) summary: String,
    pub(super) annotations: Vec<Value>,
}

/// Makes the check run. It is completed at once unless annotations have to follow.
pub(super) async fn report(api: &Api, place: &Place, check: &Check) -> Result<(), Trouble> {
    let made = write(api, place, check).await;
    match made {
        // A line or path that GitHub does not take must not lose the whole check.
        Err(Trouble::Rejected { status: 422, .. }) if !check.annotations.is_empty() => {
            let plain = Check {
                annotations: Vec::new(),
                ..check.clone()
            };
            write(api, place, &plain).await
        }
        other => other,
    }
}

async fn write(api: &Api, place: &Place, check: &Check) -> Result<(), Trouble> {
    let Some(commit) = &place.commit else {
        return Ok(());
    };
    let name = name(place);
    let parts: Vec<&[Value]> = check.annotations.chunks(AT_ONCE).collect();
    let (first, rest) = parts
        .split_first()
        .map_or((&[][..], &[][..]), |(a, b)| (*a, b));
    let mut body = json!({
        "name": name,
        "head_sha": commit,
        "external_id": place.mark,
        "started_at": check.started,
        "output": output(check, first),
    });
    if let Some(url) = &place.run_url {
        body["details_url"] = url.as_str().into();
    }
    finish(&mut body, check, rest.is_empty());
    let made = api
        .post("check-runs", &body, async || {
            find(api, place, commit, &name).await
        })
        .await?;
    let Some(id) = made["id"].as_u64().filter(|_| !rest.is_empty()) else {
        return Ok(());
    };
    place.remember("check", &id.to_string());
    let path = format!("check-runs/{id}");
    let mut sent = first.len();
    for (index, part) in rest.iter().enumerate() {
        let mut body = json!({ "output": output(check, part) });
        finish(&mut body, check, index + 1 == rest.len());
        sent += part.len();
        // Annotations are appended, so the same ones must not be sent twice.
        let done = async || {
            let run = api.get(&path).await?;
            let there = run["output"]["annotations_count"].as_u64();
            Ok(there
                .is_some_and(|count| count >= sent as u64)
                .then_some(run))
        };
        api.change(Method::PATCH, &path, &body, done).await?;
    }
    place.remember("check", "");
    Ok(())
}

/// Closes a check that a killed step left open.
pub(super) async fn close(api: &Api, id: u64) -> Result<bool, Trouble> {
    let path = format!("check-runs/{id}");
    if api.get(&path).await?["status"] == "completed" {
        return Ok(false);
    }
    let body = json!({
        "status": "completed",
        "conclusion": "cancelled",
        "completed_at": jiff::Timestamp::now().to_string(),
    });
    api.patch(&path, &body).await?;
    Ok(true)
}

/// The name that branch protection may require, so it depends on job and folder only.
fn name(place: &Place) -> String {
    if place.title.is_empty() {
        return "ml-deploy".to_owned();
    }
    format!("ml-deploy / {}", place.title)
}

fn output(check: &Check, annotations: &[Value]) -> Value {
    let mut output = json!({ "title": check.title, "summary": check.summary });
    if !annotations.is_empty() {
        output["annotations"] = annotations.into();
    }
    output
}

fn finish(body: &mut Value, check: &Check, completed: bool) {
    if completed {
        body["status"] = "completed".into();
        body["conclusion"] = check.conclusion.into();
        body["completed_at"] = check.completed.as_str().into();
    } else {
        body["status"] = "in_progress".into();
    }
}

/// The check run that this process has made, if it has.
async fn find(
    api: &Api,
    place: &Place,
    commit: &str,
    name: &str,
) -> Result<Option<Value>, Trouble> {
    let query = form(name);
    let path = format!("commits/{commit}/check-runs?check_name={query}&filter=all&per_page=100");
    let found = api.get(&path).await?;
    let runs = found["check_runs"].as_array().into_iter().flatten();
    let mut ours = runs.filter(|run| run["external_id"] == place.mark.as_str());
    Ok(ours.next().cloned())
}

/// Text in a query.
fn form(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Annotations of the findings that have a place in the repository, in their order.
pub(super) fn annotations<'a>(findings: impl Iterator<Item = &'a Diagnostic>) -> Vec<Value> {
    findings.filter_map(annotation).take(MOST).collect()
}

fn annotation(finding: &Diagnostic) -> Option<Value> {
    let at = finding.at.as_ref()?;
    let outside = at.file.starts_with('/') || at.file.split('/').any(|part| part == "..");
    if outside || at.file.is_empty() {
        return None;
    }
    let line = at.line.unwrap_or(1);
    let title = format!("{} ({})", finding.code.title(), finding.code.slug());
    let mut message = finding.message.clone();
    if !finding.advice().is_empty() {
        message.push_str("\n\nhelp: ");
        message.push_str(finding.advice());
    }
    let mut annotation = json!({
        "path": at.file,
        "start_line": line,
        "end_line": line,
        "annotation_level": match finding.severity {
            Severity::Error => "failure",
            Severity::Warning => "warning",
        },
        "title": title.chars().take(TITLE).collect::<String>(),
        "message": shortened(&message),
    });
    if let Some(column) = at.column.filter(|_| at.line.is_some()) {
        annotation["start_column"] = column.into();
        annotation["end_column"] = column.into();
    }
    let evidence = finding.evidence.join("\n");
    if !evidence.is_empty() {
        // The end of a log says why.
        let cut = evidence.ceil_char_boundary(evidence.len().saturating_sub(MESSAGE));
        annotation["raw_details"] = evidence[cut..].into();
    }
    Some(annotation)
}

fn shortened(text: &str) -> String {
    if text.len() <= MESSAGE {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MESSAGE)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::diagnostic::Location;

    #[test]
    fn a_finding_stands_on_its_line_within_the_limits() {
        let place = Location {
            file: "train.py".into(),
            line: Some(3),
            column: Some(7),
        };
        let finding = Diagnostic::error(Code::TrainFailed, "ü".repeat(40_000))
            .at(place)
            .evidence(["x".to_owned(), "ü".repeat(40_000)]);
        let found = annotation(&finding).unwrap();
        assert_eq!(found["start_line"], 3);
        assert_eq!(
            (&found["start_column"], &found["end_column"]),
            (&json!(7), &json!(7))
        );
        assert_eq!(found["annotation_level"], "failure");
        for text in ["message", "raw_details"] {
            let length = found[text].as_str().unwrap().len();
            assert!(
                (MESSAGE - 4..=MESSAGE + 4).contains(&length),
                "{text} {length}"
            );
        }
        let whole = Diagnostic::warning(Code::DiskFull, "x").at(Location::file("a"));
        let found = annotation(&whole).unwrap();
        assert_eq!(found["end_line"], 1);
        assert!(found.get("start_column").is_none());
    }

    #[test]
    fn what_lies_outside_of_the_repository_is_no_annotation() {
        for file in ["/usr/lib/python3/x.py", "../x.py", ""] {
            let finding = Diagnostic::error(Code::TrainFailed, "x").at(Location::line(file, 2));
            assert_eq!(annotation(&finding), None, "{file}");
        }
        assert_eq!(annotation(&Diagnostic::error(Code::TrainFailed, "x")), None);
    }
}
