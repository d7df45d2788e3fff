//! What the API server's refusals mean: a code, a sentence, and the line of the manifest. Pure; it sends nothing.

use kube::core::Status;
use kube::core::response::StatusCause;

use super::manifest::Object;
use crate::cluster::transport;
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// The findings behind an error of applying `object`; at least one.
pub(super) fn explain(object: &Object, error: kube::Error) -> Vec<Diagnostic> {
    let tried = format!("failed to apply `{}`", object.label());
    let status = match error {
        kube::Error::Api(status) => status,
        other => {
            let message = format!("{tried}: {}", transport(other));
            return vec![Diagnostic::error(Code::ClusterUnreachable, message).at(object.at(""))];
        }
    };
    let one = |code: Code, path: &str| {
        let message = format!("{tried}: {}", line(&status.message));
        vec![Diagnostic::error(code, message).at(object.at(path))]
    };
    match status.code {
        409 if causes(&status).any(|cause| cause.reason == "FieldManagerConflict") => {
            conflicts(object, &status, &tried)
        }
        422 => invalid(object, &status, &tried),
        401 => one(Code::ClusterDenied, ""),
        // Quota and admission answer 403 as missing rights do; only the latter names the user.
        403 if status.message.contains("is forbidden: User ")
            || status.message.contains("cannot patch resource") =>
        {
            one(Code::ClusterDenied, "")
        }
        400 | 403 => match quoted_field(&status.message) {
            Some(field) => one(Code::ManifestRejected, field),
            None => one(Code::ManifestRejected, ""),
        },
        404 if status.message.starts_with("namespaces ") => {
            one(Code::NamespaceMissing, "metadata.namespace")
        }
        _ if status.message.contains("typed patch object") => schema(object, &status, &tried),
        _ => one(Code::ApplyFailed, ""),
    }
}

/// Fields that somebody else owns.
fn conflicts(object: &Object, status: &Status, tried: &str) -> Vec<Diagnostic> {
    let places: Vec<String> = causes(status)
        .map(|cause| {
            let field = cause.field.trim_start_matches('.');
            let owner = cause.message.split('"').nth(1).unwrap_or("another manager");
            format!(
                "{}: `{field}` is owned by `{owner}`",
                object.at(&cause.field)
            )
        })
        .collect();
    let at = causes(status).next().map(|cause| object.at(&cause.field));
    let first = causes(status).next();
    let field = first.map_or("?", |cause| cause.field.trim_start_matches('.'));
    let owner = first
        .and_then(|cause| cause.message.split('"').nth(1))
        .unwrap_or("another manager");
    let more = match places.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    vec![
        Diagnostic::error(
            Code::ApplyConflict,
            format!("{tried}: `{field}`{more} is owned by field manager `{owner}`"),
        )
        .at(at)
        .evidence(places.into_iter().filter(|_| !more.is_empty())),
    ]
}

/// Values that the API server refuses, one finding for each.
fn invalid(object: &Object, status: &Status, tried: &str) -> Vec<Diagnostic> {
    let found: Vec<Diagnostic> = causes(status)
        .map(|cause| {
            let immutable = cause.message.contains("immutable") || cause.message.contains("updates to");
            let code = if immutable { Code::FieldImmutable } else { Code::ManifestRejected };
            let message = format!("{tried}: `{}`: {}", cause.field, shorten(&line(&cause.message)));
            let finding = Diagnostic::error(code, message).at(object.at(&cause.field));
            if immutable {
                finding.help(format!(
                    "keep the field as it is live, or delete the object first: `kubectl delete {} {}`",
                    object.kind.to_lowercase(),
                    object.name
                ))
            } else {
                finding
            }
        })
        .collect();
    if found.is_empty() {
        let message = format!("{tried}: {}", line(&status.message));
        return vec![Diagnostic::error(Code::ManifestRejected, message).at(object.at(""))];
    }
    found
}

