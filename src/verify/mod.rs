use crate::artifact::*;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::Outcome;
use crate::plan::*;
use crate::registry::Reference;
use std::path::Path;

pub(crate) fn preflight(_c: &Context, _s: &VerifySpec) -> Vec<Diagnostic> {
    vec![]
}
pub(crate) async fn run(
    _c: &Context,
    _s: &VerifySpec,
    _d: &DeploySpec,
    _e: Option<&Engine>,
    _m: Option<&Deployment>,
    _p: Option<&Pushed>,
) -> Outcome<Verification> {
    Err(crate::failure::Failure::new(
        crate::code::Code::Internal,
        "stub",
    ))
}
