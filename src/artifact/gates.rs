//! The verdict of metric gates, as reports show it: plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The value of a metric. JSON has no not-a-number and no infinities, so they are written as text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure(pub(crate) f64);

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.0.abs();
        match self.0 {
            f64::INFINITY => f.write_str("Infinity"),
            f64::NEG_INFINITY => f.write_str("-Infinity"),
            value if size != 0.0 && !(1e-5..1e16).contains(&size) && !value.is_nan() => {
                write!(f, "{value:e}")
            }
            value => write!(f, "{value}"),
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            to.serialize_f64(self.0)
        } else {
            to.serialize_str(&self.to_string())
        }
    }
}

impl<'de> Deserialize<'de> for Measure {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match serde_json::Value::deserialize(from)? {
            serde_json::Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
            serde_json::Value::String(text) => text.parse().unwrap_or(f64::NAN),
            _ => f64::NAN,
        }))
    }
}

/// The verdict of all rules on the model's metrics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Gates {
    /// What the model was compared with; `None` when there is nothing to compare with.
    pub(crate) champion: Option<Champion>,
    pub(crate) rules: Vec<GateRule>,
}

/// The model that a candidate is compared with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Champion {
    /// Its MLflow run.
    pub(crate) run_id: String,
    /// Where a person can look at the run.
    pub(crate) url: Option<String>,
    /// Why it is the champion: `live as Deployment/wine`, `alias champion of wine, version 3`.
    pub(crate) known_by: String,
    /// Last value of each metric of its run.
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, Measure>,
}

/// One rule and its verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GateRule {
    pub(crate) metric: String,
    /// As the user wrote it.
    pub(crate) rule: String,
    pub(crate) candidate: Option<Measure>,
    pub(crate) champion: Option<Measure>,
    pub(crate) verdict: GateVerdict,
    /// The comparison in words. Untrusted text.
    pub(crate) why: String,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GateVerdict {
    Passed,
    Failed,
    /// The candidate has no such number.
    Missing,
    /// The champion's number cannot be compared with.
    NotComparable,
}

impl GateVerdict {
    /// In a table.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::NotComparable => "not comparable",
        }
    }
}
