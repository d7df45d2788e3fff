//! What metric gates are told: rules with their place, and the champion that candidates are compared with.

use std::path::PathBuf;

use super::TrackingSpec;
use crate::diagnostic::Location;

/// The gates, and what becomes of a model that has passed them.
#[derive(Clone, Debug)]
pub(crate) struct GateSpec {
    pub(crate) rules: Vec<Rule>,
    /// JSON file with metrics, absolute.
    pub(crate) metrics_file: Option<PathBuf>,
    /// Alias in the model registry.
    pub(crate) champion: String,
    pub(crate) first_deploy: FirstDeploy,
    /// Registered model that a verified deployment becomes a version of.
    pub(crate) register_model: Option<String>,
    /// Where runs and registered models are.
    pub(crate) tracking: TrackingSpec,
    /// Commit of the sources, for the version's tags.
    pub(crate) commit: Option<String>,
}

/// The verdict of rules that compare with a champion, when there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstDeploy {
    Pass,
    Fail,
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// Name of the metric, with any characters; a slice is only a name such as `auc{country=DE}`.
    pub(crate) metric: String,
    pub(crate) test: Test,
    /// As the user wrote it.
    pub(crate) text: String,
    /// Where it stands, when it came from a file.
    pub(crate) at: Option<Location>,
}

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Test {
    /// That there is such a number.
    Required,
    Number(Op, f64),
    Champion(Op, Margin),
}

impl Test {
    /// Whether the rule cannot be judged without a champion.
    pub(crate) fn needs_champion(self) -> bool {
        matches!(self, Self::Champion(..))
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
}

impl Op {
    /// As it is written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
            Self::Equal => "==",
        }
    }
}

/// How far from the champion's number the line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Margin {
    pub(crate) side: Side,
    /// Not negative. With `percent`: of the absolute value of the champion's number.
    pub(crate) amount: f64,
    pub(crate) percent: bool,
}

/// The side on which a margin lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Above,
    Below,
    /// `±`: the candidate must lie within the margin.
    Both,
}
