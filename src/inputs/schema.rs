//! The contract as JSON: inputs, outputs and codes. Tests hold `action.yml` and the documentation equal to it.

use clap::CommandFactory;
use serde_json::{Value, json};

use super::cli::Cli;
use super::editor;
use super::flags::SECRET_INPUTS;
use crate::code::Code;
use crate::explain;
use crate::report::outputs;

/// Everything that `action.yml`, README and docs/ repeat. `rules` are those of rollouts.
pub(crate) fn json(rules: Value) -> String {
    let command = Cli::command();
    let run = command.find_subcommand("run").into_iter();
    let arguments: Vec<(&str, &clap::Arg)> = run
        .flat_map(clap::Command::get_arguments)
        .filter_map(|arg| Some((arg.get_long()?, arg)))
        .filter(|(name, _)| !matches!(*name, "help" | "version"))
        .collect();
    let inputs: Vec<Value> = arguments
        .iter()
        .map(|(name, arg)| {
            json!({
                "name": name,
                "default": arg.get_default_values().first().map(|value| value.to_string_lossy()),
                "help": arg.get_help().map(ToString::to_string),
                "group": arg.get_help_heading(),
                "aliases": arg.get_all_aliases().unwrap_or_default(),
                "secret": SECRET_INPUTS.contains(name),
            })
        })
        .collect();
    let file = editor::schema(arguments.iter().copied());
    let outputs: Vec<Value> = outputs::OUTPUTS
        .iter()
        .map(|output| json!({"name": output.name, "help": output.help}))
        .collect();
    let codes: Vec<Value> = Code::ALL
        .iter()
        .map(|code| json!({"code": code.slug(), "exit": code.exit(), "title": code.title(), "help": code.help(), "cause": explain::of(*code).cause, "example": explain::of(*code).example}))
        .collect();
    let contract =
        json!({"inputs": inputs, "outputs": outputs, "codes": codes, "rules": rules, "file": file});
    serde_json::to_string_pretty(&contract).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_as_a_secret_is_known_as_one() {
        let command = Cli::command();
        let run = command.find_subcommand("run").unwrap();
        let names = run.get_arguments().filter(|arg| {
            let names = arg.get_value_names().unwrap_or_default();
            names.iter().any(|name| name.starts_with("SECRET"))
        });
        let mut names: Vec<&str> = names.filter_map(clap::Arg::get_long).collect();
        let mut known = SECRET_INPUTS.to_vec();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
    }
}
