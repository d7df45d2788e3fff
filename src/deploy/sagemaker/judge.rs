//! Judges what SageMaker says of an endpoint: on its way, there, or failed. Pure. That it is `InService` is not enough: an
//! update that fails ends so too, on the old configuration.

use serde_json::Value;

use crate::code::Code;
use crate::plan::{Capacity, SageMakerSpec, Variant};

/// What the endpoint is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal<'a> {
    pub(super) config: &'a str,
    /// What must serve; none: whatever its configuration says.
    pub(super) variants: &'a [Variant],
    /// Whether the update is known to have begun: until then the old configuration means nothing.
    pub(super) begun: bool,
}

impl<'a> Goal<'a> {
    /// A configuration of this run.
    pub(super) fn new(spec: &'a SageMakerSpec, config: &'a str) -> Self {
        Self {
            config,
            variants: &spec.variants,
            begun: true,
        }
    }

    /// One that served before.
    pub(super) fn earlier(config: &'a str) -> Self {
        Self {
            config,
            variants: &[],
            begun: true,
        }
    }

    /// Machines that a variant must have.
    fn count(self, name: &str) -> Option<u64> {
        let variant = self.variants.iter().find(|variant| variant.name == name)?;
        match variant.capacity {
            Capacity::Instances { count, .. } => Some(count.into()),
            Capacity::Serverless { .. } => None,
        }
    }
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// In words what is going on.
    Going(String),
    Done,
    Failed {
        code: Code,
        /// A whole sentence without the endpoint's name. Untrusted in its reason.
        why: String,
    },
}

/// Judges one description.
pub(super) fn judge(described: &Value, goal: Goal<'_>) -> Judged {
    let status = text(described, "EndpointStatus");
    let live = config(described);
    let reason = match text(described, "FailureReason") {
        "" => "AWS gives no reason",
        reason => reason,
    };
    let failed = |code, why| Judged::Failed { code, why };
    match status {
        "InService" if live == goal.config => serving(described, goal),
        // A description may be a moment older than the update.
        "InService" if !goal.begun => Judged::Going("waiting for the update to begin".to_owned()),
        "InService" => failed(
            Code::EndpointOldConfig,
            format!(
                "is InService on the configuration `{live}`, not on `{}`: SageMaker went back by itself: {reason}",
                goal.config
            ),
        ),
        "UpdateRollbackFailed" => failed(
            Code::RollbackFailed,
            format!(
                "failed to update and SageMaker failed to go back: it may serve both configurations: {reason}"
            ),
        ),
        "Failed" | "OutOfService" => failed(Code::EndpointFailed, format!("is {status}: {reason}")),
        "Deleting" => failed(
            Code::EndpointFailed,
            "is being deleted by somebody else".to_owned(),
        ),
        "" => failed(
            Code::EndpointFailed,
            "is described by AWS without a status".to_owned(),
        ),
        _ => Judged::Going(going(described, status)),
    }
}

/// The right configuration serves; all of its variants must, with all of their machines.
fn serving(described: &Value, goal: Goal<'_>) -> Judged {
    let is_there = |wanted: &&Variant| names(described).any(|name| name == wanted.name);
    if let Some(absent) = goal.variants.iter().find(|wanted| !is_there(wanted)) {
        return Judged::Going(format!("variant `{}` is not there yet", absent.name));
    }
    for variant in variants(described) {
        let name = text(variant, "VariantName");
        let number = |key: &str| variant[key].as_u64();
        let (current, desired) = (
            number("CurrentInstanceCount"),
            number("DesiredInstanceCount"),
        );
        let wanted = goal.count(name).or(desired);
        if let Some((current, wanted)) = current.zip(wanted)
            && current < wanted
        {
            return Judged::Going(format!("{current} of {wanted} instances of `{name}` serve"));
        }
        let weight = |key: &str| variant[key].as_f64();
        if let Some((now, then)) = weight("CurrentWeight").zip(weight("DesiredWeight"))
            && (now - then).abs() > f64::EPSILON
        {
            return Judged::Going(format!("the weight of `{name}` is {now}, not yet {then}"));
        }
    }
    Judged::Done
}

/// The status, with what SageMaker says of the variants on their way.
fn going(described: &Value, status: &str) -> String {
    let pending = &described["PendingDeploymentSummary"]["ProductionVariants"];
    let pending = pending.as_array().into_iter().flatten();
    let variants = variants(described).chain(pending);
    let said =
        variants.flat_map(|variant| variant["VariantStatus"].as_array().into_iter().flatten());
    let mut said: Vec<&str> = said.map(|one| text(one, "Status")).collect();
    said.retain(|one| !one.is_empty());
    said.dedup();
    if said.is_empty() {
        status.to_owned()
    } else {
        format!("{status} ({})", said.join(", "))
    }
}

/// Whether something is changing it at the moment.
pub(super) fn busy(described: &Value) -> bool {
    let status = text(described, "EndpointStatus");
    [
        "Creating",
        "Updating",
        "SystemUpdating",
        "RollingBack",
        "Deleting",
    ]
    .contains(&status)
}

/// The configuration that serves.
pub(super) fn config(described: &Value) -> &str {
    text(described, "EndpointConfigName")
}

/// The configuration that it is on its way to.
pub(super) fn next_config(described: &Value) -> &str {
    match text(&described["PendingDeploymentSummary"], "EndpointConfigName") {
        "" => config(described),
        next => next,
    }
}

