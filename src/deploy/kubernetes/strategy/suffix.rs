//! Names of the workloads that strategies make beside the manifests' own. Pure.

use crate::plan::Strategy;

/// What the name of a canary ends in.
pub(super) const CANARY: &str = "canary";

/// What the names of the two workloads of blue-green end in, and the values of the label.
pub(super) const COLOURS: [&str; 2] = ["blue", "green"];

/// What the names of a strategy's second workloads end in.
pub(super) fn of(strategy: Strategy) -> &'static [&'static str] {
    match strategy {
        Strategy::Rolling => &[],
        Strategy::Canary { .. } => &[CANARY],
        Strategy::BlueGreen => &COLOURS,
    }
}
