//! Makes of the manifests' objects what is applied: the image by its digest, where it came from, and the order.

use super::manifest::Object;
use super::{apply, image, secret};
use crate::artifact::Pushed;
use crate::diagnostic::Diagnostic;
use crate::plan::KubernetesSpec;

/// What is written on every object: where it came from.
pub(super) fn marks(
    spec: &KubernetesSpec,
    image: Option<&Pushed>,
    run_id: Option<&str>,
) -> Vec<(&'static str, String)> {
    let values = [
        ("ml-deploy/commit", spec.commit.clone()),
        ("ml-deploy/run-id", run_id.map(str::to_owned)),
        ("ml-deploy/digest", image.map(|image| image.digest.clone())),
    ];
    values
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// Puts image and annotations into the objects and orders them. While the image is not known its repository stands in.
pub(super) fn prepare(
    objects: &mut [Object],
    spec: &KubernetesSpec,
    image: Option<&str>,
    marks: &[(&'static str, String)],
) -> Result<(), Diagnostic> {
    if let Some(repository) = &spec.repository {
        let standing_in = repository.to_string();
        image::substitute(objects, repository, image.unwrap_or(&standing_in))?;
    }
    // The digest alone goes on the pods: a new commit with the same image must not restart them.
    let on_pods: Vec<_> = marks
        .iter()
        .filter(|(key, _)| key.ends_with("/digest"))
        .cloned()
        .collect();
    for object in objects.iter_mut() {
        secret::encode(object);
        image::annotate(object, marks, &on_pods);
    }
    apply::order(objects);
    Ok(())
}
