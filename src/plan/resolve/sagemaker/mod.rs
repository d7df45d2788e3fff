//! The part of the plan about an endpoint of SageMaker. Bounds and patterns are those of the Amazon SageMaker API Reference.

mod update;
mod variants;

use std::sync::Arc;

use super::super::*;
use super::{Resolver, values};
use crate::cloud::Clouds;

/// What SageMaker asks of a container. Source: "Custom Inference Code with Hosting Services".
pub(super) const PING: &str = "/ping";
pub(super) const INVOCATIONS: &str = "/invocations";
pub(super) const PORT: u16 = 8080;

/// Longest name of anything at SageMaker.
const LONGEST: usize = 63;
/// Longest name or value of a variable, in bytes, and how many a model has.
const LONGEST_VALUE: usize = 1024;
const MOST_VARIABLES: usize = 100;

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
        if !is_name(&endpoint) {
            self.invalid("endpoint-name", name_rule(&endpoint));
        }
        let deploys = self.deploys;
        if deploys && !image {
            self.missing("image", "target sagemaker needs to know which image to run");
        }
        if deploys && own.execution_role.is_none() {
            self.missing(
                "execution-role",
                "target sagemaker needs a role that the containers run as",
            );
        }
        let variants = self.variants(deploys);
        self.built_for(
            variants.first().map_or("amd64", Variant::architecture),
            "the endpoint's machines",
        );
        let update = self.update(&variants);
        let capture = self.capture();
        let startup = self.inputs.endpoint.startup_timeout;
        if startup.is_some_and(|time| !(60..=3600).contains(&time.as_secs())) {
            self.invalid(
                "startup-timeout",
                "is outside of what SageMaker allows, which is 1m to 1h",
            );
        }
        let network = self.network();
        if variants.iter().any(Variant::is_serverless) {
            for (name, is_set) in [
                ("data-capture", capture.is_some()),
                ("vpc-subnets", network.is_some()),
            ] {
                if is_set {
                    self.invalid(
                        name,
                        "is set, and the endpoint is serverless, which SageMaker has no such thing for",
                    );
                }
            }
        }
        let environment = self.endpoint_environment();
        let on_failure = self.on_failure();
        let on_first_failure = self.on_first_failure();
        if on_first_failure == OnFirstFailure::ScaleDown {
            self.invalid(
                "on-first-failure",
                "is `scale-down`, and an endpoint has at least one machine: keep or remove",
            );
        }
        Some(SageMakerSpec {
            clouds: clouds.clone(),
            endpoint,
            role: own.execution_role.clone().unwrap_or_default(),
            variants,
            capture,
            network,
            update: update.policy,
            wait: own.update_wait,
            alarms: update.alarms,
            startup,
            keep: usize::try_from(own.keep_configs).unwrap_or(usize::MAX),
            environment,
            on_failure,
            on_first_failure,
            deadline: update.deadline,
            commit: self.host.commit.clone(),
            login,
        })
    }

    /// Inputs that say another path or port than the one on which SageMaker asks every container.
    pub(super) fn sagemaker_has_its_own(&self) -> impl Iterator<Item = &'static str> {
        let inputs = self.inputs;
        let differs =
            |given: &Option<String>, own| given.as_deref().is_some_and(|given| given != own);
        let given = [
            ("health-path", differs(&inputs.health_path, PING)),
            ("predict-path", differs(&inputs.predict_path, INVOCATIONS)),
            ("port", inputs.port.is_some_and(|port| port != PORT)),
        ];
        given
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| name)
    }

    fn capture(&mut self) -> Option<Capture> {
        let own = &self.inputs.sagemaker;
        let Some(destination) = own.data_capture.clone() else {
            if self.sources.contains_key("data-capture-percent") {
                self.missing("data-capture", "`data-capture-percent` is set");
            }
            return None;
        };
        if !destination.starts_with("s3://") || destination.len() > 512 {
            self.invalid(
                "data-capture",
                format!("is `{destination}`, expected s3://BUCKET/PREFIX"),
            );
        }
        Some(Capture {
            destination,
            percent: own.data_capture_percent,
        })
    }

    /// What a model takes of variables; what is beyond it would be refused after the training.
    fn endpoint_environment(&mut self) -> Vec<(String, String)> {
        let given = self.pairs("container-env", &self.inputs.container_env);
        let environment: Vec<(String, String)> = given.into_iter().collect();
        for (name, value) in &environment {
            if !is_variable(name) {
                self.invalid(
                    "container-env",
                    format!("has `{name}`, and SageMaker takes letters, digits and underscores"),
                );
            } else if name.len().max(value.len()) > LONGEST_VALUE {
                self.invalid(
                    "container-env",
                    format!("has more than {LONGEST_VALUE} bytes for `{name}`, which is what SageMaker takes"),
                );
            }
        }
        if environment.len() > MOST_VARIABLES {
            self.invalid(
                "container-env",
                format!(
                    "has {} variables, and SageMaker takes {MOST_VARIABLES}",
                    environment.len()
                ),
            );
        }
        environment
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
}

fn name_rule(name: &str) -> String {
    format!(
        "is `{name}`: SageMaker takes up to {LONGEST} letters, digits and hyphens, with no hyphen at an end"
    )
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`.
fn is_variable(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(inner) && !name.starts_with(|c: char| c.is_ascii_digit())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_sagemaker() {
        assert!(is_name("wine") && is_name("a--b") && is_name(&"a".repeat(63)));
        for wrong in ["", "-a", "a-", "a_b", "a.b", &"a".repeat(64)] {
            assert!(!is_name(wrong), "{wrong}");
        }
    }
}
