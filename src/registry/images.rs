//! The images behind a reference: one, or those that an index lists, with their platform and form. Nothing is pulled.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::Reference;
use super::client::Registry;
use super::labels::read;
use crate::failure::{Failure, Outcome};
use crate::plan::RegistryLogin;
use crate::sha256;

/// One image that runs somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneImage {
    /// Of its manifest.
    pub(crate) digest: String,
    /// `linux`.
    pub(crate) os: String,
    /// `amd64`, `arm64`.
    pub(crate) architecture: String,
    /// Of its manifest.
    pub(crate) media_type: String,
}

/// The images; `None` when the registry does not have the reference. Attestations, which lie beside images, are none.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`.
pub(crate) async fn images(
    reference: &Reference,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<Vec<OneImage>>> {
    let registry = Registry::open(reference, login).await?;
    let name = reference.digest().or(reference.tag()).unwrap_or("latest");
    let path = format!("/v2/{}/manifests/{name}", reference.path());
    let answer = registry.ask(Method::GET, &path, "pull").await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = registry.succeeded(answer, "read the manifest of").await?;
    let header = answer.headers().get(CONTENT_TYPE);
    let header = header.and_then(|value| value.to_str().ok());
    let header = header.unwrap_or_default().to_owned();
    let body = answer.bytes().await;
    let body = body.map_err(|error| Failure::from(registry.unreachable(error)))?;
    let manifest: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(found) = listed(&manifest) {
        return Ok(Some(found));
    }
    let config = match manifest.pointer("/config/digest").and_then(Value::as_str) {
        Some(config) => read(&registry, reference, "blobs", config).await?,
        None => None,
    };
    let config = config.unwrap_or_default();
    let media_type = match text(&manifest, "mediaType") {
        "" => header,
        own => own.to_owned(),
    };
    Ok(Some(vec![OneImage {
        digest: format!("sha256:{}", sha256::of(&body)),
        os: text(&config, "os").to_owned(),
        architecture: text(&config, "architecture").to_owned(),
        media_type,
    }]))
}

/// The images of an index; `None` when it is none.
fn listed(index: &Value) -> Option<Vec<OneImage>> {
    let rows = index.get("manifests")?.as_array()?;
    let one = |row: &Value| {
        let platform = row.get("platform").unwrap_or(&Value::Null);
        OneImage {
            digest: text(row, "digest").to_owned(),
            os: text(platform, "os").to_owned(),
            architecture: text(platform, "architecture").to_owned(),
            media_type: text(row, "mediaType").to_owned(),
        }
    };
    let runs = |one: &OneImage| one.os != "unknown";
    Some(rows.iter().map(one).filter(runs).collect())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_index_lists_its_images_without_attestations() {
        let index = json!({"manifests": [
            {"digest": "sha256:a", "mediaType": "m", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "sha256:b", "mediaType": "m", "platform": {"os": "unknown", "architecture": "unknown"}},
        ]});
        let found = listed(&index).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].digest.as_str(), found[0].architecture.as_str()),
            ("sha256:a", "amd64")
        );
        assert_eq!(listed(&json!({"config": {}})), None);
    }
}
