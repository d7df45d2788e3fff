//! The pushed image takes the place of the manifest's: matched by parsed reference, pinned to a digest.

use serde_json::Value;

use super::manifest::Object;
use crate::cluster::text;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::registry::Reference;

/// Where an object keeps its pod template's `spec`, and the annotations of those pods.
pub(super) fn pod_of(kind: &str) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        "Pod" => ("spec", "metadata"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            ("spec.template.spec", "spec.template.metadata")
        }
        "CronJob" => (
            "spec.jobTemplate.spec.template.spec",
            "spec.jobTemplate.spec.template.metadata",
        ),
        _ => return None,
    })
}

pub(super) fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

/// Every container's image with its field path.
fn images(object: &Object) -> Vec<(String, String)> {
    let Some((spec, _)) = pod_of(&object.kind) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for list in ["initContainers", "containers"] {
        let containers = object
            .value
            .pointer(&pointer(&format!("{spec}.{list}")))
            .and_then(Value::as_array);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            if let Some(image) = container.get("image").and_then(Value::as_str) {
                found.push((format!("{spec}.{list}[{index}].image"), image.to_owned()));
            }
        }
    }
    found
}

/// Whether a container of the object runs an image of the repository.
pub(super) fn uses(object: &Object, repository: &Reference) -> bool {
    images(object).iter().any(|(_, image)| {
        let parsed = image.parse::<Reference>().ok();
        parsed.is_some_and(|parsed| parsed.same_repository(repository))
    })
}

/// Name and image of each container of a workload, as it is applied or as it is live; init containers left out.
pub(super) fn containers(object: &Value) -> Vec<(String, String)> {
    let Some((spec, _)) = pod_of(text(object, "/kind")) else {
        return Vec::new();
    };
    let found = object
        .pointer(&pointer(&format!("{spec}.containers")))
        .and_then(Value::as_array);
    let named = |one: &Value| {
        (
            text(one, "/name").to_owned(),
            text(one, "/image").to_owned(),
        )
    };
    found.into_iter().flatten().map(named).collect()
}

/// Replaces every image of `repository` by `pinned` and returns how many there were. None is an error that lists all
/// images with their places; one that cannot be parsed is only listed, because it may be somebody else's.
pub(super) fn substitute(
    objects: &mut [Object],
    repository: &Reference,
    pinned: &str,
) -> Result<usize, Diagnostic> {
    let (mut seen, mut replaced) = (Vec::new(), 0);
    for object in objects.iter_mut() {
        for (path, image) in images(object) {
            let parsed = image.parse::<Reference>().ok();
            if !parsed.is_some_and(|parsed| parsed.same_repository(repository)) {
                seen.push((object.at(&path), image));
                continue;
            }
            let pointer = pointer(&path.replace('[', ".").replace(']', ""));
            if let Some(slot) = object.value.pointer_mut(&pointer) {
                *slot = pinned.into();
                replaced += 1;
            }
        }
    }
    if replaced > 0 {
        return Ok(replaced);
    }
    let wanted = repository.repository();
    let message =
        format!("failed to put the image into the manifests: no container uses `{wanted}`");
    let likeness = |image: &str| {
        let name = image
            .parse::<Reference>()
            .map_or_else(|_| image.to_owned(), |parsed| parsed.repository());
        strsim::normalized_levenshtein(&name, &wanted)
    };
    let nearest = seen
        .iter()
        .max_by(|a, b| likeness(&a.1).total_cmp(&likeness(&b.1)));
    let finding = Diagnostic::error(Code::ManifestImage, message);
    let Some((at, image)) = nearest else {
        return Err(finding
            .help("the manifests have no container; name those of the workload in `manifests`"));
    };
    Err(finding
        .help(format!(
            "write `image: {wanted}` there, or set `image` to the repository of `{image}`"
        ))
        .at(at.clone())
        .evidence(seen.iter().map(|(at, image)| format!("{at}: {image}"))))
}

/// Writes annotations on the object, and those of pods on its pod template, so that what runs says where it came from.
pub(super) fn annotate(
    object: &mut Object,
    on_object: &[(&str, String)],
    on_pods: &[(&str, String)],
) {
    put(&mut object.value, "metadata", on_object);
    if object.kind == "Pod" || on_pods.is_empty() {
        return;
    }
    if let Some((_, metadata)) = pod_of(&object.kind) {
        put(&mut object.value, metadata, on_pods);
    }
}

fn put(value: &mut Value, path: &str, annotations: &[(&str, String)]) {
    let mut place = value;
    for part in path.split('.').chain(["annotations"]) {
        let Some(map) = place.as_object_mut() else {
            return;
        };
        let next = map
            .entry(part)
            .or_insert_with(|| Value::Object(serde_json::Map::new()));
        if next.is_null() {
            *next = Value::Object(serde_json::Map::new());
        }
        place = next;
    }
    if let Some(map) = place.as_object_mut() {
        for (key, text) in annotations {
            map.insert((*key).to_owned(), text.clone().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::kubernetes::manifest::parse;

    const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: wine
spec:
  template:
    spec:
      initContainers:
      - name: fetch
        image: busybox
      containers:
      - name: model
        image: localhost:5001/team/wine:latest
      - name: side
        image: localhost:5001/team/wine-proxy
";

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_same_repository_is_replaced() {
        let mut objects = parse("k8s/d.yaml", DEPLOYMENT).unwrap();
        let count = substitute(
            &mut objects,
            &reference("localhost:5001/team/wine"),
            "PINNED",
        )
        .unwrap();
        assert_eq!(count, 1);
        let after: Vec<String> = images(&objects[0])
            .into_iter()
            .map(|(_, image)| image)
            .collect();
        assert_eq!(
            after,
            ["busybox", "PINNED", "localhost:5001/team/wine-proxy"]
        );
    }

    #[test]
    fn a_registry_with_a_port_is_no_tag() {
        let mut objects = parse("k8s/d.yaml", DEPLOYMENT).unwrap();
        let finding =
            substitute(&mut objects, &reference("localhost/team/wine"), "PINNED").unwrap_err();
        assert_eq!(finding.code, Code::ManifestImage);
        assert_eq!(finding.at.as_ref().unwrap().to_string(), "k8s/d.yaml:13");
        assert_eq!(finding.evidence.len(), 3);
        assert_eq!(finding.evidence[0], "k8s/d.yaml:10: busybox");
    }

    #[test]
    fn cron_jobs_have_deeper_templates() {
        let text = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: x}\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          containers:\n          - image: a/b:1\n";
        let mut objects = parse("c.yaml", text).unwrap();
        assert_eq!(substitute(&mut objects, &reference("a/b"), "P").unwrap(), 1);
        annotate(
            &mut objects[0],
            &[("k", "v".to_owned())],
            &[("d", "w".to_owned())],
        );
        let value = &objects[0].value;
        assert_eq!(value["metadata"]["annotations"]["k"], "v");
        assert_eq!(
            value["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["annotations"]["d"],
            "w"
        );
    }
}
