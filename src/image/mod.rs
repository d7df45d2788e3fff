use crate::artifact::*;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::Outcome;
use crate::plan::*;
use crate::registry::Reference;
use std::path::Path;

#[derive(Debug, Default)]
pub(crate) struct EarlyLayers;
pub(crate) fn preflight(_c: &Context, _s: &BuildSpec, _m: &Path) -> Vec<Diagnostic> {
    vec![]
}
pub(crate) async fn build(
    _c: &Context,
    _e: &Engine,
    _s: &BuildSpec,
    _m: Option<&Model>,
) -> Outcome<Image> {
    Err(crate::failure::Failure::new(
        crate::code::Code::Internal,
        "stub",
    ))
}
pub(crate) async fn build_early(
    _c: &Context,
    _e: &Engine,
    _s: &BuildSpec,
    _m: &Path,
) -> Outcome<Option<EarlyLayers>> {
    Ok(None)
}
pub(crate) async fn push_early(_c: &Context, _e: &Engine, _s: &PushSpec, _m: &EarlyLayers) {}
pub(crate) async fn push(_c: &Context, _e: &Engine, _s: &PushSpec, _m: &Image) -> Outcome<Pushed> {
    Err(crate::failure::Failure::new(
        crate::code::Code::Internal,
        "stub",
    ))
}
pub(crate) async fn existing(_e: &Engine, _s: &PushSpec) -> Outcome<Image> {
    Err(crate::failure::Failure::new(
        crate::code::Code::Internal,
        "stub",
    ))
}
