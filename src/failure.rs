//! The only error type that crosses a module's border: diagnostics that end the run.
//! Inside a module `anyhow` tells the story; at the point where its meaning is known it becomes a `Failure`.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};

/// One or more findings that end the run. There is always at least one; the first decides the exit status.
#[derive(Debug)]
pub(crate) struct Failure {
    first: Box<Diagnostic>,
    rest: Vec<Diagnostic>,
}

/// The result of everything that can end the run.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure with one finding.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Diagnostic::error(code, message).into()
    }

    /// All findings as one failure; `None` when there are none.
    pub(crate) fn all(findings: Vec<Diagnostic>) -> Option<Self> {
        let mut findings = findings.into_iter();
        let first = Box::new(findings.next()?);
        Some(Self {
            first,
            rest: findings.collect(),
        })
    }

    /// The code of the first finding, which decides the exit status.
    pub(crate) fn code(&self) -> Code {
        self.first.code
    }

    /// The findings, most important first.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Diagnostic> {
        std::iter::once(&*self.first).chain(&self.rest)
    }

    /// The findings, to be kept.
    pub(crate) fn into_findings(self) -> Vec<Diagnostic> {
        let mut all = vec![*self.first];
        all.extend(self.rest);
        all
    }

    /// The message of the first finding.
    pub(crate) fn message(&self) -> &str {
        &self.first.message
    }

    /// The same with a graver finding before all others.
    pub(crate) fn led_by(self, graver: Diagnostic) -> Self {
        Self {
            first: Box::new(graver),
            rest: self.into_findings(),
        }
    }

    /// Adds the place to the first finding, unless it has one.
    pub(crate) fn at(mut self, at: impl Into<Option<Location>>) -> Self {
        if self.first.at.is_none() {
            self.first.at = at.into();
        }
        self
    }

    /// Replaces the advice of the first finding.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.first.help = Some(help.into());
        self
    }

    /// Adds to the message of the first finding what was done about it.
    pub(crate) fn also(mut self, text: impl AsRef<str>) -> Self {
        self.first.message.push_str(text.as_ref());
        self
    }

    /// Adds evidence to the first finding.
    pub(crate) fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.first.evidence.extend(lines);
        self
    }
}

impl From<Diagnostic> for Failure {
    fn from(first: Diagnostic) -> Self {
        Self {
            first: Box::new(first),
            rest: Vec::new(),
        }
    }
}

/// Gives an error of any kind its code.
pub(crate) trait Fail<T> {
    /// Turns the error into a failure; the message is the error's whole chain, outermost first.
    fn fail(self, code: Code) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> Fail<T> for Result<T, E> {
    fn fail(self, code: Code) -> Outcome<T> {
        self.map_err(|error| Failure::new(code, chain(&error.into())))
    }
}

/// An error and its causes in one line: `outer: inner: root`, each cause once.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_one_line_and_repeats_nothing() {
        let error = anyhow::anyhow!("connection refused")
            .context("connection refused")
            .context("failed to ask `x`");
        assert_eq!(chain(&error), "failed to ask `x`: connection refused");
    }

    #[test]
    fn the_first_finding_decides() {
        let findings = vec![
            Diagnostic::error(Code::RegistryDenied, "a"),
            Diagnostic::error(Code::EngineDenied, "b"),
        ];
        let failure = Failure::all(findings).unwrap();
        assert_eq!(failure.code(), Code::RegistryDenied);
        assert_eq!(failure.findings().count(), 2);
        assert!(Failure::all(Vec::new()).is_none());
    }
}
