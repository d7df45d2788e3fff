//! Puts the layers together: flag > non-empty `INPUT_*` > `ml-deploy.yml` > default. All problems are found at once.
//! It knows names and where a value came from, not what values mean.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{self, Contents};
use super::names::Names;
use super::pages;
use super::parsed::{Parsed, Source, Sources};
use super::typed::{Found, flag_name, typed};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Location};

/// Names that a workflow may set beside our inputs: the runner's own keys of `with:`.
const RUNNER_KEYS: &[&str] = &["entrypoint", "args"];

/// Reads all layers. `args` without the program's name; `env` is the process environment; `read` reads a file's text.
pub(crate) fn parse(
    args: &[String],
    env: &[(String, String)],
    read: impl Fn(&str) -> std::io::Result<String>,
) -> Parsed {
    if let Some(answer) = pages::asked(args) {
        return answer;
    }
    let names = Names::new();
    let mut found = Found::default();
    let given: BTreeSet<String> = args
        .iter()
        .filter_map(|arg| flag_name(arg))
        .map(|name| names.canonical(name))
        .collect();
    let mut layered: BTreeMap<String, (Source, Vec<String>)> = BTreeMap::new();

    let path = config_path(args, env);
    let contents = config(&path, &read, &mut found.findings);
    let readable = contents.is_some();
    let contents = contents.unwrap_or_default();
    found.unusable.extend(contents.unusable);
    for entry in contents.entries {
        let location = Location::line(path.0.clone(), entry.line);
        let unset = entry.values.iter().all(String::is_empty);
        match names.known(&entry.name) {
            // `namespace:` without a value is not the namespace "".
            Some(_) if unset => {}
            Some(name) => {
                let source = Source::File(location, entry.begins);
                layered.insert(name, (source, entry.values));
            }
            None => found.unknown(names.unknown(&entry.name, "key", Some(location))),
        }
    }
    // Elsewhere a variable of that kind may be anybody's.
    let on_github = env.iter().any(|(name, _)| name == "GITHUB_ACTIONS");
    for (variable, value) in env {
        let Some(name) = variable.strip_prefix("INPUT_").map(input_name) else {
            continue;
        };
        if value.trim().is_empty() || RUNNER_KEYS.contains(&name.as_str()) {
            continue;
        }
        match names.known(&name) {
            Some(name) => drop(layered.insert(name, (Source::Input, vec![value.clone()]))),
            None if on_github => found.unknown(names.unknown(&name, "input", None)),
            None => {}
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
                .map(|value| format!("--{name}={}", pasted(value))),
        );
        sources.insert(name, source);
    }
    argv.extend(args.iter().skip(1).cloned());
    match typed(argv, &sources, &names, &mut found) {
        Ok(cli) if readable => {
            let unusable = found.unusable.into_iter();
            sources.extend(unusable.map(|name| (name, Source::Unusable)));
            Parsed::Run {
                cli: Box::new(cli),
                sources,
                findings: found.findings,
            }
        }
        // Without the file everything that stands in it would be missing.
        Ok(_) => Parsed::Invalid(found.findings),
        Err(Some(text)) => Parsed::Text(text),
        Err(None) => Parsed::Invalid(found.findings),
    }
}

/// A value without the blanks that pasting left around it. The first line of several keeps its own: it may be YAML.
fn pasted(value: &str) -> &str {
    let value = value.trim_end();
    if value.contains('\n') {
        value
    } else {
        value.trim_start()
    }
}

/// The input that `INPUT_…` names. The runner keeps hyphens, which no shell can export: there `_` stands for them.
pub(crate) fn input_name(variable: &str) -> String {
    variable.to_lowercase().replace('_', "-")
}

