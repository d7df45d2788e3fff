//! Puts the layers together: flag > non-empty `INPUT_*` > `ml-deploy.yml` > default. All problems are found at once.
//! It knows names and where a value came from, not what values mean.

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::cli::Cli;
use super::file::{self, Entry};
use super::flags::SECRET_INPUTS;
use super::names::Names;
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};
use crate::report::Format;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Input,
    /// The value's place, and the line in which the text of each of its parts begins.
    File(Location, Vec<u32>),
}

/// Where each input that was set came from, by name.
pub(crate) type Sources = BTreeMap<String, Source>;

/// What the command line came to.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Go on.
    Run { cli: Box<Cli>, sources: Sources },
    /// `--help`, `--version`, or a wrong subcommand: clap's own text.
    Text(Box<clap::Error>),
    /// Problems with inputs, and the log's form as far as it was understood.
    Invalid(Vec<Diagnostic>, Format),
}

/// Names that a workflow may set beside our inputs: the runner's own keys of `with:`.
const RUNNER_KEYS: &[&str] = &["entrypoint", "args"];

/// Reads all layers. `args` without the program's name; `env` is the process environment; `read` reads a file's text.
pub(crate) fn parse(
    args: &[String],
    env: &[(String, String)],
    read: impl Fn(&str) -> std::io::Result<String>,
) -> Parsed {
    let names = Names::new();
    let mut findings = Vec::new();
    let given: BTreeSet<String> = args
        .iter()
        .filter_map(|arg| flag_name(arg))
        .map(|name| names.canonical(name))
        .collect();
    let mut layered: BTreeMap<String, (Source, Vec<String>)> = BTreeMap::new();

    for (location, entry) in config_entries(args, env, &read, &mut findings) {
        let unset = entry.values.iter().all(String::is_empty);
        match names.known(&entry.name) {
            // `namespace:` without a value is not the namespace "".
            Some(_) if unset => {}
            Some(name) => {
                let source = Source::File(location, entry.begins);
                layered.insert(name, (source, entry.values));
            }
            None => findings.push(names.unknown(&entry.name, "key", Some(location))),
        }
    }
    for (variable, value) in env {
        let Some(name) = variable.strip_prefix("INPUT_").map(input_name) else {
            continue;
        };
        if value.is_empty() || RUNNER_KEYS.contains(&name.as_str()) {
            continue;
        }
        match names.known(&name) {
            Some(name) => drop(layered.insert(name, (Source::Input, vec![value.clone()]))),
            None => findings.push(names.unknown(&name, "input", None)),
        }
    }
    layered.retain(|name, _| !given.contains(name));

    let mut sources: Sources = given.into_iter().map(|name| (name, Source::Flag)).collect();
    let mut argv = vec!["ml-deploy".to_owned()];
    argv.extend(args.first().cloned());
    for (name, (source, values)) in layered {
        argv.extend(
            values
                .iter()
                .map(|value| format!("--{name}={}", value.trim_end_matches('\n'))),
        );
        sources.insert(name, source);
    }
    argv.extend(args.iter().skip(1).cloned());
    typed(argv, sources, &names, findings)
}

/// The input that `INPUT_…` names. The runner keeps hyphens, which no shell can export: there `_` stands for them.
pub(crate) fn input_name(variable: &str) -> String {
    variable.to_lowercase().replace('_', "-")
}

/// Lets clap give every value its type; a value that does not fit is noted, taken out, and the rest is tried again.
fn typed(
    mut argv: Vec<String>,
    sources: Sources,
    names: &Names,
    mut findings: Vec<Diagnostic>,
) -> Parsed {
    loop {
        let error = match Cli::try_parse_from(&argv) {
            Ok(cli) if findings.is_empty() => {
                return Parsed::Run {
                    cli: Box::new(cli),
                    sources,
                };
            }
            Ok(cli) => return Parsed::Invalid(findings, cli.command.inputs().format),
            Err(error) => error,
        };
        let culprit = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(text)) => {
                flag_name(text.split([' ', '=', '[']).next().unwrap_or_default()).map(str::to_owned)
            }
            _ => None,
        };
        let Some(name) = culprit else {
            return Parsed::Text(Box::new(error));
        };
        let finding = match error.kind() {
            ErrorKind::UnknownArgument => names.unknown(&name, "flag", None),
            ErrorKind::InvalidValue
            | ErrorKind::ValueValidation
            | ErrorKind::NoEquals
            | ErrorKind::TooManyValues => invalid_value(&name, &error, sources.get(&name)),
            _ => return Parsed::Text(Box::new(error)),
        };
        findings.push(finding);
        let before = argv.len();
        remove_flag(&mut argv, &name);
        if argv.len() == before {
            return Parsed::Invalid(findings, Format::default());
        }
    }
}

