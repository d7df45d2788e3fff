//! Whether what serves is what was deployed: the images of ready pods of the newest revision, and of the container. Pure but
//! for the question to the local engine.

use serde_json::Value;

use super::Checked;
use crate::artifact::{Check, Container, Pushed};
use crate::cluster::{Serving, name_of, text};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::{Fail, Outcome};
use crate::registry::Reference;

/// Compares every ready pod: containers of the pushed repository run its digest, all others the manifest's image. `None`
/// when there is nothing to compare.
pub(super) fn in_cluster(
    found: &Serving,
    containers: &[Container],
    pushed: Option<&Pushed>,
) -> Option<Checked> {
    let ours = pushed.and_then(|pushed| pushed.repository.parse::<Reference>().ok());
    let is_ours = |image: &str| {
        let parsed = image.parse::<Reference>().ok();
        parsed
            .zip(ours.as_ref())
            .is_some_and(|(parsed, ours)| parsed.same_repository(ours))
    };
    let (mut wrong, mut of_ours, mut compared) = (Vec::new(), 0, 0);
    for (object, pod) in &found.pods {
        let inside = pod.pointer("/spec/containers").and_then(Value::as_array);
        for container in inside.into_iter().flatten() {
            let (name, image) = (text(container, "/name"), text(container, "/image"));
            let id = image_id(pod, name);
            let listed = containers
                .iter()
                .find(|wanted| wanted.object == *object && wanted.name == name);
            let right = match (pushed, listed) {
                (Some(pushed), _) if is_ours(image) => {
                    of_ours += 1;
                    runs(&pushed.digest, image, id)
                }
                (_, Some(wanted)) => same(&wanted.image, image, id),
                // A container that something else put into the pod.
                _ => continue,
            };
            compared += 1;
            if !right {
                let runs = if id.is_empty() { image } else { id };
                wrong.push(format!(
                    "pod `{}` container `{name}` runs {image} ({runs})",
                    name_of(pod)
                ));
            }
        }
    }
    let all = found.pods.len();
    if let Some(pushed) = pushed {
        if of_ours == 0 && all > 0 {
            wrong.push(format!("no pod has a container of {}", pushed.repository));
        }
        return Some(checked("digest", wrong, &pushed.digest, all));
    }
    (compared > 0).then(|| checked("image", wrong, "what the manifests name", all))
}

/// What the node says the container runs.
fn image_id<'a>(pod: &'a Value, name: &str) -> &'a str {
    let statuses = pod
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array);
    statuses
        .into_iter()
        .flatten()
        .find(|status| text(status, "/name") == name)
        .map_or("", |status| text(status, "/imageID"))
}

/// A container whose reference is pinned to the digest runs it, even when the node reports the digest of one platform of
/// the image.
fn runs(digest: &str, image: &str, id: &str) -> bool {
    image.contains(digest) || id.contains(digest)
}

/// Whether the pod's image is the manifest's. A cluster may rewrite references to a mirror, so without a digest the last
/// part of the name and the tag decide.
fn same(wanted: &str, image: &str, id: &str) -> bool {
    if let Some((_, digest)) = wanted.split_once('@') {
        return runs(digest, image, id);
    }
    let (Ok(wanted), Ok(image)) = (wanted.parse::<Reference>(), image.parse::<Reference>()) else {
        return wanted == image;
    };
    let last = |reference: &Reference| reference.short_name().to_owned();
    let tag = |reference: &Reference| reference.tag().unwrap_or("latest").to_owned();
    last(&wanted) == last(&image) && tag(&wanted) == tag(&image)
}

