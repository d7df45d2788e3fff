//! What people paste from the documents works: workflows pass actionlint with the inputs and outputs of `action.yml`, settings have
//! keys that exist, and commands flags that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::contract::schema;
use crate::documents::documents;
use crate::support::{bed, checkout};

/// A block of code of a document.
struct Block {
    /// `docs/aws.md:6`, the line where it opens.
    place: String,
    language: String,
    /// Without the indentation of its fence.
    text: String,
}

fn blocks(page: &Path) -> Vec<Block> {
    let root = checkout().canonicalize().unwrap();
    let name = page.canonicalize().unwrap();
    let name = name.strip_prefix(root).unwrap().display().to_string();
    let (mut found, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (at, line) in std::fs::read_to_string(page).unwrap().lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => {
                let place = format!("{name}:{}", at + 1);
                let (language, text) = (language.to_owned(), String::new());
                open = Some(Block {
                    place,
                    language,
                    text,
                });
            }
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{name} has a block that does not end");
    found
}

/// The block as a whole workflow that uses the action of this checkout; `None` for what is no part of a workflow.
fn workflow(text: &str) -> Option<String> {
    let text = text.replace("org/ml-deploy-action@v1", "./");
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    let indented = |depth: usize| {
        let first = text.lines().next().unwrap_or_default();
        let there = first.len() - first.trim_start().len();
        let lines = text.lines().map(|line| {
            let line = line.get(there..).unwrap_or_default();
            format!("{:depth$}{line}\n", "")
        });
        lines.collect::<String>()
    };
    let job = "jobs:\n  pasted:\n    runs-on: ubuntu-latest\n    steps:\n";
    let begins = |with: &str| text.trim_start().starts_with(with);
    let body = if has("jobs:") {
        text
    } else if begins("- uses:") {
        format!("{job}{}", indented(6))
    } else if begins("with:") {
        format!("{job}      - uses: ./\n{}", indented(8))
    } else {
        return None;
    };
    let told = body.lines().any(|line| line.starts_with("on:"));
    let on = if told { "" } else { "on: push\n" };
    Some(format!("{on}{body}"))
}

/// What actionlint says of workflows by name, beside our `action.yml`.
fn linted(workflows: &BTreeMap<String, String>) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir(root.join(".git")).unwrap();
    std::fs::create_dir_all(root.join(".github/workflows")).unwrap();
    std::fs::copy(checkout().join("action.yml"), root.join("action.yml")).unwrap();
    for (place, text) in workflows {
        let file = format!("{}.yml", place.replace(['/', ':'], "-"));
        std::fs::write(root.join(".github/workflows").join(file), text).unwrap();
    }
    let mut command = Command::new(bed("ACTIONLINT"));
    // Files that the action's image is made of are not here.
    command
        .args(["-ignore", "^file .* does not exist in"])
        .current_dir(root);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn yaml() -> Vec<Block> {
    let mut found: Vec<_> = documents().iter().flat_map(|page| blocks(page)).collect();
    found.retain(|block| block.language == "yaml");
    found
}

#[test]
fn workflows_pass_actionlint_with_the_inputs_of_this_action() {
    let blocks = yaml();
    let workflows = blocks
        .iter()
        .filter_map(|block| Some((block.place.clone(), workflow(&block.text)?)));
    let workflows: BTreeMap<_, _> = workflows.collect();
    assert!(workflows.len() >= 10, "{:?}", workflows.keys());
    let (clean, said) = linted(&workflows);
    assert!(clean, "{said}");

    let misspelt = "with:\n  mainfests: k8s\n";
    let misspelt = BTreeMap::from([("here:1".to_owned(), workflow(misspelt).unwrap())]);
    let (_, said) = linted(&misspelt);
    assert!(said.contains("\"mainfests\" is not defined"), "{said}");
}

/// Names of all inputs, with their other names.
fn inputs() -> BTreeSet<String> {
    let schema = schema();
    let inputs = schema["inputs"].as_array().unwrap().iter();
    let names = inputs.flat_map(|input| {
        let aliases = input["aliases"].as_array().into_iter().flatten();
        [&input["name"]].into_iter().chain(aliases.clone())
    });
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn settings_have_keys_that_exist() {
    let inputs = inputs();
    let mut seen = 0;
    for block in yaml() {
        let keys = block.text.lines().filter(|line| {
            let first = line.chars().next();
            first.is_some_and(|first| first.is_ascii_alphabetic())
        });
        let keys = keys.filter_map(|line| line.split_once(':'));
        let keys: Vec<_> = keys.map(|(key, _)| key).collect();
        // A block with one key of ours is settings, and then all of them must be.
        if keys.iter().any(|key| inputs.contains(*key)) {
            seen += 1;
            let unknown = keys.iter().find(|key| !inputs.contains(**key));
            assert_eq!(unknown, None, "{}", block.place);
        }
    }
    assert!(seen >= 4, "only {seen} blocks of settings were found");
}

/// What a subcommand's help names, such as `--image`.
fn help(subcommand: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_ml-deploy"))
        .args([subcommand, "--help"])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "no subcommand `{subcommand}`");
    let text = String::from_utf8(output.stdout).unwrap();
    flags(&text).collect()
}

fn flags(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let flags = words.filter(|word| word.starts_with("--") && word.len() > 2);
    flags.map(str::to_owned)
}

#[test]
fn commands_have_flags_that_exist() {
    let mut known = BTreeMap::new();
    let mut seen = 0;
    for block in documents().iter().flat_map(|page| blocks(page)) {
        let text = block.text.replace("\\\n", " ");
        for line in text.lines() {
            let Some((_, command)) = line.split_once("ml-deploy ") else {
                continue;
            };
            let command = command
                .split([';', '#', '|', '>'])
                .next()
                .unwrap_or_default();
            let subcommand = command.split_whitespace().next().unwrap_or_default();
            let named = subcommand.chars().all(|c| c.is_ascii_lowercase());
            if !named || subcommand.is_empty() || !line.trim_start().starts_with(['m', '-', '$']) {
                continue;
            }
            let help = known
                .entry(subcommand.to_owned())
                .or_insert_with(|| help(subcommand));
            for flag in flags(command) {
                seen += 1;
                assert!(help.contains(&flag), "{}: {line}", block.place);
            }
        }
    }
    assert!(seen >= 15, "only {seen} flags were found");
}