/// Takes out every `--name=value` and `--name value`.
fn remove_flag(argv: &mut Vec<String>, name: &str) {
    let mut kept = Vec::with_capacity(argv.len());
    let mut rest = std::mem::take(argv).into_iter().peekable();
    while let Some(arg) = rest.next() {
        if flag_name(&arg) != Some(name) {
            kept.push(arg);
        } else if !arg.contains('=') {
            rest.next_if(|value| !value.starts_with("--"));
        }
    }
    *argv = kept;
}

fn invalid_value(name: &str, error: &clap::Error, source: Option<&Source>) -> Diagnostic {
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    let reason = std::error::Error::source(error)
        .map_or_else(|| "no value given".to_owned(), ToString::to_string);
    let shown = if SECRET_INPUTS.contains(&name) {
        "its value".to_owned()
    } else {
        format!("`{value}`")
    };
    let at = match source {
        Some(Source::File(location, _)) => Some(location.clone()),
        _ => None,
    };
    Diagnostic::error(
        Code::InputInvalid,
        format!("input `{name}`: {shown} cannot be used: {reason}"),
    )
    .at(at)
}

/// The entries of the configuration file, each with its place. A file that was not asked for need not exist.
fn config_entries(
    args: &[String],
    env: &[(String, String)],
    read: &impl Fn(&str) -> std::io::Result<String>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<(Location, Entry)> {
    let early = |name: &str| early_value(name, args, env);
    let folder = early("working-directory").unwrap_or_else(|| ".".to_owned());
    let asked = early("config");
    let name = asked.clone().unwrap_or_else(|| "ml-deploy.yml".to_owned());
    let path = if folder == "." || name.starts_with('/') {
        name
    } else {
        format!("{}/{name}", folder.trim_end_matches('/'))
    };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && asked.is_none() => {
            return Vec::new();
        }
        Err(error) => {
            findings.push(Diagnostic::error(
                Code::ConfigInvalid,
                format!("failed to read `{path}`: {error}"),
            ));
            return Vec::new();
        }
    };
    file::read(&text, &path, findings)
        .into_iter()
        .map(|entry| (Location::line(path.clone(), entry.line), entry))
        .collect()
}

/// A value that is needed before the layers can be read: from the flags or the environment.
fn early_value(name: &str, args: &[String], env: &[(String, String)]) -> Option<String> {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if flag_name(arg) == Some(name) {
            return arg
                .split_once('=')
                .map(|(_, value)| value.to_owned())
                .or_else(|| rest.next().cloned());
        }
    }
    env.iter()
        .find(|(key, value)| {
            let input = key.strip_prefix("INPUT_").map(input_name);
            input.as_deref() == Some(name) && !value.is_empty()
        })
        .map(|(_, value)| value.clone())
}

