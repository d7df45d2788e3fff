//! Which model serves where the manifests deploy to: what ready pods run, and the run that their workload was deployed from.
//! It reads and changes nothing.

use serde_json::Value;

use super::manifest::{Object, is_workload};
use super::open::{connect, load};
use super::{image, strategy};
use crate::artifact::Live;
use crate::cluster::{Standing, is_ready, standing, text, written};
use crate::context::Context;
use crate::failure::Outcome;
use crate::plan::KubernetesSpec;
use crate::registry::Reference;

/// What serves; `None` when no pod of it is ready.
///
/// # Errors
/// What the access fails with, and manifests that cannot be read.
pub(crate) async fn serving(ctx: &Context, spec: &KubernetesSpec) -> Outcome<Option<Live>> {
    let mut objects = load(ctx, spec)?;
    let cluster = connect(spec, &objects).await?;
    strategy::rename(spec, &cluster, &mut objects).await?;
    let ours = |object: &Object| {
        let repository = spec.repository.as_ref();
        repository.is_none_or(|repository| image::uses(object, repository))
    };
    let own = cluster.namespace.as_str();
    let workloads: Vec<String> = objects
        .iter()
        .filter(|object| is_workload(&object.kind) && ours(object))
        .map(|one| written(&one.kind, &one.name, one.namespace.as_deref(), own))
        .collect();
    let standing = standing(&cluster, own, &workloads).await?;
    let repository = spec.repository.as_ref();
    Ok(standing.iter().find_map(|one| live(one, repository)))
}

fn live(one: &Standing, repository: Option<&Reference>) -> Option<Live> {
    let workload = one.workload.as_ref()?;
    let note = |key: &str| {
        let notes = workload.pointer("/metadata/annotations")?;
        notes.get(key)?.as_str()
    };
    let mut images: Vec<String> = Vec::new();
    for pod in one.pods.iter().filter(|pod| is_ready(pod)) {
        for image in running(pod, repository) {
            if !images.contains(&image) {
                images.push(image);
            }
        }
    }
    if images.is_empty() {
        return None;
    }
    // Whoever sets another image leaves the annotations of the last deployment.
    let holds = note("ml-deploy/digest")
        .is_none_or(|digest| images.iter().any(|image| image.ends_with(digest)));
    Some(Live {
        object: one.object.clone(),
        run_id: note("ml-deploy/run-id")
            .filter(|_| holds)
            .map(str::to_owned),
        images,
    })
}

/// The images of a pod's containers, by digest where the pod or the node says it; only those of the repository, if one is
/// known.
fn running(pod: &Value, repository: Option<&Reference>) -> Vec<String> {
    let list = |pointer: &str| pod.pointer(pointer).and_then(Value::as_array);
    let statuses = list("/status/containerStatuses");
    let mut found = Vec::new();
    for container in list("/spec/containers").into_iter().flatten() {
        let wanted = text(container, "/image");
        let parsed = wanted.parse::<Reference>().ok();
        if repository.is_some_and(|repository| {
            !parsed
                .as_ref()
                .is_some_and(|one| one.same_repository(repository))
        }) {
            continue;
        }
        if parsed.as_ref().is_some_and(|one| one.digest().is_some()) {
            found.push(wanted.to_owned());
            continue;
        }
        let name = text(container, "/name");
        let status = statuses.into_iter().flatten();
        let status = status.into_iter().find(|one| text(one, "/name") == name);
        let id = status.map_or("", |status| text(status, "/imageID"));
        let id = id.rsplit("://").next().unwrap_or_default();
        // Some nodes give the bare digest of the image's configuration, which no registry knows.
        found.push(if id.contains('@') { id } else { wanted }.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn standing(image: &str, id: &str, ready: &str, digest: Option<&str>) -> Standing {
        let mut notes = json!({"ml-deploy/run-id": "abc"});
        if let Some(digest) = digest {
            notes["ml-deploy/digest"] = digest.into();
        }
        Standing {
            object: "Deployment/wine".to_owned(),
            workload: Some(json!({"kind": "Deployment", "metadata": {"annotations": notes}})),
            pods: vec![json!({
                "spec": {"containers": [{"name": "m", "image": image}, {"name": "proxy", "image": "envoy:1"}]},
                "status": {
                    "conditions": [{"type": "Ready", "status": ready}],
                    "containerStatuses": [{"name": "m", "imageID": id}],
                },
            })],
        }
    }

    fn seen(standing: &Standing) -> Option<Live> {
        let repository = "ghcr.io/org/wine".parse().unwrap();
        live(standing, Some(&repository))
    }

    #[test]
    fn a_pod_that_is_ready_runs_the_run_of_its_workload() {
        let pinned = format!("ghcr.io/org/wine:1@{DIGEST}");
        let found = seen(&standing(&pinned, "", "True", Some(DIGEST))).unwrap();
        assert_eq!(found.run_id.as_deref(), Some("abc"));
        assert_eq!(found.images, [pinned.as_str()]);
        assert!(seen(&standing(&pinned, "", "False", Some(DIGEST))).is_none());
        assert!(seen(&standing("other:1", "", "True", None)).is_none());
    }

    #[test]
    fn an_image_that_somebody_set_is_not_of_the_run_in_the_annotation() {
        let id = format!(
            "docker-pullable://ghcr.io/org/wine@{}",
            DIGEST.replace('0', "f")
        );
        let found = seen(&standing("ghcr.io/org/wine:2", &id, "True", Some(DIGEST))).unwrap();
        assert_eq!(found.run_id, None);
        assert!(found.images[0].starts_with("ghcr.io/org/wine@sha256:f"));
        // Manifests that were deployed as they are have no digest to compare with.
        let found = seen(&standing("ghcr.io/org/wine:2", "sha256:x", "True", None)).unwrap();
        assert_eq!(found.run_id.as_deref(), Some("abc"));
        assert_eq!(found.images, ["ghcr.io/org/wine:2"]);
    }
}
