//! What the API server's refusals mean: a code, a sentence, and the line of the manifest. Pure; it sends nothing.

use kube::core::Status;
use kube::core::response::StatusCause;
use serde_json::{Map, Value};

use super::diff;
use super::manifest::Object;
use crate::cluster::{text, transport};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// The findings behind an error of applying `object`; at least one.
pub(super) fn explain(object: &Object, error: kube::Error) -> Vec<Diagnostic> {
    explain_against(object, None, error)
}

/// Whether the API server refused the object's own fields, and nothing about the namespace or the account.
pub(super) fn is_about_fields(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status)
        if matches!(status.code, 400 | 422) || status.message.contains("typed patch object"))
}

/// The same, with the object as it is live, so that values can be told.
pub(super) fn explain_against(
    object: &Object,
    live: Option<&Value>,
    error: kube::Error,
) -> Vec<Diagnostic> {
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
            conflicts(object, live, &status, &tried)
        }
        422 => invalid(object, live, &status, &tried),
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
fn conflicts(
    object: &Object,
    live: Option<&Value>,
    status: &Status,
    tried: &str,
) -> Vec<Diagnostic> {
    let all: Vec<&StatusCause> = causes(status).collect();
    let Some(first) = all.first() else {
        return Vec::new();
    };
    let places = all.iter().map(|cause| {
        let field = cause.field.trim_start_matches('.');
        let values = live.map_or(String::new(), |live| {
            let side = |value: &Value| {
                diff::value_at(object, value, field).unwrap_or_else(|| "nothing".to_owned())
            };
            format!(", live {}, wanted {}", side(live), side(&object.value))
        });
        format!(
            "{}: `{field}` is owned by `{}`{values}",
            object.at(&cause.field),
            owner(cause)
        )
    });
    let field = first.field.trim_start_matches('.');
    let more = match all.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let owner = owner(first);
    let finding = Diagnostic::error(
        Code::ApplyConflict,
        format!("{tried}: `{field}`{more} is owned by field manager `{owner}`"),
    )
    .at(object.at(&first.field))
    .evidence(places);
    let scaled = first.message.contains("subresource \"scale\"");
    vec![match owner {
        "kubectl-client-side-apply" => finding.help("it was applied with kubectl before: set `force-conflicts: true` once, so that ml-deploy owns these fields from then on"),
        _ if scaled => finding.help("somebody scales it: remove `replicas` from the manifest when that is an autoscaler, or set `force-conflicts: true`"),
        _ => finding,
    }]
}

fn owner(cause: &StatusCause) -> &str {
    cause.message.split('"').nth(1).unwrap_or("another manager")
}

/// Values that the API server refuses, one finding for each.
fn invalid(object: &Object, live: Option<&Value>, status: &Status, tried: &str) -> Vec<Diagnostic> {
    let found: Vec<Diagnostic> = causes(status)
        .map(|cause| {
            if is_immutable(&cause.message) {
                return immutable(object, live, cause, tried);
            }
            let why = shorten(&line(&cause.message));
            let message = format!("{tried}: `{}`: {why}", cause.field);
            if cause
                .message
                .contains("`selector` does not match template `labels`")
            {
                return mismatch(object, tried);
            }
            let finding =
                Diagnostic::error(Code::ManifestRejected, message).at(object.at(&cause.field));
            // What the server filled in for the other strategy stays, and applying cannot take it away.
            if cause.message.contains("`type` is 'Recreate'") {
                let namespace = live.map_or("", |live| text(live, "/metadata/namespace"));
                return finding.help(format!(
                    "run once: `kubectl -n {namespace} patch deployment {} -p '{{\"spec\":{{\"strategy\":{{\"type\":\"Recreate\",\"rollingUpdate\":null}}}}}}'`",
                    object.name
                ));
            }
            finding
        })
        .collect();
    if found.is_empty() {
        let message = format!("{tried}: {}", line(&status.message));
        return vec![Diagnostic::error(Code::ManifestRejected, message).at(object.at(""))];
    }
    found
}

