//! Who we are at AWS, and what it hands out for it: logins of registries, addresses and tokens of clusters.

mod alarms;
mod call;
mod ecr;
mod eks;
mod iam;
mod identity;
mod keys;
mod metadata;
mod place;
mod profile;
mod refused;
mod runtime;
mod sagemaker;
mod sign;
mod sts;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use tokio::sync::Mutex;

pub(crate) use self::alarms::Alarm;
pub(crate) use self::iam::Role;
use self::keys::Keys;
pub(crate) use self::sagemaker::{ImagePlace, SageMaker, Thing};
use super::Surroundings;
use super::kept::Kept;
use super::registry::Login;
use crate::cloud::spec::AwsSpec;
use crate::code::Code;
use crate::failure::{Failure, Outcome};

/// The identity at AWS, and its services. Cheap to clone.
#[derive(Clone)]
pub(super) struct Aws {
    spec: AwsSpec,
    around: Surroundings,
    keys: Arc<Kept<Keys>>,
    /// By service, account and region, each with the host that it is for.
    logins: Arc<Mutex<Logins>>,
    /// Seconds that AWS's clock is ahead of ours.
    ahead: Arc<AtomicI64>,
}

type Logins = HashMap<(&'static str, Option<String>, String), Arc<Kept<(String, Login)>>>;

impl Aws {
    pub(super) fn new(spec: AwsSpec, around: Surroundings) -> Self {
        let keys = Kept::new("session at AWS", around.voice.clone());
        Self {
            spec,
            around,
            keys: Arc::new(keys),
            logins: Arc::default(),
            ahead: Arc::default(),
        }
    }

    /// The region, which `what` cannot be found without.
    fn region_for(&self, what: &str) -> Outcome<String> {
        self.region().ok_or_else(|| {
            Failure::new(
                Code::CloudIdentity,
                format!("failed to find {what} at AWS: no region is given"),
            )
            .help("set `aws-region`, or AWS_REGION")
        })
    }
}
