//! Findings about inputs: what is wrong with one, at the place where it was written, and what to do about it there.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};
use crate::host::Kind;
use crate::inputs::parsed::Source;

use super::Resolver;

impl Resolver<'_> {
    pub(super) fn invalid(&mut self, name: &str, why: impl std::fmt::Display) {
        let finding = Diagnostic::error(Code::InputInvalid, format!("input `{name}` {why}"));
        self.findings.push(finding.at(self.place(name)));
    }

    /// Two inputs that exclude each other; `why` says what only one of them can do.
    pub(super) fn both(&mut self, name: &str, other: &str, why: &str) {
        let message = format!("inputs `{name}` and `{other}` are both set, and {why}");
        let finding = Diagnostic::error(Code::InputInvalid, message)
            .at(self.place(name))
            .help("leave one of them out");
        self.findings.push(finding);
    }

    pub(super) fn missing(&mut self, name: &str, why: &str) {
        if self.sources.get(name) == Some(&Source::Unusable) {
            return;
        }
        let help = match self.host.kind {
            _ if self.host.without_secrets => {
                "set the input; if it is a secret: this run comes from a fork or from Dependabot, where every secret is empty"
                    .to_owned()
            }
            Kind::GitHub => {
                "set the input; a secret or a variable that has no value under its name is empty"
                    .to_owned()
            }
            Kind::GitLab | Kind::Jenkins => format!(
                "set it in ml-deploy.yml, or as the variable `INPUT_{}`; a variable that is protected or misspelt is empty",
                name.to_uppercase().replace('-', "_")
            ),
            Kind::Terminal => format!("give `--{name}`, or set `{name}` in ml-deploy.yml"),
        };
        let message = format!("input `{name}` is not set: {why}");
        let finding = Diagnostic::error(Code::InputMissing, message).help(help);
        self.findings.push(finding);
    }

    pub(super) fn place(&self, name: &str) -> Option<Location> {
        match self.sources.get(name) {
            Some(Source::File(at, _)) => Some(at.clone()),
            _ => None,
        }
    }
}
