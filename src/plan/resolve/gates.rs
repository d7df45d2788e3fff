//! The part of the plan that judges metrics: rules, champion, registered model.

use super::super::gates::{FirstDeploy, GateSpec, Rule};
use super::super::rules;
use super::Resolver;
use crate::code::Code;
use crate::context::Workspace;
use crate::diagnostic::{Diagnostic, Location};
use crate::event::Stage;
use crate::inputs::parsed::Source;
use crate::plan::{Task, TrackingSpec, TrackingUri};

impl Resolver<'_> {
    pub(super) fn gate_spec(&mut self, workspace: &Workspace, tracking: TrackingSpec) -> GateSpec {
        let inputs = self.inputs;
        let rules = self.rules();
        let first_deploy = self.one_of(
            "first-deploy",
            &inputs.first_deploy,
            [("pass", FirstDeploy::Pass), ("fail", FirstDeploy::Fail)],
            FirstDeploy::Pass,
        );
        let alias = &inputs.champion;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let version = alias
            .strip_prefix(['v', 'V'])
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        if alias.is_empty() || !alias.chars().all(plain) || version {
            self.invalid(
                "champion",
                format!("is `{alias}`, expected an alias of MLflow's: letters, digits, _ and -, and no version such as v1"),
            );
        } else if matches!(alias.as_str(), "previous" | "latest") {
            self.invalid(
                "champion",
                format!("is `{alias}`, a name that is taken: `previous` goes to the champion before, `latest` to the newest version"),
            );
        }
        if let Some(name) = &inputs.register_model
            && (name.trim().is_empty() || name.contains(['/', ':', '@']))
        {
            self.invalid(
                "register-model",
                format!(
                    "is `{name}`, expected the name of a registered model alone, such as `wine`"
                ),
            );
        }
        GateSpec {
            rules,
            metrics_file: inputs
                .metrics_file
                .as_ref()
                .map(|file| workspace.folder.join(file)),
            champion: alias.clone(),
            first_deploy,
            register_model: inputs.register_model.clone(),
            tracking,
            commit: self.host.commit.clone(),
        }
    }

    /// A version is registered after verification, and only a server can do it.
    pub(super) fn registry(&mut self, gates: &GateSpec, stages: &[Stage]) {
        let registers = self.task == Task::Run
            && gates.register_model.is_some()
            && [Stage::Deploy, Stage::Verify]
                .iter()
                .all(|stage| stages.contains(stage));
        if registers && !matches!(gates.tracking.uri, TrackingUri::Server(_)) {
            self.missing(
                "mlflow-tracking-uri",
                "`register-model` needs an MLflow server, http:// or https://",
            );
        }
    }

    /// Every rule; those that are none are findings, each at its line.
    fn rules(&mut self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        for (index, value) in self.inputs.gates.iter().enumerate() {
            for (line, text) in (0_u32..).zip(value.lines()) {
                let text = text.trim();
                if text.is_empty() || text.starts_with('#') {
                    continue;
                }
                let at = self.rule_place(index, line);
                match rules::parse(text) {
                    Ok((metric, test)) => rules.push(Rule {
                        metric,
                        test,
                        text: text.to_owned(),
                        at,
                    }),
                    Err(fault) => {
                        let message = format!("input `gates`: rule `{text}` {}", fault.why);
                        let finding = Diagnostic::error(Code::InputInvalid, message)
                            .help(format!("write it like `{}`", fault.example));
                        self.findings.push(finding.at(at));
                    }
                }
            }
        }
        rules
    }

    /// The line of a rule, when the rules come from a file.
    fn rule_place(&self, value: usize, line: u32) -> Option<Location> {
        let Some(Source::File(at, begins)) = self.sources.get("gates") else {
            return None;
        };
        Some(match begins.get(value) {
            Some(first) => Location::line(at.file.clone(), first + line),
            None => at.clone(),
        })
    }
}
