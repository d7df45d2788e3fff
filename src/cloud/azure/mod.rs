//! Who we are at Azure, and what it hands out for it.

use super::registry::Login;
use super::{Described, Surroundings};
use crate::code::Code;
use crate::failure::{Failure, Outcome};
use crate::plan::{AksSpec, AzureSpec};

/// The identity at Azure, and its services.
pub(super) struct Azure {
    spec: AzureSpec,
    around: Surroundings,
}

impl Azure {
    pub(super) fn new(spec: AzureSpec, around: Surroundings) -> Self {
        Self { spec, around }
    }

    /// The login for a registry of Azure; see [`super::Clouds::registry`].
    pub(super) async fn registry(&self, host: &str, named: bool) -> Outcome<Option<Login>> {
        let _ = (host, named, &self.spec, &self.around);
        Ok(None)
    }

    /// The cluster's address and tokens.
    pub(super) async fn aks(&self, cluster: &AksSpec) -> Outcome<Described> {
        let _ = (&cluster.resource_group, &cluster.name, cluster.admin);
        Err(Failure::new(Code::Internal, "not built yet"))
    }
}
