//! Configuration that the old and the new version both read: what of it a deployment changes under the old one's feet.

use futures_util::future::join_all;
use serde_json::Value;

use super::super::apply::{Kinds, api};
use super::super::manifest::Object;
use crate::cluster::Cluster;
use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// What objects say, without what the API server and we note about them; `None` for what is not there or cannot be read.
pub(super) async fn contents(
    cluster: &Cluster,
    kinds: &Kinds,
    objects: &[Object],
) -> Vec<Option<Value>> {
    join_all(objects.iter().map(async |object| {
        let resource = kinds.of(object)?;
        let live = api(cluster, resource, object).get_opt(&object.name).await;
        let mut value = serde_json::to_value(live.ok()??).ok()?;
        let fields = value.as_object_mut()?;
        fields.remove("metadata");
        fields.remove("status");
        Some(value)
    }))
    .await
}

/// The objects that were there and say something else now.
pub(super) fn changed<'a>(
    objects: &'a [Object],
    before: &[Option<Value>],
    after: &[Option<Value>],
) -> Vec<&'a Object> {
    let states = before.iter().zip(after);
    objects
        .iter()
        .zip(states)
        .filter(|(_, (before, after))| before.is_some() && before != after)
        .map(|(object, _)| object)
        .collect()
}

/// Names of the objects that were made or say something else now.
pub(super) fn touched(
    objects: &[Object],
    before: &[Option<Value>],
    after: &[Option<Value>],
) -> Vec<String> {
    let states = before.iter().zip(after);
    let pairs = objects.iter().zip(states);
    pairs
        .filter(|(_, (before, after))| before != after)
        .map(|(object, _)| format!("`{}`", object.label()))
        .collect()
}

/// Said once for all of them.
pub(super) fn warning(changed: &[&Object]) -> Option<Diagnostic> {
    let read = |object: &&&Object| matches!(object.kind.as_str(), "ConfigMap" | "Secret");
    let mut objects = changed.iter().filter(read).copied().peekable();
    let at = objects.peek()?.at("metadata.name");
    let labels: Vec<String> = objects
        .map(|object| format!("`{}`", object.label()))
        .collect();
    let message = format!(
        "{} is changed while the old version still reads it: both versions share it",
        labels.join(", ")
    );
    Some(
        Diagnostic::warning(Code::StrategyUnfit, message)
            .help("give changed configuration a new name, for example with the version in it, so that each version reads its own")
            .at(at),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    #[test]
    fn only_what_was_there_and_differs_is_warned_of() {
        let text: String = ["ConfigMap/a", "ConfigMap/b", "Secret/c", "Role/d"]
            .iter()
            .filter_map(|label| label.split_once('/'))
            .map(|(kind, name)| {
                format!("---\napiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n")
            })
            .collect();
        let objects = parse("k.yaml", &text).unwrap();
        let old = [Some(json!(1)), None, Some(json!(1)), Some(json!(1))];
        let new = [
            Some(json!(1)),
            Some(json!(2)),
            Some(json!(2)),
            Some(json!(2)),
        ];
        let found = changed(&objects, &old, &new);
        let labels: Vec<String> = found.iter().map(|object| object.label()).collect();
        assert_eq!(labels, ["Secret/c", "Role/d"]);
        // What was made is no surprise for the old version, but has to go with the new one.
        let all = touched(&objects, &old, &new);
        assert_eq!(all, ["`ConfigMap/b`", "`Secret/c`", "`Role/d`"]);
        let warning = warning(&found).unwrap();
        assert!(
            warning.message.starts_with("`Secret/c` is changed"),
            "{}",
            warning.message
        );
        assert!(super::warning(&changed(&objects, &new, &new)).is_none());
    }
}
