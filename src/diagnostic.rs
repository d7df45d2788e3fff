//! What we tell a person: a message with a code, a severity and, where one exists, a place in a file.
//! It knows how findings look as data, not how any reporter draws them.

use crate::code::Code;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// The run goes on, but somebody should look.
    Warning,
    /// The run cannot succeed.
    Error,
}

/// A place in a file of the workspace. Lines and columns count from 1; 0 never occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// Path relative to the workspace's root, with `/`, as annotations want it.
    pub(crate) file: String,
    /// First line.
    pub(crate) line: Option<u32>,
    /// Column in that line.
    pub(crate) column: Option<u32>,
}

impl Location {
    /// A whole file.
    pub(crate) fn file(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            column: None,
        }
    }

    /// A line of a file; `line` counts from 1, and 0 means unknown.
    pub(crate) fn line(file: impl Into<String>, line: u32) -> Self {
        Self {
            file: file.into(),
            line: (line > 0).then_some(line),
            column: None,
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        Ok(())
    }
}

/// One finding.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    pub(crate) severity: Severity,
    pub(crate) code: Code,
    /// What we tried, on what, and why it failed: lower case, no full stop, names in backticks.
    pub(crate) message: String,
    /// What to do next; when absent, reporters print the code's own help.
    pub(crate) help: Option<String>,
    pub(crate) at: Option<Location>,
    /// Evidence, one line each: log tails, events, lists of what was found. Untrusted text.
    pub(crate) evidence: Vec<String>,
}

impl Diagnostic {
    /// A finding that ends the run.
    pub(crate) fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message)
    }

    /// A finding that does not end the run.
    pub(crate) fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message)
    }

    fn new(severity: Severity, code: Code, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            message: message.into(),
            help: None,
            at: None,
            evidence: Vec::new(),
        }
    }

    /// Adds what to do next.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the place, if one is known.
    pub(crate) fn at(mut self, at: impl Into<Option<Location>>) -> Self {
        self.at = at.into();
        self
    }

    /// Adds lines that prove it.
    pub(crate) fn evidence(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(lines);
        self
    }

    /// The advice to print: its own, else the code's.
    pub(crate) fn advice(&self) -> &str {
        self.help.as_deref().unwrap_or_else(|| self.code.help())
    }
}
