//! Who we are at AWS, and what it hands out for it.

use super::registry::Login;
use super::{Described, Surroundings};
use crate::code::Code;
use crate::failure::{Failure, Outcome};
use crate::plan::{AwsSpec, EksSpec};

/// The identity at AWS, and its services.
pub(super) struct Aws {
    spec: AwsSpec,
    around: Surroundings,
}

impl Aws {
    pub(super) fn new(spec: AwsSpec, around: Surroundings) -> Self {
        Self { spec, around }
    }

    /// The login for a registry of AWS; see [`super::Clouds::registry`].
    pub(super) async fn registry(&self, host: &str, named: bool) -> Outcome<Option<Login>> {
        let _ = (host, named, &self.spec, &self.around);
        Ok(None)
    }

    /// The cluster's address and tokens.
    pub(super) async fn eks(&self, cluster: &EksSpec) -> Outcome<Described> {
        let _ = &cluster.name;
        Err(Failure::new(Code::Internal, "not built yet"))
    }
}
