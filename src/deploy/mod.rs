pub(crate) mod kubernetes{use crate::context::Context;use crate::failure::Outcome;use crate::plan::*;use crate::artifact::*;use crate::engine::Engine;use crate::diagnostic::Diagnostic;use std::path::Path;use crate::registry::Reference;

pub(crate) async fn preflight(_c:&Context,_s:&KubernetesSpec,_i:Option<&Reference>)->Vec<Diagnostic>{vec![]}
pub(crate) async fn run(_c:&Context,_s:&KubernetesSpec,_i:Option<&Pushed>,_r:Option<&str>)->Outcome<Deployment>{Err(crate::failure::Failure::new(crate::code::Code::Internal, "stub"))}
}
pub(crate) mod docker{use crate::context::Context;use crate::failure::Outcome;use crate::plan::*;use crate::artifact::*;use crate::engine::Engine;use crate::diagnostic::Diagnostic;use std::path::Path;use crate::registry::Reference;

pub(crate) async fn run(_c:&Context,_e:&Engine,_s:&DockerSpec,_g:Option<&Image>,_i:Option<&Pushed>,_r:Option<&str>)->Outcome<Deployment>{Err(crate::failure::Failure::new(crate::code::Code::Internal, "stub"))}
}
