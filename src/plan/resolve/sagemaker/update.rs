//! How requests move to a new version, what watches them meanwhile, and how long that takes.
//! Source: SageMaker developer guide, "Deployment guardrails" and its page of exclusions.

use std::time::Duration;

use super::super::{Resolver, values};
use crate::plan::{Capacity, UpdatePolicy, Variant};

/// How long a deployment may take when the inputs do not say, beside the time that requests are watched: machines take minutes.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// Most alarms, and the longest pause between two steps.
const ALARMS: usize = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The longest that an update may take. Source: SageMaker API, "BlueGreenUpdatePolicy", `MaximumExecutionTimeoutInSeconds`.
const LONGEST_UPDATE: Duration = Duration::from_secs(28_800);

/// The update, as the inputs have it.
pub(super) struct Update {
    pub(super) policy: UpdatePolicy,
    pub(super) alarms: Vec<String>,
    pub(super) deadline: Duration,
}

impl Resolver<'_> {
    pub(super) fn update(&mut self, variants: &[Variant]) -> Update {
        let inputs = self.inputs;
        let wait = inputs.sagemaker.update_wait;
        let policy = self.update_policy();
        let alarms = values::list(&inputs.sagemaker.update_alarms, true);
        if wait > LONGEST_WAIT {
            self.invalid(
                "update-wait",
                "is longer than SageMaker allows, which is 1h",
            );
        }
        if alarms.len() > ALARMS {
            self.invalid(
                "update-alarms",
                format!("has more than {ALARMS} alarms, which is what SageMaker takes"),
            );
        }
        if policy == UpdatePolicy::AllAtOnce && alarms.is_empty() {
            if self.sources.contains_key("update-wait") {
                self.invalid("update-wait", "is set, and there is nothing to wait for: requests move all at once, and no `update-alarms` are watched");
            }
        } else {
            self.guarded(policy, variants);
        }
        let watched = watched(policy, wait, !alarms.is_empty());
        if watched >= LONGEST_UPDATE && wait <= LONGEST_WAIT {
            let minutes = watched.as_secs() / 60;
            self.invalid(
                "update-wait",
                format!("makes the whole update take {minutes} minutes with this `update-policy`, and SageMaker ends one after 8h"),
            );
        }
        if !self.sources.contains_key("deploy-timeout") {
            let deadline = DEADLINE + watched;
            return Update {
                policy,
                alarms,
                deadline,
            };
        }
        let deadline = inputs.deploy_timeout;
        if deadline <= watched {
            let seconds = watched.as_secs();
            self.invalid(
                "deploy-timeout",
                format!("is {} s, and requests alone are watched for {seconds} s as `update-policy` and `update-wait` say", deadline.as_secs()),
            );
        }
        Update {
            policy,
            alarms,
            deadline,
        }
    }

    /// Where SageMaker would refuse to guard an update, or silently not do it.
    fn guarded(&mut self, policy: UpdatePolicy, variants: &[Variant]) {
        let name = if policy == UpdatePolicy::AllAtOnce {
            "update-alarms"
        } else {
            "update-policy"
        };
        for variant in variants {
            let who = if variants.len() > 1 {
                format!("variant `{}`", variant.name)
            } else {
                "the endpoint".to_owned()
            };
            match &variant.capacity {
                Capacity::Serverless { .. } => {
                    self.invalid(name, "is set, and the endpoint is serverless: SageMaker guards updates of machines only");
                }
                Capacity::Instances { kind, .. } if kind.starts_with("ml.inf1.") => {
                    self.invalid(name, format!("is set, and {who} has machines of {kind}, whose updates SageMaker does not guard: it would move all requests at once"));
                }
                Capacity::Instances { count, .. }
                    if *count < 2 && policy != UpdatePolicy::AllAtOnce =>
                {
                    self.invalid(name, format!("moves requests machine by machine, and {who} has one: `instance-count` must be at least 2"));
                }
                Capacity::Instances { .. } => {}
            }
        }
    }

    /// `all-at-once`, or `canary` and `linear` with their share: `canary: 10%`, `canary=10%`, `canary 10%`.
    fn update_policy(&mut self) -> UpdatePolicy {
        let given = self.inputs.sagemaker.update_policy.trim();
        if given == "all-at-once" {
            return UpdatePolicy::AllAtOnce;
        }
        let share = |word: &str| {
            let rest = given.strip_prefix(word)?;
            rest.trim_matches([':', '=', '%', ' ']).parse::<u32>().ok()
        };
        match (share("canary"), share("linear")) {
            (Some(percent @ 1..=50), _) => UpdatePolicy::Canary { percent },
            (_, Some(percent @ 10..=50)) => UpdatePolicy::Linear { percent },
            _ => {
                self.invalid(
                    "update-policy",
                    format!("is `{given}`, expected all-at-once, `canary: 10%` (1% to 50%) or `linear: 20%` (10% to 50%)"),
                );
                UpdatePolicy::AllAtOnce
            }
        }
    }
}

/// How long SageMaker watches: after every step, the last one too.
fn watched(policy: UpdatePolicy, wait: Duration, alarms: bool) -> Duration {
    let steps = match policy {
        UpdatePolicy::AllAtOnce => u32::from(alarms),
        UpdatePolicy::Canary { .. } => 2,
        UpdatePolicy::Linear { percent } => 100_u32.div_ceil(percent.max(1)),
    };
    wait.saturating_mul(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_watched() {
        let wait = Duration::from_secs(300);
        let minutes = |policy, alarms| watched(policy, wait, alarms).as_secs() / 60;
        assert_eq!(minutes(UpdatePolicy::AllAtOnce, false), 0);
        assert_eq!(minutes(UpdatePolicy::AllAtOnce, true), 5);
        assert_eq!(minutes(UpdatePolicy::Canary { percent: 10 }, false), 10);
        // Longer than a deployment may take by default.
        assert_eq!(minutes(UpdatePolicy::Linear { percent: 10 }, false), 50);
        assert_eq!(minutes(UpdatePolicy::Linear { percent: 30 }, true), 20);
    }
}
