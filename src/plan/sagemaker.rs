//! A deployment to an endpoint of SageMaker: what the inputs say of it.

use std::sync::Arc;
use std::time::Duration;

use super::{OnFailure, OnFirstFailure, RegistryLogin};
use crate::cloud::Clouds;

/// A deployment to an endpoint of SageMaker.
#[derive(Clone, Debug)]
pub(crate) struct SageMakerSpec {
    pub(crate) clouds: Arc<Clouds>,
    pub(crate) endpoint: String,
    /// ARN, or a name in the identity's account.
    pub(crate) role: String,
    /// At least one; all of them serve the same image.
    pub(crate) variants: Vec<Variant>,
    pub(crate) capture: Option<Capture>,
    /// `None`: SageMaker's own network.
    pub(crate) network: Option<Network>,
    pub(crate) update: UpdatePolicy,
    /// How long each step of the update is watched.
    pub(crate) wait: Duration,
    /// CloudWatch alarms that make SageMaker go back.
    pub(crate) alarms: Vec<String>,
    /// `None`: SageMaker's own time.
    pub(crate) startup: Option<Duration>,
    /// Configurations of ours that stay beside the live one.
    pub(crate) keep: usize,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) on_failure: OnFailure,
    pub(crate) on_first_failure: OnFirstFailure,
    pub(crate) deadline: Duration,
    pub(crate) commit: Option<String>,
    /// For the image, whose manifest is looked at.
    pub(crate) login: Option<RegistryLogin>,
}

/// A production variant: machines, or none, that take their share of the requests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) capacity: Capacity,
    /// Its requests are this to the sum of all weights.
    pub(crate) weight: f64,
}

/// What serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    Instances {
        /// `ml.m5.large`.
        kind: String,
        count: u32,
    },
    Serverless {
        /// MiB.
        memory: u32,
        concurrency: u32,
    },
}

/// A network of the account in which the containers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) subnets: Vec<String>,
    pub(crate) groups: Vec<String>,
}

/// Requests and answers that SageMaker keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capture {
    /// `s3://…`.
    pub(crate) destination: String,
    /// 1 to 100.
    pub(crate) percent: u32,
}

/// How requests move to new machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdatePolicy {
    AllAtOnce,
    /// A share of the machines first, then all.
    Canary {
        /// 1 to 50.
        percent: u32,
    },
    /// A share of the machines after the other.
    Linear {
        /// 10 to 50.
        percent: u32,
    },
}

impl SageMakerSpec {
    /// The processor that the image must be built for, as image platforms call it: one for all variants. Source: the `g` after
    /// the generation marks Graviton, such as `ml.m6g.large` and `ml.c7gn.xlarge`; serverless endpoints run on x86.
    pub(crate) fn architecture(&self) -> &'static str {
        self.variants.first().map_or("amd64", Variant::architecture)
    }

    /// Whether it has no machines of its own.
    pub(crate) fn is_serverless(&self) -> bool {
        self.variants.iter().any(Variant::is_serverless)
    }

    /// Whether SageMaker is to watch an update, and how requests move in it. Without either it moves them all at once.
    pub(crate) fn is_guarded(&self) -> bool {
        self.update != UpdatePolicy::AllAtOnce || !self.alarms.is_empty()
    }
}

impl Variant {
    pub(crate) fn is_serverless(&self) -> bool {
        matches!(self.capacity, Capacity::Serverless { .. })
    }

    /// As [`SageMakerSpec::architecture`].
    pub(crate) fn architecture(&self) -> &'static str {
        let Capacity::Instances { kind, .. } = &self.capacity else {
            return "amd64";
        };
        let family = kind.split('.').nth(1).unwrap_or_default();
        let after = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let marks = after.trim_start_matches(|c: char| c.is_ascii_digit());
        if marks.starts_with('g') {
            "arm64"
        } else {
            "amd64"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instance_tells_the_processor() {
        let of = |kind: &str| {
            let kind = kind.to_owned();
            let variant = Variant {
                name: "a".to_owned(),
                capacity: Capacity::Instances { kind, count: 1 },
                weight: 1.0,
            };
            variant.architecture()
        };
        for kind in [
            "ml.m6g.large",
            "ml.c7g.xlarge",
            "ml.c6gn.xlarge",
            "ml.m6gd.large",
            "ml.g5g.xlarge",
        ] {
            assert_eq!(of(kind), "arm64", "{kind}");
        }
        for kind in [
            "ml.m5.large",
            "ml.g5.xlarge",
            "ml.g4dn.xlarge",
            "ml.p4d.24xlarge",
            "ml.inf2.xlarge",
        ] {
            assert_eq!(of(kind), "amd64", "{kind}");
        }
    }
}
