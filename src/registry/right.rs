//! Whether we may push, asked before the work begins.

use reqwest::Method;
use reqwest::header::LOCATION;

use super::Reference;
use super::client::Registry;
use crate::diagnostic::Diagnostic;
use crate::failure::Failure;
use crate::plan::RegistryLogin;

/// Whether we may push: begins an upload and cancels it. Nothing is left behind, but for a repository that was missing and had
/// to be made for that (`create`); it is named.
///
/// # Errors
/// One finding with `RegistryUnreachable`, `RegistryTls`, `RegistryDenied` or `RepositoryMissing`, or of the cloud's.
pub(crate) async fn check_push(
    repository: &Reference,
    login: Option<&RegistryLogin>,
    create: bool,
) -> Result<Option<String>, Diagnostic> {
    let first = |failure: Failure| {
        let mut findings = failure.into_findings();
        findings.remove(0)
    };
    let (host, path) = (repository.host(), repository.path());
    let made = match login.filter(|login| !login.has_password(host)) {
        Some(login) => login.clouds.repository(host, path, create).await,
        None => Ok(None),
    };
    let made = made.map_err(first)?;
    let registry = Registry::open(repository, login).await.map_err(first)?;
    let path = format!("/v2/{}/blobs/uploads/", repository.path());
    let answer = registry
        .ask(Method::POST, &path, "pull,push")
        .await
        .map_err(first)?;
    let answer = registry
        .succeeded(answer, "begin a push to")
        .await
        .map_err(first)?;
    let location = answer
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    if let Some(url) = location.and_then(|location| answer.url().join(location).ok()) {
        // The registry also forgets an upload by itself; a failed cancel changes nothing.
        let cancel = registry.request(Method::DELETE, url.as_str(), "pull,push", None);
        drop(cancel.await);
    }
    Ok(made)
}
