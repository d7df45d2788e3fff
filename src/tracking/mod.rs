use crate::context::Context;use crate::failure::Outcome;use crate::plan::*;use crate::artifact::*;use crate::engine::Engine;use crate::diagnostic::Diagnostic;use std::path::Path;use crate::registry::Reference;

pub(crate) async fn preflight(_s:&TrackingSpec)->Vec<Diagnostic>{vec![]}
pub(crate) fn parse(_s:&str)->Result<TrackingUri,String>{Ok(TrackingUri::Server(_s.into()))}
