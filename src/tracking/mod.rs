use crate::artifact::*;
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::engine::Engine;
use crate::failure::Outcome;
use crate::plan::*;
use crate::registry::Reference;
use std::path::Path;

pub(crate) async fn preflight(_s: &TrackingSpec) -> Vec<Diagnostic> {
    vec![]
}
pub(crate) fn parse(_s: &str) -> Result<TrackingUri, String> {
    Ok(TrackingUri::Server(_s.into()))
}
