//! The part of the plan that deploys to Azure Machine Learning.
//! Source: learn.microsoft.com "Manage and increase quotas: Azure Machine Learning online endpoints" (names, longest answer).

use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use super::Resolver;
use crate::cloud::Clouds;

/// The port that a container answers on when the input does not say.
const PORT: u16 = 8080;
const ANSWER: Duration = Duration::from_secs(60);
const LONGEST_ANSWER: Duration = Duration::from_secs(180);
/// How long a container may take to start when the input does not say: what Azure's own probes allow.
const STARTUP: Duration = Duration::from_secs(300);

impl Resolver<'_> {
    pub(super) fn azureml(
        &mut self,
        image: Option<&crate::registry::Reference>,
        clouds: &Arc<Clouds>,
    ) -> Option<AzureMlSpec> {
        let inputs = self.inputs;
        let deploys = self.deploys;
        let (own, endpoint) = (inputs.azureml.clone(), inputs.endpoint.clone());
        if deploys && image.is_none() {
            self.missing("image", "target azureml needs to know which image to run");
        }
        let workspace = self.needed("workspace", own.workspace, "it has the endpoint");
        if let Some(given) = workspace.as_deref().filter(|name| !is_workspace(name)) {
            let why = format!(
                "is `{given}`, and the name of a workspace has 3 to 33 letters, digits, `_` and `-`; it is the name alone, not its ID or URL"
            );
            self.invalid("workspace", why);
        }
        let group = self.needed(
            "resource-group",
            inputs.cluster.resource_group.clone(),
            "the workspace is in it",
        );
        let name = self.needed(
            "endpoint-name",
            endpoint.endpoint_name,
            "target azureml needs to know which endpoint is meant",
        );
        if let Some(why) = name.as_deref().and_then(bad_name) {
            self.invalid("endpoint-name", why);
        }
        let instance_type = match endpoint.instance_type {
            None if deploys => self.needed(
                "instance-type",
                None,
                "target azureml needs to know on what machines the endpoint runs, such as Standard_DS3_v2",
            ),
            given => Some(given.unwrap_or_default()),
        };
        let health_path = match inputs.health_path.clone() {
            None if deploys => self.needed(
                "health-path",
                None,
                "Azure asks a path of the container whether it lives and is ready",
            ),
            given => Some(given.unwrap_or_default()),
        };
        self.built_for(AzureMlSpec::ARCHITECTURE, "Azure ML's machines");
        let request_timeout = own.request_timeout.unwrap_or(ANSWER);
        if request_timeout > LONGEST_ANSWER {
            self.invalid(
                "request-timeout",
                "is above 3m, the longest that Azure allows",
            );
        }
        let startup = self.startup();
        let step = self.step(own.traffic_step.as_deref());
        let environment = self
            .pairs("container-env", &inputs.container_env)
            .into_iter()
            .collect();
        let (on_failure, on_first_failure) = (self.on_failure(), self.on_first_failure());
        Some(AzureMlSpec {
            clouds: clouds.clone(),
            workspace: MlWorkspace {
                resource_group: group?,
                name: workspace?,
            },
            endpoint: name?,
            instance_type: instance_type?,
            instance_count: endpoint.instance_count,
            environment,
            port: inputs.port.unwrap_or(PORT),
            health_path: health_path?,
            predict_path: inputs.predict_path.clone(),
            request_timeout,
            concurrency: own.max_concurrent_requests,
            startup,
            keep_old: own.keep_old,
            step,
            on_failure,
            on_first_failure,
            deadline: inputs.deploy_timeout,
            commit: self.host.commit.clone(),
        })
    }

    /// A start that lasts as long as the whole deployment may would be seen to fail by nobody.
    fn startup(&mut self) -> Duration {
        let whole = self.inputs.deploy_timeout;
        match self.inputs.endpoint.startup_timeout {
            Some(given) if given >= whole => {
                let seconds = whole.as_secs();
                self.invalid(
                    "startup-timeout",
                    format!("is not shorter than `deploy-timeout`, which is {seconds} s and has it in it"),
                );
                given
            }
            given => given.unwrap_or(STARTUP).min(whole),
        }
    }

    /// An input that the target cannot do without.
    fn needed(&mut self, name: &str, given: Option<String>, why: &str) -> Option<String> {
        if given.is_none() {
            self.missing(name, why);
        }
        given
    }

    fn step(&mut self, given: Option<&str>) -> u8 {
        let Some(given) = given else { return 100 };
        match given.trim().trim_end_matches('%').trim().parse() {
            Ok(step @ 1..=100) => step,
            _ => {
                self.invalid(
                    "traffic-step",
                    format!("is `{given}`, expected a share from 1% to 100%"),
                );
                100
            }
        }
    }
}

/// `[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}`. Source: Azure's description of Machine Learning Services, `workspaceName`.
fn is_workspace(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (3..=33).contains(&name.len())
        && name.chars().all(inside)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Why Azure takes no endpoint of this name.
fn bad_name(name: &str) -> Option<String> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let why = if !(3..=32).contains(&name.len()) {
        "needs 3 to 32 characters"
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "must begin with a letter"
    } else if !name.chars().all(inside) || name.ends_with('-') {
        "may have letters, digits and, but at its end, hyphens"
    } else {
        return None;
    };
    Some(format!(
        "is `{name}`, and the name of an endpoint of Azure ML {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_azure_takes() {
        for good in ["abc", "wine-v2", "W1-2", &"a".repeat(32)] {
            assert_eq!(bad_name(good), None, "{good}");
        }
        for bad in ["ab", "1abc", "wine_v2", "wine-", &"a".repeat(33), "wein-ß"] {
            assert!(bad_name(bad).is_some(), "{bad}");
        }
        assert!(is_workspace("ml-prod_2") && is_workspace(&"a".repeat(33)));
        let id = "/subscriptions/1/resourceGroups/ml/providers/x/workspaces/w";
        for bad in ["ws", "-ws1", id, &"a".repeat(34)] {
            assert!(!is_workspace(bad), "{bad}");
        }
    }
}
