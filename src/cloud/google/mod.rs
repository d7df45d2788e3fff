//! Who we are at Google, and what it hands out for it.

use super::registry::Login;
use super::{Described, Surroundings};
use crate::code::Code;
use crate::failure::{Failure, Outcome};
use crate::plan::{GkeSpec, GoogleSpec};

/// The identity at Google, and its services.
pub(super) struct Google {
    spec: GoogleSpec,
    around: Surroundings,
}

impl Google {
    pub(super) fn new(spec: GoogleSpec, around: Surroundings) -> Self {
        Self { spec, around }
    }

    /// The login for a registry of Google; see [`super::Clouds::registry`].
    pub(super) async fn registry(&self, host: &str, named: bool) -> Outcome<Option<Login>> {
        let _ = (host, named, &self.spec, &self.around);
        Ok(None)
    }

    /// The cluster's address and tokens.
    pub(super) async fn gke(&self, cluster: &GkeSpec) -> Outcome<Described> {
        let _ = (&cluster.project, &cluster.location, &cluster.name);
        Err(Failure::new(Code::Internal, "not built yet"))
    }
}
