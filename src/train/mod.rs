use crate::artifact::*;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::Outcome;
use crate::plan::*;
use crate::registry::Reference;
use std::path::Path;

pub(crate) async fn run(_c: &Context, _s: &TrainSpec) -> Outcome<Model> {
    Err(crate::failure::Failure::new(
        crate::code::Code::Internal,
        "stub",
    ))
}
pub(crate) async fn existing(_c: &Context, _s: &Path) -> Outcome<Model> {
    Err(crate::failure::Failure::new(
        crate::code::Code::Internal,
        "stub",
    ))
}