/// The many ways in which the API server says that a field stays as it was made.
fn is_immutable(message: &str) -> bool {
    [
        "immutable",
        "updates to",
        "may not change",
        "may not be changed",
        "cannot change",
        "field can not be less than previous value",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// A field that stays as it was made: which one, both values, and the two ways out.
fn immutable(
    object: &Object,
    live: Option<&Value>,
    cause: &StatusCause,
    tried: &str,
) -> Diagnostic {
    // For some kinds the API server names only `spec`, and in a sentence what may be changed all the same.
    let free = |path: &str| {
        let field = path.trim_start_matches("spec.");
        let field = field.split(['.', '[']).next().unwrap_or_default();
        let listed = cause.field == "spec" && cause.message.contains(&format!("'{field}'"));
        listed || (object.kind == "Pod" && path.ends_with(".image"))
    };
    let wishes = live.map(|live| diff::wishes(object, live, &cause.field));
    let wishes: Vec<_> = wishes
        .into_iter()
        .flatten()
        .filter(|wish| !free(&wish.path))
        .collect();
    let field = wishes
        .first()
        .map_or(cause.field.as_str(), |wish| wish.path.as_str());
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let values = wishes.first().map_or(String::new(), |wish| {
        format!(
            ": live {}, wanted {}",
            side(&wish.before),
            side(&wish.after)
        )
    });
    let more = match wishes.len() {
        0 | 1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    let evidence: Vec<String> = wishes
        .iter()
        .filter(|_| wishes.len() > 1)
        .map(|wish| {
            let (before, after) = (side(&wish.before), side(&wish.after));
            format!(
                "{}: {}: live {before}, wanted {after}",
                object.at(&wish.path),
                wish.path
            )
        })
        .collect();
    let namespace = live
        .map(|live| text(live, "/metadata/namespace"))
        .unwrap_or_default();
    let namespace = if namespace.is_empty() {
        String::new()
    } else {
        format!("-n {namespace} ")
    };
    let delete = format!(
        "kubectl {namespace}delete {} {}",
        object.kind.to_lowercase(),
        object.name
    );
    let lost = match object.kind.as_str() {
        "PersistentVolumeClaim" => " (its data goes too)",
        "Deployment" | "StatefulSet" | "DaemonSet" | "Pod" => {
            " (its pods stop until the next ones are ready)"
        }
        _ => "",
    };
    let (code, what) = if object.kind == "Pod" {
        (
            Code::PodExists,
            "the pod exists already, and it cannot be changed in",
        )
    } else {
        (
            Code::FieldImmutable,
            "a field cannot be changed once it is made:",
        )
    };
    let instead = if object.kind == "Pod" {
        ", or use a Deployment"
    } else {
        ""
    };
    Diagnostic::error(code, format!("{tried}: {what} `{field}`{values}{more}"))
        .help(format!(
            "keep the field as it is live, or delete the object first{lost}: `{delete}`, or give it a new name{instead}"
        ))
        .at(object.at(field))
        .evidence(evidence)
}

/// A workload whose selector does not choose its own pods.
fn mismatch(object: &Object, tried: &str) -> Diagnostic {
    let map = |pointer: &str| object.value.pointer(pointer).and_then(Value::as_object);
    let labels = map("/spec/template/metadata/labels");
    let wanted = map("/spec/selector/matchLabels").into_iter().flatten();
    let mut differing =
        wanted.filter(|(key, value)| labels.and_then(|labels| labels.get(*key)) != Some(*value));
    let has = |labels: Option<&Map<String, Value>>, key: &str| {
        labels.and_then(|labels| labels.get(key)).map_or_else(
            || "has no such label".to_owned(),
            |value| format!("has `{key}: {}`", value.as_str().unwrap_or_default()),
        )
    };
    let (message, path) = match differing.next() {
        Some((key, value)) => (
            format!(
                "{tried}: its selector wants `{key}: {}`, and its pod template {}",
                value.as_str().unwrap_or_default(),
                has(labels, key)
            ),
            format!("spec.selector.matchLabels[{key}]"),
        ),
        None => (
            format!("{tried}: its selector does not match the labels of its pod template"),
            "spec.selector".to_owned(),
        ),
    };
    Diagnostic::error(Code::SelectorMismatch, message).at(object.at(&path))
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
#[path = "reject_tests.rs"]
mod tests;
