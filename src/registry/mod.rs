//! Registries: references, credentials per registry, manifests and blobs. It knows no stage and no container engine.

mod credentials;
mod reference;

pub(crate) use credentials::{Credentials, credentials};
pub(crate) use reference::{Reference, check_tag};

pub(crate) async fn check_push(
    _: &Reference,
    _: Option<&crate::plan::RegistryLogin>,
) -> Result<(), crate::diagnostic::Diagnostic> {
    Ok(())
}
pub(crate) async fn digest(
    _: &Reference,
    _: Option<&crate::plan::RegistryLogin>,
) -> crate::failure::Outcome<Option<String>> {
    Ok(None)
}
