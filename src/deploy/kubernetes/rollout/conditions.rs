//! Conditions, as most kinds report themselves: the rules of kstatus for kinds that we do not know, and a few kinds as data.

use serde_json::Value;

use super::observation::{Observation, Progress, Seen};
use super::rules::{FIRST_STATUS, Rule};
use crate::cluster::text;

/// A kind whose status says more than its conditions do.
struct Known {
    group: &'static str,
    kind: &'static str,
    /// Conditions that must be true; the general rules want none.
    wants: &'static [&'static str],
    /// Where the status names a state, and the states from which it does not recover.
    failed: (&'static str, &'static [&'static str]),
    /// Where it says why.
    why: &'static [&'static str],
}

const KNOWN: &[Known] = &[Known {
    group: "serving.kserve.io",
    kind: "InferenceService",
    wants: &["Ready"],
    failed: (
        "/status/modelStatus/transitionStatus",
        &["BlockedByFailedLoad", "InvalidSpec"],
    ),
    why: &[
        "/status/modelStatus/lastFailureInfo/reason",
        "/status/modelStatus/lastFailureInfo/message",
    ],
}];

/// The condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter().find(|one| text(one, "/type") == kind)
}

/// Whether the condition is there and true.
pub(super) fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|one| text(one, "/status") == "True")
}

/// A number at a JSON pointer; 0 when it is not there.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    let number = object.pointer(pointer).and_then(Value::as_i64);
    number.unwrap_or_default()
}

fn is_definition(seen: &Seen<'_>) -> bool {
    seen.target.kind() == "CustomResourceDefinition"
}

fn known(seen: &Seen<'_>) -> Option<&'static Known> {
    let resource = &seen.target.resource;
    KNOWN
        .iter()
        .find(|known| known.group == resource.group && known.kind == resource.kind)
}

/// A status in words: message and reason of a condition.
fn said(kind: &str, one: &Value) -> String {
    let message = match text(one, "/message") {
        "" => format!("condition `{kind}` is {}", text(one, "/status")),
        message => message.to_owned(),
    };
    format!("{message} — {}", text(one, "/reason"))
}

/// A condition, unless it says that it is about an earlier generation than what was applied.
fn fresh<'a>(seen: &Seen<'a>, kind: &str) -> Option<&'a Value> {
    condition(seen.object, kind).filter(|one| !is_stale(seen, one))
}

fn is_stale(seen: &Seen<'_>, one: &Value) -> bool {
    let of = one.get("observedGeneration").and_then(Value::as_i64);
    of.is_some_and(|of| of < seen.target.generation)
}

/// Whether this deployment made the resource and nobody has said anything about it yet.
fn is_silent(seen: &Seen<'_>) -> bool {
    seen.object.get("status").is_none() && !seen.is_old(seen.object)
}

/// How far any resource is.
pub(super) fn progress(seen: &Seen<'_>) -> Progress {
    let object = seen.object;
    let wants: &[&str] = match known(seen) {
        Some(known) => known.wants,
        None if is_definition(seen) => &["Established", "NamesAccepted"],
        None => &[],
    };
    if let Some(missing) = wants.iter().find(|kind| !holds(object, kind)) {
        return Progress::Going(match condition(object, missing) {
            Some(one) => said(missing, one),
            None => format!("condition `{missing}` is not there yet"),
        });
    }
    for (kind, good) in [
        ("Reconciling", false),
        ("Ready", true),
        ("Stalled", false),
        ("Failed", false),
    ] {
        match condition(object, kind) {
            Some(one) if good && is_stale(seen, one) => {
                let what = format!("condition `{kind}` is about what was there before");
                return Progress::Going(what);
            }
            Some(one) if !is_stale(seen, one) && (text(one, "/status") == "True") != good => {
                return Progress::Going(said(kind, one));
            }
            _ => {}
        }
    }
    if is_silent(seen) {
        let what = "it has no status, so nothing says whether it works";
        return Progress::Done(vec![what.to_owned()]);
    }
    Progress::done()
}

/// What a resource says is wrong with it.
pub(super) fn observe(seen: &Seen<'_>, out: &mut Vec<Observation>) {
    let object = seen.object;
    if is_definition(seen) {
        let names =
            condition(object, "NamesAccepted").filter(|one| text(one, "/status") == "False");
        let made = condition(object, "Established").filter(|one| {
            text(one, "/status") == "False"
                && !matches!(text(one, "/reason"), "Installing" | "NotAccepted")
        });
        if let Some(one) = names.or(made) {
            let what = said(text(one, "/type"), one);
            out.push(Observation::of(Rule::DefinitionRejected, what));
        }
        return;
    }
    if is_silent(seen) {
        let what =
            format!("it has no status yet; its controller is given {FIRST_STATUS} s to write one");
        out.push(Observation::of(Rule::StatusAwaited, what));
    }
    if let Some(known) = known(seen) {
        let state = text(object, known.failed.0);
        if known.failed.1.contains(&state) {
            let why: Vec<&str> = known
                .why
                .iter()
                .map(|at| text(object, at))
                .filter(|text| !text.is_empty())
                .collect();
            let what = format!("{} — {state}", why.join(": "));
            out.push(Observation::of(Rule::ConditionFailed, what));
        }
    }
    for kind in ["Stalled", "Failed"] {
        if let Some(one) = fresh(seen, kind).filter(|one| text(one, "/status") == "True") {
            out.push(Observation::of(Rule::ConditionFailed, said(kind, one)));
        }
    }
    if let Some(one) = fresh(seen, "Ready").filter(|one| text(one, "/status") == "False")
        && !holds(object, "Reconciling")
    {
        out.push(Observation::of(Rule::ConditionNotReady, said("Ready", one)));
    }
}
