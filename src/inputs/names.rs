//! The names of inputs, as clap knows them, and the nearest one to a name that does not exist.

use std::collections::BTreeMap;

use clap::CommandFactory;

use super::cli::Cli;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};

/// The names that clap knows, with their aliases.
pub(super) struct Names {
    /// Name or alias → name.
    all: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn new() -> Self {
        let command = Cli::command();
        let mut all = BTreeMap::new();
        for arg in command
            .find_subcommand("run")
            .into_iter()
            .flat_map(clap::Command::get_arguments)
        {
            let Some(name) = arg.get_long() else { continue };
            all.insert(name.to_owned(), name.to_owned());
            for alias in arg.get_all_aliases().unwrap_or_default() {
                all.insert(alias.to_owned(), name.to_owned());
            }
        }
        all.remove("help");
        all.remove("version");
        Self { all }
    }

    pub(super) fn known(&self, name: &str) -> Option<String> {
        self.all.get(name).cloned()
    }

    pub(super) fn canonical(&self, name: &str) -> String {
        self.known(name).unwrap_or_else(|| name.to_owned())
    }

    /// The finding for a name that is not known, and the nearest one that is.
    pub(super) fn unknown(
        &self,
        name: &str,
        what: &str,
        at: Option<Location>,
    ) -> (Diagnostic, Option<String>) {
        let normal = name.replace('_', "-");
        let nearest = self.all.keys().max_by(|a, b| {
            let score = |known: &str| strsim::jaro_winkler(&normal, known);
            score(a).total_cmp(&score(b))
        });
        let finding =
            Diagnostic::error(Code::InputUnknown, format!("unknown {what} `{name}`")).at(at);
        match nearest.filter(|known| strsim::jaro_winkler(&normal, known) > 0.75) {
            Some(known) => (
                finding.help(format!(
                    "did you mean `{known}`? `ml-deploy run --help` lists all inputs"
                )),
                Some(self.canonical(known)),
            ),
            None => (finding, None),
        }
    }
}
