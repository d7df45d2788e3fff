//! Which of two colours a workload has when versions stand side by side.

use super::manifest::Object;

/// The label of pods and selectors.
pub(super) const LABEL: &str = "ml-deploy/colour";

/// The colour that a workload's pods have, when it is one of ours.
pub(super) fn colour(object: &Object) -> Option<&str> {
    let labels = object.value.pointer("/spec/template/metadata/labels");
    labels?.get(LABEL)?.as_str()
}

/// The name of a workload without its colour, which changes with every deployment.
pub(super) fn plain_name(object: &Object) -> &str {
    let name = &object.name;
    let plain = colour(object).and_then(|colour| name.strip_suffix(colour)?.strip_suffix('-'));
    plain.unwrap_or(name)
}