/// `--name` or `--name=value` → `name`.
fn flag_name(arg: &str) -> Option<&str> {
    let name = arg.strip_prefix("--")?;
    let name = name.split('=').next().unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    fn run(args: &[&str], env: &[(&str, &str)], file: Option<&str>) -> Parsed {
        let env: Vec<_> = env
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        parse(&strings(args), &env, |_| {
            file.map(str::to_owned)
                .ok_or_else(|| std::io::ErrorKind::NotFound.into())
        })
    }

    fn image(parsed: &Parsed) -> Option<String> {
        match parsed {
            Parsed::Run { cli, .. } => cli.command.inputs().image.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_flag_beats_an_input_beats_the_file() {
        let file = Some("image: from/file\n");
        assert_eq!(
            image(&run(&["run"], &[], file)).as_deref(),
            Some("from/file")
        );
        assert_eq!(
            image(&run(&["run"], &[("INPUT_IMAGE", "from/input")], file)).as_deref(),
            Some("from/input")
        );
        assert_eq!(
            image(&run(&["run"], &[("INPUT_IMAGE", "")], file)).as_deref(),
            Some("from/file")
        );
        let parsed = run(
            &["run", "--image", "from/flag"],
            &[("INPUT_IMAGE", "from/input")],
            file,
        );
        assert_eq!(image(&parsed).as_deref(), Some("from/flag"));
    }

    #[test]
    fn an_alias_is_the_same_input() {
        let parsed = run(
            &["run", "--image-name=from/flag"],
            &[("INPUT_IMAGE", "from/input")],
            None,
        );
        assert_eq!(image(&parsed).as_deref(), Some("from/flag"));
        let parsed = run(
            &["run"],
            &[("INPUT_DEPLOYMENT-FILE", "k8s/a.yaml\nk8s/b.yaml")],
            None,
        );
        let Parsed::Run { cli, .. } = parsed else {
            panic!("{parsed:?}")
        };
        assert_eq!(cli.command.inputs().manifests, ["k8s/a.yaml\nk8s/b.yaml"]);
    }

    #[test]
    fn all_problems_are_found_at_once_and_name_the_nearest() {
        let parsed = run(
            &["run", "--imge", "x", "--port=0"],
            &[("INPUT_NAMSPACE", "x"), ("INPUT_REUSE", "maybe")],
            Some("trian: python a.py\ndeploy-timeout: 5\n"),
        );
        let Parsed::Invalid(findings, _) = parsed else {
            panic!("{parsed:?}")
        };
        let text: Vec<String> = findings
            .iter()
            .map(|f| format!("{} {}", f.message, f.advice()))
            .collect();
        let text = text.join("\n");
        for wanted in [
            "`imge`",
            "`image`",
            "`namspace`",
            "`namespace`",
            "`trian`",
            "`train`",
            "`reuse`",
            "`port`",
            "`deploy-timeout`",
        ] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
        let trian = findings
            .iter()
            .find(|f| f.message.contains("trian"))
            .unwrap();
        assert_eq!(trian.at, Some(Location::line("ml-deploy.yml", 1)));
        let timeout = findings
            .iter()
            .find(|f| f.message.contains("deploy-timeout"))
            .unwrap();
        assert_eq!(timeout.at, Some(Location::line("ml-deploy.yml", 2)));
    }

    #[test]
    fn a_secret_is_not_shown_when_it_cannot_be_used() {
        let parsed = run(
            &["run"],
            &[
                ("INPUT_PORT", "secret-ish"),
                ("INPUT_REGISTRY-PASSWORD", "hunter22"),
            ],
            None,
        );
        let Parsed::Invalid(findings, _) = parsed else {
            panic!("{parsed:?}")
        };
        let shown = |finding: &Diagnostic| finding.message.contains("hunter22");
        assert!(!findings.iter().any(shown));
    }

    #[test]
    fn hyphens_may_be_underscores_and_a_key_without_value_is_not_set() {
        let parsed = run(
            &["run"],
            &[
                ("INPUT_WORKING_DIRECTORY", "sub"),
                ("INPUT_IMAGE_NAME", "from/input"),
            ],
            Some("namespace:\ntarget: ''\n"),
        );
        assert_eq!(image(&parsed).as_deref(), Some("from/input"));
        let Parsed::Run { cli, .. } = parsed else {
            panic!("{parsed:?}")
        };
        let inputs = cli.command.inputs();
        assert_eq!(inputs.working_directory, "sub");
        assert_eq!((&inputs.namespace, &inputs.target), (&None, &None));
    }

    #[test]
    fn the_runners_own_keys_are_no_mistake() {
        assert!(matches!(
            run(&["run"], &[("INPUT_ARGS", "x")], None),
            Parsed::Run { .. }
        ));
    }
}
