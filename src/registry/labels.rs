//! The labels of an image, read from its registry without pulling it.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::Reference;
use super::client::Registry;
use crate::failure::{Failure, Outcome};
use crate::plan::RegistryLogin;

/// The image's labels; `None` when the registry does not have the image. Of an index the first image that runs counts.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`.
pub(crate) async fn labels(
    reference: &Reference,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<BTreeMap<String, String>>> {
    let registry = Registry::open(reference, login).await?;
    let Some(manifest) = image(&registry, reference).await? else {
        return Ok(None);
    };
    let Some(config) = manifest.pointer("/config/digest").and_then(Value::as_str) else {
        return Ok(Some(BTreeMap::new()));
    };
    let Some(config) = read(&registry, reference, "blobs", config).await? else {
        return Ok(None);
    };
    let labels = config.pointer("/config/Labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    Ok(Some(labels.filter_map(text).collect()))
}

/// The image's manifest; of an index that of the first image that runs.
pub(super) async fn image(
    registry: &Registry<'_>,
    reference: &Reference,
) -> Outcome<Option<Value>> {
    let name = reference.digest().or(reference.tag()).unwrap_or("latest");
    let Some(manifest) = read(registry, reference, "manifests", name).await? else {
        return Ok(None);
    };
    match first_image(&manifest) {
        Some(first) => read(registry, reference, "manifests", first).await,
        None => Ok(Some(manifest)),
    }
}

/// The digest of the first image in an index; attestations lie beside images and run nowhere.
fn first_image(index: &Value) -> Option<&str> {
    let runs = |one: &&Value| {
        let system = one.pointer("/platform/os").and_then(Value::as_str);
        system.is_none_or(|system| system != "unknown")
    };
    let images = index.get("manifests")?.as_array()?;
    images.iter().find(runs)?.get("digest")?.as_str()
}

pub(super) async fn read(
    registry: &Registry<'_>,
    reference: &Reference,
    kind: &str,
    name: &str,
) -> Outcome<Option<Value>> {
    let path = format!("/v2/{}/{kind}/{name}", reference.path());
    let answer = registry.ask(Method::GET, &path, "pull").await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = registry.succeeded(answer, "read the manifest of").await?;
    let value = answer.json().await;
    value
        .map(Some)
        .map_err(|error| Failure::from(registry.unreachable(error)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attestations_are_no_images() {
        let index = json!({"manifests": [
            {"digest": "sha256:a", "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": "sha256:b", "platform": {"os": "linux", "architecture": "amd64"}},
        ]});
        assert_eq!(first_image(&index), Some("sha256:b"));
        assert_eq!(first_image(&json!({"config": {}})), None);
    }
}
