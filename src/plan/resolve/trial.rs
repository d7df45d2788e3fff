//! The part of the plan that tries the built image before it is pushed.

use super::super::*;
use super::{Resolver, values};
use crate::context::Workspace;
use crate::predict;

impl Resolver<'_> {
    /// `None` when nothing could be asked, or when the user does not want it. A training may leave recorded predictions,
    /// so that is known only after it.
    pub(super) fn trial(
        &mut self,
        workspace: &Workspace,
        deploy: Option<&DeploySpec>,
        verify: &VerifySpec,
    ) -> Option<TrialSpec> {
        let inputs = self.inputs;
        // These targets have read it already.
        let environment = match deploy {
            Some(DeploySpec::Docker(docker)) => docker.environment.clone(),
            Some(DeploySpec::AzureMl(spec)) => spec.environment.clone(),
            Some(DeploySpec::SageMaker(endpoint)) => endpoint.environment.clone(),
            _ => self
                .pairs("container-env", &inputs.container_env)
                .into_iter()
                .collect(),
        };
        if !inputs.try_container || self.task != Task::Run {
            return None;
        }
        let model = workspace.folder.join(&inputs.model);
        let recorded = || predict::find(workspace, verify.golden.as_deref(), &verify.form, &model);
        let possible = verify.health_path.is_some()
            || inputs.train.is_some()
            || recorded().map_or(true, |found| found.is_some());
        possible.then_some(TrialSpec {
            environment,
            deadline: inputs.deploy_timeout,
        })
    }

    /// How a recorded row becomes a request, and where the prediction stands in its answer.
    pub(super) fn form(&mut self) -> predict::Form {
        let inputs = self.inputs;
        let template = inputs.request_template.as_deref().map(predict::template);
        let template = match template.transpose() {
            Ok(template) => template,
            Err(why) => {
                self.invalid("request-template", why);
                None
            }
        };
        let pointer = inputs.response_pointer.clone();
        if let Some(Err(why)) = pointer.as_deref().map(predict::pointer) {
            self.invalid("response-pointer", why);
        }
        predict::Form { template, pointer }
    }

    /// `rtol=NUMBER` and `atol=NUMBER`.
    pub(super) fn tolerance(&mut self) -> (Option<f64>, Option<f64>) {
        let (mut rtol, mut atol) = (None, None);
        for text in values::list(&self.inputs.tolerance, true) {
            let (name, number) = text.split_once('=').unwrap_or((&text, ""));
            let number = number.trim().parse::<f64>().ok();
            let number = number.filter(|number| number.is_finite() && *number >= 0.0);
            match (name.trim(), number) {
                ("rtol", Some(number)) => rtol = Some(number),
                ("atol", Some(number)) => atol = Some(number),
                _ => self.invalid(
                    "tolerance",
                    format!("has `{text}`, expected rtol=NUMBER or atol=NUMBER, not below zero"),
                ),
            }
        }
        (rtol, atol)
    }
}
