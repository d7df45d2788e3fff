//! The part of the plan about an endpoint of SageMaker. Bounds and patterns are those of the Amazon SageMaker API Reference.

use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use super::{Resolver, values};
use crate::cloud::Clouds;

/// How long a deployment may take when the inputs do not say: new machines take minutes.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// What SageMaker asks of a container. Source: "Custom Inference Code with Hosting Services".
const PING: &str = "/ping";
const INVOCATIONS: &str = "/invocations";
const PORT: u16 = 8080;

/// Longest name of anything at SageMaker.
const LONGEST: usize = 63;

impl Resolver<'_> {
    /// The endpoint; `None` with a finding when nothing says which one.
    pub(super) fn sagemaker(
        &mut self,
        clouds: &Arc<Clouds>,
        login: Option<RegistryLogin>,
        image: bool,
    ) -> Option<SageMakerSpec> {
        let inputs = self.inputs;
        let own = &inputs.sagemaker;
        let Some(endpoint) = inputs.endpoint.endpoint_name.clone() else {
            self.missing("endpoint-name", "target sagemaker needs an endpoint");
            return None;
        };
        for (name, value) in [
            ("endpoint-name", &endpoint),
            ("variant-name", &own.variant_name),
        ] {
            if !is_name(value) {
                self.invalid(name, format!("is `{value}`: SageMaker takes up to {LONGEST} letters, digits and hyphens, with no hyphen at an end"));
            }
        }
        let deploys = self.task == Task::Run;
        if deploys && !image {
            self.missing("image", "target sagemaker needs to know which image to run");
        }
        if deploys && own.execution_role.is_none() {
            self.missing(
                "execution-role",
                "target sagemaker needs a role that the containers run as",
            );
        }
        let capacity = self.capacity(deploys);
        let capture = own.data_capture.clone().map(|destination| {
            if !destination.starts_with("s3://") || destination.len() > 512 {
                self.invalid(
                    "data-capture",
                    format!("is `{destination}`, expected s3://BUCKET/PREFIX"),
                );
            }
            Capture {
                destination,
                percent: own.data_capture_percent,
            }
        });
        let update = self.update_policy();
        if update != UpdatePolicy::AllAtOnce && inputs.endpoint.instance_count < 2 {
            self.invalid("update-policy", "moves requests machine by machine, and `instance-count` is 1: at least 2 are needed");
        }
        if own.update_wait > Duration::from_secs(3600) {
            self.invalid(
                "update-wait",
                "is longer than SageMaker allows, which is 1h",
            );
        }
        let startup = own.startup_timeout;
        if startup.is_some_and(|time| !(60..=3600).contains(&time.as_secs())) {
            self.invalid(
                "startup-timeout",
                "is outside of what SageMaker allows, which is 1m to 1h",
            );
        }
        let alarms = values::list(&own.update_alarms, true);
        if alarms.len() > 10 {
            self.invalid(
                "update-alarms",
                "has more than 10 alarms, which is what SageMaker takes",
            );
        }
        if matches!(capacity, Capacity::Serverless { .. })
            && (update != UpdatePolicy::AllAtOnce || !alarms.is_empty() || capture.is_some())
        {
            self.invalid(
                "serverless-memory",
                "makes the endpoint serverless, which has no `update-policy`, `update-alarms` or `data-capture`",
            );
        }
        let environment = self.pairs("container-env", &inputs.container_env);
        let on_failure = self.on_failure();
        let on_first_failure = self.on_first_failure();
        if on_first_failure == OnFirstFailure::ScaleDown {
            self.invalid(
                "on-first-failure",
                "is `scale-down`, and an endpoint has at least one machine: keep or remove",
            );
        }
        let asked = self.sources.contains_key("deploy-timeout");
        Some(SageMakerSpec {
            clouds: clouds.clone(),
            endpoint,
            role: own.execution_role.clone().unwrap_or_default(),
            capacity,
            variant: own.variant_name.clone(),
            capture,
            network: self.network(),
            update,
            wait: own.update_wait,
            alarms,
            startup,
            keep: usize::try_from(own.keep_configs).unwrap_or(usize::MAX),
            environment: environment.into_iter().collect(),
            on_failure,
            on_first_failure,
            deadline: if asked {
                inputs.deploy_timeout
            } else {
                DEADLINE
            },
            commit: self.host.commit.clone(),
            login,
        })
    }

    /// The paths and the port on which SageMaker asks every container; another one would be asked by nobody.
    pub(super) fn sagemaker_paths(&mut self) -> (Option<String>, Option<String>, Option<u16>) {
        let inputs = self.inputs;
        for (name, given, own) in [
            ("health-path", inputs.health_path.clone(), PING),
            ("predict-path", inputs.predict_path.clone(), INVOCATIONS),
            ("port", inputs.port.map(|port| port.to_string()), "8080"),
        ] {
            if given.as_deref().is_some_and(|given| given != own) {
                self.invalid(
                    name,
                    format!("is set, and SageMaker asks {own} of every container"),
                );
            }
        }
        let path = |path: &str| Some(path.to_owned());
        (path(PING), path(INVOCATIONS), Some(PORT))
    }

    fn network(&mut self) -> Option<Network> {
        let own = &self.inputs.sagemaker;
        let subnets = values::list(&own.vpc_subnets, true);
        let groups = values::list(&own.vpc_security_groups, true);
        if subnets.is_empty() != groups.is_empty() {
            self.invalid(
                "vpc-subnets",
                "and `vpc-security-groups` belong together: one of them is not set",
            );
        }
        for (name, most, given) in [
            ("vpc-subnets", 16, &subnets),
            ("vpc-security-groups", 5, &groups),
        ] {
            if given.len() > most {
                self.invalid(
                    name,
                    format!("has more than {most}, which is what SageMaker takes"),
                );
            }
        }
        (!subnets.is_empty()).then_some(Network { subnets, groups })
    }

    fn capacity(&mut self, deploys: bool) -> Capacity {
        let own = &self.inputs.sagemaker;
        let kind = self.inputs.endpoint.instance_type.clone();
        match (kind, own.serverless_memory) {
            (Some(_), Some(memory)) => {
                self.both(
                    "serverless-memory",
                    "instance-type",
                    "an endpoint is serverless or has machines",
                );
                Capacity::Serverless {
                    memory,
                    concurrency: 1,
                }
            }
            (None, Some(memory)) => {
                if !memory.is_multiple_of(1024) || !(1024..=6144).contains(&memory) {
                    self.invalid(
                        "serverless-memory",
                        format!("is {memory}, expected 1024, 2048, 3072, 4096, 5120 or 6144 MiB"),
                    );
                }
                let concurrency = own.serverless_concurrency;
                Capacity::Serverless {
                    memory,
                    concurrency,
                }
            }
            (kind, None) => {
                match &kind {
                    Some(kind) if !is_instance(kind) => self.invalid(
                        "instance-type",
                        format!("is `{kind}`, expected a type of SageMaker such as ml.m5.large"),
                    ),
                    None if deploys => self.missing(
                        "instance-type",
                        "target sagemaker needs it, or `serverless-memory`",
                    ),
                    _ => {}
                }
                Capacity::Instances {
                    kind: kind.unwrap_or_default(),
                    count: self.inputs.endpoint.instance_count,
                }
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

/// `[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}`.
fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !text.is_empty()
        && text.len() <= LONGEST
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// `ml.`, a family with its generation, and a size.
fn is_instance(text: &str) -> bool {
    let mut parts = text.split('.');
    let word = |part: Option<&str>| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        part.is_some_and(|part| !part.is_empty() && part.chars().all(plain))
    };
    parts.next() == Some("ml") && word(parts.next()) && word(parts.next()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_those_of_sagemaker() {
        assert!(is_name("wine") && is_name("a--b") && is_name(&"a".repeat(63)));
        for wrong in ["", "-a", "a-", "a_b", "a.b", &"a".repeat(64)] {
            assert!(!is_name(wrong), "{wrong}");
        }
        for right in [
            "ml.m5.large",
            "ml.g5.48xlarge",
            "ml.p4d.24xlarge",
            "ml.u-6tb1.112xlarge",
        ] {
            assert!(is_instance(right), "{right}");
        }
        for wrong in [
            "m5.large",
            "ml.m5",
            "ml.m5.large.x",
            "ml..large",
            "ML.m5.large",
        ] {
            assert!(!is_instance(wrong), "{wrong}");
        }
    }
}