/// The container of the local engine.
pub(super) async fn in_engine(engine: &Engine, name: &str, pushed: &Pushed) -> Outcome<Checked> {
    let Some(state) = engine
        .inspect_container(name)
        .await
        .fail(Code::VerifyDigest)?
    else {
        let wrong = vec![format!("container `{name}` is not there")];
        return Ok(checked("digest", wrong, &pushed.digest, 1));
    };
    let image = engine
        .inspect_image(&state.image_id)
        .await
        .fail(Code::VerifyDigest)?
        .unwrap_or_default();
    let same = image
        .digests
        .iter()
        .any(|digest| digest.ends_with(&pushed.digest));
    let wrong = (!same).then(|| format!("container `{name}` runs {}", image.digests.join(", ")));
    Ok(checked(
        "digest",
        wrong.into_iter().collect(),
        &pushed.digest,
        1,
    ))
}

/// The check, and the finding when any is wrong; `what` completes "run …".
pub(super) fn checked(name: &str, wrong: Vec<String>, what: &str, all: usize) -> Checked {
    let name = name.to_owned();
    let Some(first) = wrong.first() else {
        let detail = format!("{all} of {all} run {what}");
        return (
            Check {
                name,
                passed: true,
                detail,
            },
            None,
        );
    };
    let detail = format!("{} of {all} do not run {what}: {first}", wrong.len());
    let finding = Diagnostic::error(Code::VerifyDigest, detail.clone()).evidence(wrong);
    (
        Check {
            name,
            passed: false,
            detail,
        },
        Some(finding),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn serving(images: &[(&str, &str, &str)]) -> Serving {
        let pod = |(object, image, id): &(&str, &str, &str)| {
            let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "model", "image": image}, {"name": "mesh", "image": "mesh:1"}]},
                "status": {"containerStatuses": [{"name": "model", "imageID": id}]}});
            ((*object).to_owned(), pod)
        };
        Serving {
            backend: None,
            pods: images.iter().map(pod).collect(),
            wanted: true,
        }
    }

    fn passes(found: &Serving, manifest: &str, digest: Option<&str>) -> Option<bool> {
        let containers = [Container {
            object: "Deployment/wine".to_owned(),
            name: "model".to_owned(),
            image: manifest.to_owned(),
        }];
        let pushed = digest.map(|digest| Pushed {
            repository: "ghcr.io/org/wine".to_owned(),
            tag: None,
            digest: digest.to_owned(),
        });
        in_cluster(found, &containers, pushed.as_ref()).map(|(check, finding)| {
            assert_eq!(check.passed, finding.is_none());
            check.passed
        })
    }

    const WINE: &str = "Deployment/wine";
    const OLD: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const NEW: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn every_pod_of_ours_runs_the_pushed_digest() {
        let at = |digest: &str| format!("ghcr.io/org/wine@{digest}");
        let (pinned, old) = (at(NEW), at(OLD));
        let passes = |pods: &[(&str, &str, &str)]| passes(&serving(pods), &pinned, Some(NEW));
        // The node may report the digest of one platform.
        let good = (WINE, pinned.as_str(), "ghcr.io/org/wine@sha256:platform");
        assert_eq!(passes(&[good]), Some(true));
        assert_eq!(passes(&[(WINE, "ghcr.io/org/wine:1", &pinned)]), Some(true));
        assert_eq!(passes(&[good, (WINE, &old, &old)]), Some(false));
        // A second workload with another image is nothing to complain about; none with ours is.
        let beside = ("Deployment/redis", "redis:7", "");
        assert_eq!(passes(&[good, beside]), Some(true));
        assert_eq!(passes(&[beside]), Some(false));
    }

    #[test]
    fn without_an_image_of_ours_the_manifest_decides() {
        let found = serving(&[(WINE, "mirror.test/cache/wine:1", "")]);
        assert_eq!(passes(&found, "ghcr.io/org/wine:1", None), Some(true));
        assert_eq!(passes(&found, "ghcr.io/org/wine:2", None), Some(false));
        let pinned = format!("ghcr.io/org/wine@{NEW}");
        assert_eq!(passes(&found, &pinned, None), Some(false));
        // Nothing to compare.
        assert_eq!(passes(&serving(&[]), "ghcr.io/org/wine:1", None), None);
    }
}
