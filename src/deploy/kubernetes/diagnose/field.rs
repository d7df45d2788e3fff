//! From a field of a container to its line in the manifest that was applied.

use crate::deploy::kubernetes::manifest::Object;
use crate::diagnostic::Location;

/// A field of the container in the manifest; the nearest line above when the field is not there.
pub(super) fn field(object: &Object, container: &str, path: &str) -> Option<Location> {
    let pod = match object.kind.as_str() {
        "Pod" => "spec",
        "CronJob" => "spec.jobTemplate.spec.template.spec",
        _ => "spec.template.spec",
    };
    let list = |name: &str| {
        let pointer = format!("/{}/{name}", pod.replace('.', "/"));
        object.value.pointer(&pointer).and_then(|list| {
            list.as_array()?.iter().position(|one| {
                one.get("name").and_then(serde_json::Value::as_str) == Some(container)
            })
        })
    };
    ["containers", "initContainers"]
        .into_iter()
        .find_map(|name| {
            list(name).map(|index| object.at(&format!("{pod}.{name}[{index}].{path}")))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    #[test]
    fn a_field_is_found_in_the_right_container() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: wine\nspec:\n  template:\n    spec:\n      containers:\n      - name: proxy\n      - name: model\n        livenessProbe:\n          httpGet:\n            path: /x\n";
        let objects = parse("k.yaml", text).unwrap();
        let at = |container: &str, path: &str| {
            field(&objects[0], container, path).map(|at| at.to_string())
        };
        assert_eq!(
            at("model", "livenessProbe.httpGet.path").unwrap(),
            "k.yaml:13"
        );
        assert_eq!(at("model", "resources.limits.memory").unwrap(), "k.yaml:10");
        assert_eq!(at("proxy", "livenessProbe").unwrap(), "k.yaml:9");
        assert_eq!(at("other", "livenessProbe"), None);
    }
}
