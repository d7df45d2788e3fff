//! How the live images differ from those of a recorded deployment: somebody else changed them.

use serde_json::Value;

use super::super::fields::other_owner;
use super::super::image;
use super::super::record::Release;
use crate::cluster::{Cluster, Standing, kind_of, standing};
use crate::failure::Outcome;
use crate::registry::Reference;

/// How the live images differ from those of a deployment, one line each.
pub(in super::super) async fn drift(cluster: &Cluster, release: &Release) -> Outcome<Vec<String>> {
    let mut objects: Vec<String> = Vec::new();
    for container in &release.containers {
        if !objects.contains(&container.object) {
            objects.push(container.object.clone());
        }
    }
    let standing = standing(cluster, &cluster.namespace, &objects).await?;
    Ok(differences(&standing, release))
}

pub(super) fn differences(standing: &[Standing], release: &Release) -> Vec<String> {
    let mut lines = Vec::new();
    for wanted in &release.containers {
        let object = &wanted.object;
        let found = standing.iter().find(|one| one.object == *object);
        let Some(live) = found.and_then(|one| one.workload.as_ref()) else {
            // A Job that was cleaned up after its work is no change.
            if !object.starts_with("Job/") {
                lines.push(format!("{object} is not there any more"));
            }
            continue;
        };
        let images = image::containers(live);
        match images.iter().find(|(name, _)| *name == wanted.name) {
            None => lines.push(format!(
                "{object} has no container `{}` any more",
                wanted.name
            )),
            Some((_, image)) if !same(image, &wanted.image) => {
                let by = changed_by(live, &wanted.name)
                    .map_or_else(String::new, |by| format!(", set by `{by}`"));
                lines.push(format!(
                    "{object} container `{}` is set to {image} instead of {}{by}",
                    wanted.name, wanted.image
                ));
            }
            Some(_) => {}
        }
    }
    lines
}

/// Whether two references name the same image.
fn same(a: &str, b: &str) -> bool {
    let (Ok(first), Ok(second)) = (a.parse::<Reference>(), b.parse::<Reference>()) else {
        return a == b;
    };
    let version = |one: &Reference| match one.digest() {
        Some(digest) => digest.to_owned(),
        None => one.tag().unwrap_or("latest").to_owned(),
    };
    first.same_repository(&second) && version(&first) == version(&second)
}

fn changed_by<'a>(live: &'a Value, container: &str) -> Option<&'a str> {
    let key = format!("k:{}", serde_json::json!({ "name": container }));
    let inside = ["f:containers", &key, "f:image"];
    let path: &[&str] = match kind_of(live) {
        "Pod" => &["f:spec"],
        _ => &["f:spec", "f:template", "f:spec"],
    };
    let path: Vec<&str> = path.iter().copied().chain(inside).collect();
    other_owner(live, &path)
}

#[cfg(test)]
mod tests {
    use super::super::health::tests::one;
    use super::*;
    use crate::artifact::Container;

    #[test]
    fn an_image_that_somebody_changed_is_named_with_who_did() {
        let release = |image: &str| Release {
            containers: vec![Container {
                object: "Deployment/wine".to_owned(),
                name: "model".to_owned(),
                image: image.to_owned(),
            }],
            ..Release::default()
        };
        let standing = [one(1, &[true])];
        assert_eq!(
            differences(&standing, &release("wine:1")),
            [
                "Deployment/wine container `model` is set to wine:2 instead of wine:1, set by `kubectl-set`"
            ]
        );
        // The same image, written in full.
        assert!(differences(&standing, &release("docker.io/library/wine:2")).is_empty());
    }
}