/// `failed to create typed patch object (…): .spec.replicaz: field not declared in schema`, or several in lines.
fn schema(object: &Object, status: &Status, tried: &str) -> Vec<Diagnostic> {
    let told = status
        .message
        .split_once("): ")
        .map_or(status.message.as_str(), |(_, told)| told);
    let found: Vec<Diagnostic> = told
        .lines()
        .map(str::trim)
        .filter_map(|told| told.split_once(": "))
        .filter(|(field, _)| field.starts_with('.'))
        .map(|(field, why)| {
            let why = why.replace("field not declared in schema", "no such field");
            let message = format!("{tried}: `{}`: {why}", field.trim_start_matches('.'));
            Diagnostic::error(Code::ManifestRejected, message).at(object.at(field))
        })
        .collect();
    if found.is_empty() {
        let message = format!("{tried}: {}", line(told));
        return vec![Diagnostic::error(Code::ManifestRejected, message).at(object.at(""))];
    }
    found
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

/// The field in `unknown field "spec.x"`.
fn quoted_field(message: &str) -> Option<&str> {
    message.split_once("field \"")?.1.split('"').next()
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Rejections quote the whole value; nobody reads more than this.
fn shorten(text: &str) -> String {
    const MOST: usize = 300;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    // The reason stands at the end, after the value.
    let tail = text.rsplit(": ").next().unwrap_or_default();
    let head: String = text.chars().take(MOST / 2).collect();
    format!("{head}…: {tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    const TEXT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: wine\nspec:\n  replicaz: 2\n  replicas: 2\n  selector:\n    matchLabels: {app: x}\n";

    fn findings(answer: &str) -> Vec<Diagnostic> {
        let status: Status = serde_json::from_str(answer).unwrap();
        let objects = parse("k.yaml", TEXT).unwrap();
        explain(&objects[0], kube::Error::Api(status.boxed()))
    }

    fn seen(answer: &str) -> (Code, String, String) {
        let finding = findings(answer).remove(0);
        (
            finding.code,
            finding.at.unwrap().to_string(),
            finding.message,
        )
    }

    // All answers were recorded from API server 1.34.
    #[test]
    fn an_unknown_field_is_found() {
        let (code, at, message) = seen(
            r#"{"status":"Failure","message":"failed to create typed patch object (x/wine; apps/v1, Kind=Deployment): .spec.replicaz: field not declared in schema","code":500}"#,
        );
        assert_eq!((code, at.as_str()), (Code::ManifestRejected, "k.yaml:6"));
        assert_eq!(
            message,
            "failed to apply `Deployment/wine`: `spec.replicaz`: no such field"
        );
    }

    #[test]
    fn an_immutable_field_is_told_from_a_wrong_one() {
        let (code, at, _) = seen(
            r#"{"status":"Failure","message":"m","reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: {}: field is immutable","field":"spec.selector"}]},"code":422}"#,
        );
        assert_eq!((code, at.as_str()), (Code::FieldImmutable, "k.yaml:8"));
    }

    #[test]
    fn a_conflict_names_the_other_manager() {
        let (code, at, message) = seen(
            r#"{"status":"Failure","message":"m","reason":"Conflict","details":{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl\" with subresource \"scale\" using apps/v1","field":".spec.replicas"}]},"code":409}"#,
        );
        assert_eq!((code, at.as_str()), (Code::ApplyConflict, "k.yaml:7"));
        assert!(
            message.ends_with("`spec.replicas` is owned by field manager `kubectl`"),
            "{message}"
        );
    }

    #[test]
    fn quota_is_no_missing_right() {
        let (code, ..) = seen(
            r#"{"status":"Failure","message":"pods \"a\" is forbidden: exceeded quota: q","reason":"Forbidden","code":403}"#,
        );
        assert_eq!(code, Code::ManifestRejected);
        let (code, ..) = seen(
            r#"{"status":"Failure","message":"deployments.apps \"a\" is forbidden: User \"x\" cannot patch resource","reason":"Forbidden","code":403}"#,
        );
        assert_eq!(code, Code::ClusterDenied);
    }
}