/// Path of the configuration file, and whether it was asked for.
fn config_path(args: &[String], env: &[(String, String)]) -> (String, bool) {
    let early = |name: &str| early_value(name, args, env);
    let folder = early("working-directory").unwrap_or_else(|| ".".to_owned());
    let asked = early("config");
    let name = asked.clone().unwrap_or_else(|| "ml-deploy.yml".to_owned());
    let path = if folder == "." || name.starts_with('/') {
        name
    } else {
        format!("{}/{name}", folder.trim_end_matches('/'))
    };
    (path, asked.is_some())
}

/// What the configuration file holds; one that was not asked for need not exist. `None` when it could not be read.
fn config(
    (path, asked): &(String, bool),
    read: &impl Fn(&str) -> std::io::Result<String>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Contents> {
    match read(path) {
        Ok(text) => file::read(&text, path, findings),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !asked => {
            Some(Contents::default())
        }
        Err(error) => {
            findings.push(Diagnostic::error(
                Code::ConfigInvalid,
                format!("failed to read `{path}`: {error}"),
            ));
            None
        }
    }
}

/// A value that is needed before the layers can be read, or although they cannot: from the flags or the environment.
pub(crate) fn early_value(name: &str, args: &[String], env: &[(String, String)]) -> Option<String> {
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
            Parsed::Run { cli, .. } => cli.command.inputs().unwrap().image.clone(),
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
    fn blanks_around_a_value_are_nobodys() {
        let given = |value| image(&run(&["run"], &[("INPUT_IMAGE", value)], None));
        assert_eq!(given(" ghcr.io/o/n \r\n").as_deref(), Some("ghcr.io/o/n"));
        assert_eq!(given(" \n"), None);
        assert_eq!(pasted("  a: 1\n  b: 2\n"), "  a: 1\n  b: 2");
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
        assert_eq!(
            cli.command.inputs().unwrap().manifests,
            ["k8s/a.yaml\nk8s/b.yaml"]
        );
    }

    const GITHUB: (&str, &str) = ("GITHUB_ACTIONS", "true");

    #[test]
    fn all_problems_are_found_at_once_and_name_the_nearest() {
        let parsed = run(
            &["run", "--imge", "x", "--port=0"],
            &[GITHUB, ("INPUT_NAMSPACE", "x"), ("INPUT_REUSE", "maybe")],
            Some("trian: python a.py\ndeploy-timeout: 5\nports: {a: b}\ntarget: none\n"),
        );
        let Parsed::Run {
            cli,
            sources,
            findings,
        } = parsed
        else {
            panic!("{parsed:?}")
        };
        // What can be used is, to find what else is wrong; what cannot is not missing.
        assert_eq!(
            cli.command.inputs().unwrap().target.as_deref(),
            Some("none")
        );
        for name in ["image", "namespace", "train", "reuse", "ports"] {
            assert_eq!(sources.get(name), Some(&Source::Unusable), "{name}");
        }
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
            "`ports`",
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
        let Parsed::Run { findings, .. } = parsed else {
            panic!("{parsed:?}")
        };
        assert_eq!(findings.len(), 1);
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
        let inputs = cli.command.inputs().unwrap();
        assert_eq!(inputs.working_directory, "sub");
        assert_eq!((&inputs.namespace, &inputs.target), (&None, &None));
    }

    #[test]
    fn names_of_others_are_no_mistake() {
        let findings = |env: &[(&str, &str)]| match run(&["run"], env, None) {
            Parsed::Run { findings, .. } => findings.len(),
            other => panic!("{other:?}"),
        };
        // The runner's own keys; and anybody's, where no runner sets ours.
        assert_eq!(findings(&[GITHUB, ("INPUT_ARGS", "x")]), 0);
        assert_eq!(findings(&[("INPUT_SOMEBODYS", "x")]), 0);
        assert_eq!(findings(&[GITHUB, ("INPUT_SOMEBODYS", "x")]), 1);
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_nothing_to_judge() {
        let parsed = run(&["run"], &[], Some("image: a\n\tb: 1\n"));
        assert!(
            matches!(&parsed, Parsed::Invalid(found) if found.len() == 1),
            "{parsed:?}"
        );
    }
}
