//! Deployments: one target in, what is live out. Each target is a module; here is the one match that chooses it.

mod kubernetes;

use crate::artifact::{Deployment, Pushed};
use crate::context::Context;
use crate::diagnostic::Diagnostic;
use crate::failure::Outcome;
use crate::plan::DeploySpec;