/// The image that serves, as the model names it; untrusted.
pub(super) fn image(described: &Value) -> Option<&str> {
    let first = variants(described).next()?;
    first["DeployedImages"][0]["SpecifiedImage"].as_str()
}

pub(super) fn variants(described: &Value) -> impl Iterator<Item = &Value> {
    described["ProductionVariants"]
        .as_array()
        .into_iter()
        .flatten()
}

/// What the variants are called.
pub(super) fn names(described: &Value) -> impl Iterator<Item = &str> {
    variants(described).map(|variant| text(variant, "VariantName"))
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::wanted::tests::variant;
    use super::*;

    fn described(status: &str, config: &str, rest: Value) -> Value {
        let mut all = json!({"EndpointName": "wine", "EndpointStatus": status, "EndpointConfigName": config,
            "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentWeight": 1.0, "DesiredWeight": 1.0, "CurrentInstanceCount": 2, "DesiredInstanceCount": 2}]});
        for (key, value) in rest.as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    }

    fn of(status: &str, config: &str, rest: Value) -> Judged {
        of_variants(&[("AllTraffic", 2)], status, config, rest)
    }

    fn of_variants(wanted: &[(&str, u32)], status: &str, config: &str, rest: Value) -> Judged {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(name, count)| variant(name, *count))
            .collect();
        let goal = Goal {
            variants: &wanted,
            ..Goal::earlier("new")
        };
        judge(&described(status, config, rest), goal)
    }

    #[test]
    fn in_service_counts_only_on_our_configuration() {
        assert_eq!(of("InService", "new", json!({})), Judged::Done);
        let Judged::Failed { code, why } = of("InService", "old", json!({"FailureReason": "ping"}))
        else {
            panic!("the old configuration is no success")
        };
        assert_eq!(code, Code::EndpointOldConfig);
        assert!(
            why.contains("`old`, not on `new`") && why.ends_with("ping"),
            "{why}"
        );
        let Judged::Failed { why, .. } = of("InService", "old", json!({})) else {
            panic!("nor without a reason")
        };
        assert!(why.ends_with("AWS gives no reason"), "{why}");
        // Just after the update the description may still be the earlier one.
        let goal = Goal {
            begun: false,
            ..Goal::earlier("new")
        };
        assert!(matches!(
            judge(&described("InService", "old", json!({})), goal),
            Judged::Going(_)
        ));
        // The reason of an earlier update says nothing of what serves now.
        assert_eq!(
            of("InService", "new", json!({"FailureReason": "earlier"})),
            Judged::Done
        );
    }

    #[test]
    fn machines_that_are_missing_are_waited_for() {
        let of = |rest: Value| of_variants(&[("a", 2)], "InService", "new", rest);
        let short = json!({"ProductionVariants": [{"VariantName": "a", "CurrentInstanceCount": 1, "DesiredInstanceCount": 2}]});
        let going = |text: &str| Judged::Going(text.to_owned());
        assert_eq!(of(short), going("1 of 2 instances of `a` serve"));
        let shifting = json!({"ProductionVariants": [{"VariantName": "a", "CurrentWeight": 0.1, "DesiredWeight": 1.0}]});
        assert!(matches!(of(shifting), Judged::Going(_)));
        let serverless = json!({"ProductionVariants": [{"VariantName": "a", "CurrentServerlessConfig": {"MemorySizeInMB": 2048}}]});
        assert_eq!(of(serverless), Judged::Done);
    }

    #[test]
    fn every_variant_counts() {
        let of = |rest: Value| of_variants(&[("a", 1), ("b", 3)], "InService", "new", rest);
        let row = |name: &str, now: u32| json!({"VariantName": name, "CurrentInstanceCount": now, "DesiredInstanceCount": now});
        let both = |b: u32| json!({"ProductionVariants": [row("a", 1), row("b", b)]});
        assert_eq!(of(both(3)), Judged::Done);
        let going = |text: &str| Judged::Going(text.to_owned());
        assert_eq!(of(both(1)), going("1 of 3 instances of `b` serve"));
        let absent = json!({"ProductionVariants": [row("a", 1)]});
        assert_eq!(of(absent), going("variant `b` is not there yet"));
    }

    #[test]
    fn ends_are_told_from_ways() {
        for status in ["Creating", "Updating", "SystemUpdating", "RollingBack"] {
            assert!(
                matches!(of(status, "old", json!({})), Judged::Going(_)),
                "{status}"
            );
        }
        for (status, wanted) in [
            ("Failed", Code::EndpointFailed),
            ("OutOfService", Code::EndpointFailed),
            ("Deleting", Code::EndpointFailed),
            ("UpdateRollbackFailed", Code::RollbackFailed),
        ] {
            assert!(
                matches!(of(status, "new", json!({})), Judged::Failed { code, .. } if code == wanted),
                "{status}"
            );
        }
    }

    #[test]
    fn what_is_on_its_way_is_named() {
        let pending = json!({"PendingDeploymentSummary": {"EndpointConfigName": "new",
            "ProductionVariants": [{"VariantName": "a", "VariantStatus": [{"Status": "Baking"}]}]}});
        let updating = described("Updating", "old", pending);
        assert_eq!((config(&updating), next_config(&updating)), ("old", "new"));
        assert_eq!(going(&updating, "Updating"), "Updating (Baking)");
        assert!(busy(&updating) && !busy(&described("InService", "old", json!({}))));
    }
}
