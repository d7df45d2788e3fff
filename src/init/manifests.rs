//! The manifests of a repository: where they are, which image and namespace they name, how they ask whether a pod is ready.

use serde_json::Value;

use super::files::{Files, Text};

/// What the manifests tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Manifests {
    /// A file, or the folder when several belong together.
    pub(super) path: String,
    /// The image of the only container that is not of a well-known helper, without tag.
    pub(super) image: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) health: Option<String>,
}

const WORKLOADS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet"];

/// The manifests nearest to the root that have a workload. Templates of Helm are not YAML, and so are not taken for manifests.
pub(super) fn find(files: &Files) -> Option<Manifests> {
    let yaml = |file: &&Text| file.path.ends_with(".yaml") || file.path.ends_with(".yml");
    let documents: Vec<(&Text, Vec<Value>)> = files
        .texts
        .iter()
        .filter(yaml)
        .filter(|file| !file.path.starts_with(".github/"))
        .filter_map(|file| Some((file, objects(&file.text)?)))
        .collect();
    let (first, workload) = documents.iter().find_map(|(file, objects)| {
        let workload = objects
            .iter()
            .find(|object| WORKLOADS.iter().any(|kind| object["kind"] == **kind))?;
        Some((*file, workload))
    })?;
    let beside = documents
        .iter()
        .filter(|(file, _)| file.folder() == first.folder())
        .count();
    let path = if beside > 1 && !first.folder().is_empty() {
        first.folder()
    } else {
        &first.path
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let containers = workload["spec"]["template"]["spec"]["containers"].as_array();
    let containers = containers.map(Vec::as_slice).unwrap_or_default();
    let image = match containers {
        [only] => only["image"]
            .as_str()
            .map(without_tag)
            .filter(|image| !image.contains(['$', '{', '<'])),
        _ => None,
    };
    Some(Manifests {
        path: path.to_owned(),
        image: image.map(str::to_owned),
        namespace: text(&workload["metadata"]["namespace"]),
        health: containers
            .iter()
            .find_map(|container| text(&container["readinessProbe"]["httpGet"]["path"])),
    })
}

/// The objects of a file; `None` when it is not a file of Kubernetes objects alone.
fn objects(text: &str) -> Option<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).ok()?;
    let documents: Vec<Value> = documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect();
    let object =
        |document: &Value| document["apiVersion"].is_string() && document["kind"].is_string();
    (!documents.is_empty() && documents.iter().all(object)).then_some(documents)
}

/// `host:5000/name:tag@digest` → `host:5000/name`.
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKLOAD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: wine, namespace: ml}\nspec:\n  template:\n    spec:\n      \
        containers:\n      - image: host:5000/team/wine:1.2\n        readinessProbe: {httpGet: {path: /ready}}\n";

    fn files(texts: &[(&str, &str)]) -> Files {
        let text = |(path, text): &(&str, &str)| Text {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Files {
            texts: texts.iter().map(text).collect(),
            data: Vec::new(),
            paths: Vec::new(),
        }
    }

    #[test]
    fn a_workload_tells_image_namespace_and_readiness() {
        let wanted = Manifests {
            path: "k8s/app.yaml".to_owned(),
            image: Some("host:5000/team/wine".to_owned()),
            namespace: Some("ml".to_owned()),
            health: Some("/ready".to_owned()),
        };
        let other = ("compose.yaml", "services: {}");
        assert_eq!(
            find(&files(&[other, ("k8s/app.yaml", WORKLOAD)])),
            Some(wanted)
        );
        let service = ("k8s/service.yaml", "apiVersion: v1\nkind: Service\n");
        assert_eq!(
            find(&files(&[("k8s/app.yaml", WORKLOAD), service]))
                .unwrap()
                .path,
            "k8s"
        );
    }

    #[test]
    fn a_template_and_a_service_alone_are_no_deployment() {
        let template = (
            "chart/templates/app.yaml",
            "kind: Deployment\nmetadata: {{ name }}\n",
        );
        assert_eq!(
            find(&files(&[
                template,
                ("k8s/s.yaml", "apiVersion: v1\nkind: Service\n")
            ])),
            None
        );
    }

    #[test]
    fn an_image_that_something_else_fills_in_is_not_taken() {
        let filled = WORKLOAD.replace("host:5000/team/wine:1.2", "$IMAGE");
        assert_eq!(find(&files(&[("k8s.yaml", &filled)])).unwrap().image, None);
    }
}
