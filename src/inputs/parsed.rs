//! What reading the inputs comes to, and where each value came from. Data only.

use std::collections::BTreeMap;

use super::cli::Cli;
use crate::diagnostic::{Diagnostic, Location};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Input,
    /// The value's place, and the line in which the text of each of its parts begins.
    File(Location, Vec<u32>),
    /// It was given, but not so that it can be used: that is a finding already, and the input is not missing.
    Unusable,
}

/// Where each input that was set came from, by name.
pub(crate) type Sources = BTreeMap<String, Source>;

/// What the command line came to.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// What could be read of it. With findings nothing may run, but what else is wrong can be found.
    Run {
        cli: Box<Cli>,
        sources: Sources,
        findings: Vec<Diagnostic>,
    },
    /// `--help`, `--version`, or a wrong subcommand: clap's own text.
    Text(Box<clap::Error>),
    /// An answer from the program itself.
    Page(String),
    /// Problems with inputs that leave nothing to go on with.
    Invalid(Vec<Diagnostic>),
}
