//! Which digest a tag has, as its registry says.

use reqwest::{Method, StatusCode};

use super::Reference;
use super::client::Registry;
use crate::failure::{Failure, Outcome};
use crate::plan::RegistryLogin;
use crate::sha256;

/// The digest of a tag or digest; `None` when the registry does not have it.
///
/// # Errors
/// `RegistryUnreachable`, `RegistryTls`, `RegistryDenied`.
pub(crate) async fn digest(
    reference: &Reference,
    login: Option<&RegistryLogin>,
) -> Outcome<Option<String>> {
    let registry = Registry::open(reference, login).await?;
    let name = reference.digest().or(reference.tag()).unwrap_or("latest");
    let path = format!("/v2/{}/manifests/{name}", reference.path());
    let answer = registry.ask(Method::HEAD, &path, "pull").await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = registry.succeeded(answer, "read the manifest of").await?;
    if let Some(digest) = answer
        .headers()
        .get("Docker-Content-Digest")
        .and_then(|value| value.to_str().ok())
    {
        return Ok(Some(digest.to_owned()));
    }
    // Older registries leave the header out; the digest is the hash of what they serve.
    let answer = registry.ask(Method::GET, &path, "pull").await?;
    let body = registry
        .succeeded(answer, "read the manifest of")
        .await?
        .bytes()
        .await;
    let body = body.map_err(|error| Failure::from(registry.unreachable(error)))?;
    Ok(Some(format!("sha256:{}", sha256::of(&body))))
}
