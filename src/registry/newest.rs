//! The image that was pushed last, by what the images themselves say of when they were made: registries list tags by name.
//! Source: opencontainers/distribution-spec, "Listing Tags"; opencontainers/image-spec, `config.md`.

use futures_util::future::join_all;
use serde_json::Value;

use super::Reference;
use super::client::Registry;
use super::labels::{image, read};
use crate::artifact::BASE_TAG;
use crate::failure::Outcome;
use crate::plan::RegistryLogin;

/// With more tags nothing is looked at: each costs two requests.
const TAGS: usize = 30;

/// The newest image of a repository, under its tag; `None` when there is none, or so many that looking would take long.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`.
pub(crate) async fn newest(
    repository: &Reference,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<Reference>> {
    let registry = Registry::open(repository, login).await?;
    let list = read(&registry, repository, "tags", "list?n=100").await?;
    let tags = list.as_ref().map_or(Vec::new(), served);
    if tags.len() > TAGS {
        return Ok(None);
    }
    let made = tags.into_iter().map(async |tag| {
        let one = repository.with_tag(tag);
        let manifest = image(&registry, &one).await.ok()??;
        let config = manifest.pointer("/config/digest")?.as_str()?;
        let config = read(&registry, &one, "blobs", config).await.ok()??;
        let created: jiff::Timestamp = config.get("created")?.as_str()?.parse().ok()?;
        Some((created, one))
    });
    let made = join_all(made).await.into_iter().flatten();
    Ok(made.max_by_key(|(created, _)| *created).map(|(_, one)| one))
}

/// Tags of images that serve: not of documents that are attached to one, nor of layers that are only kept.
fn served(list: &Value) -> Vec<&str> {
    let tags = list.get("tags").and_then(Value::as_array);
    let tags = tags.into_iter().flatten().filter_map(Value::as_str);
    tags.filter(|tag| !tag.starts_with("sha256-") && *tag != BASE_TAG)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attached_documents_and_kept_layers_do_not_serve() {
        let list = json!({"tags": ["1a2b", "sha256-0f", BASE_TAG, "latest", 5]});
        assert_eq!(served(&list), ["1a2b", "latest"]);
        // What a registry says of a repository without any.
        assert!(served(&json!({"tags": null})).is_empty());
    }
}
