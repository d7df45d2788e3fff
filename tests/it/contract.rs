//! One contract in four places: the program's inputs, outputs and codes are those of `action.yml`, of the README and of
//! docs/codes.md. With `UPDATE_CONTRACT=1` the parts between the markers are written anew instead of compared.

use std::process::Command;

use serde_json::Value;

use crate::support::checkout;

/// What the program says of itself.
pub(crate) fn schema() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ml-deploy"))
        .arg("schema")
        .env_clear()
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// What an input's description says; the default is part of it. `default:` in `action.yml` would be sent by the runner as if the
/// user had set it, and win over `ml-deploy.yml`.
fn description(input: &Value) -> String {
    let help = text(input, "help").replace("Default: ", "By default ");
    match input["default"].as_str() {
        Some(default) => format!("{help}. Default: {default}"),
        None => help,
    }
}

/// What the runner alone can fill in, and no file of the repository should.
const RUNNER_DEFAULTS: &[(&str, &str)] = &[("github-token", "${{ github.token }}")];

/// `inputs:` of `action.yml`; a JSON string is a YAML string too.
fn action_inputs(schema: &Value) -> String {
    let mut yaml = String::from("inputs:\n");
    for input in list(schema, "inputs") {
        let name = text(input, "name");
        let description = Value::from(description(input));
        yaml += &format!("  {name}:\n    description: {description}\n");
        for (_, default) in RUNNER_DEFAULTS.iter().filter(|(known, _)| *known == name) {
            yaml += &format!("    default: {default}\n");
        }
        for alias in list(input, "aliases") {
            let alias = alias.as_str().unwrap();
            yaml += &format!("  {alias}:\n    description: \"Another name for {name}\"\n");
        }
    }
    yaml
}

/// `outputs:` of `action.yml`; a container action sets values itself.
fn action_outputs(schema: &Value) -> String {
    let mut yaml = String::from("outputs:\n");
    for output in list(schema, "outputs") {
        let help = Value::from(text(output, "help"));
        yaml += &format!("  {}:\n    description: {help}\n", text(output, "name"));
    }
    yaml
}

/// Text as a table's cell shows it; what stands between backticks is shown as it is, but for the table's own mark.
fn cell(text: &str) -> String {
    let text = text.replace('|', "\\|");
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(number, part)| match number % 2 {
        0 => part.replace('<', "&lt;").replace('*', "\\*"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

fn inputs_table(schema: &Value) -> String {
    let mut table = String::new();
    let mut group = "";
    for input in list(schema, "inputs") {
        if text(input, "group") != group {
            group = text(input, "group");
            table +=
                &format!("\n**{group}**\n\n| Input | Meaning | Default |\n| --- | --- | --- |\n");
        }
        let aliases: String = list(input, "aliases")
            .iter()
            .map(|alias| format!(", also `{}`", alias.as_str().unwrap()))
            .collect();
        let default = input["default"]
            .as_str()
            .map_or(String::new(), |default| format!("`{default}`"));
        let secret = if input["secret"] == true {
            " (secret)"
        } else {
            ""
        };
        let help = cell(text(input, "help"));
        table += &format!(
            "| `{}`{aliases} | {help}{secret} | {default} |\n",
            text(input, "name")
        );
    }
    table + "\n"
}

fn outputs_table(schema: &Value) -> String {
    let mut table = String::from("\n| Output | Meaning |\n| --- | --- |\n");
    for output in list(schema, "outputs") {
        table += &format!(
            "| `{}` | {} |\n",
            text(output, "name"),
            cell(text(output, "help"))
        );
    }
    table + "\n"
}

fn codes_table(schema: &Value) -> String {
    let mut table =
        String::from("\n| Code | Exit | Meaning | What to do |\n| --- | --- | --- | --- |\n");
    for code in list(schema, "codes") {
        table += &format!(
            "| `{}` | {} | {} | {} |\n",
            text(code, "code"),
            code["exit"],
            cell(text(code, "title")),
            cell(text(code, "help"))
        );
    }
    table + "\n"
}

/// What `ml-deploy explain CODE` says, as sections that a link can name.
fn explanations(schema: &Value) -> String {
    let codes = list(schema, "codes").iter();
    codes
        .map(|code| {
            format!(
                "\n## {}\n\n{}\n\n```text\n{}\n```\n\n{}.\n",
                text(code, "code"),
                text(code, "cause"),
                text(code, "example").replace("\n    ", "\n"),
                capital(text(code, "help"))
            )
        })
        .collect()
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

fn rules_table(schema: &Value) -> String {
    let mut table =
        String::from("\n| Code | What is seen | Verdict | On |\n| --- | --- | --- | --- |\n");
    for rule in list(schema, "rules") {
        table += &format!(
            "| `{}` | {} | {} | {} |\n",
            text(rule, "code"),
            cell(text(rule, "seen")),
            text(rule, "patience"),
            text(rule, "pods")
        );
    }
    table + "\n"
}

/// Compares, or writes, what stands between `START` and `END` in the file.
fn hold(file: &str, start: &str, end: &str, expected: &str) {
    let path = checkout().join(file);
    let whole = std::fs::read_to_string(&path).unwrap();
    let from = whole
        .find(start)
        .unwrap_or_else(|| panic!("no `{start}` in {file}"))
        + start.len();
    let to = from
        + whole[from..]
            .find(end)
            .unwrap_or_else(|| panic!("no `{end}` in {file}"));
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write(
            &path,
            format!("{}{expected}{}", &whole[..from], &whole[to..]),
        )
        .unwrap();
    } else if whole[from..to] != *expected {
        let differs = whole[from..to]
            .lines()
            .zip(expected.lines())
            .find(|(is, should)| is != should);
        panic!(
            "{file} is not what the program says: {differs:?}\n`UPDATE_CONTRACT=1 cargo test --test it contract` writes it anew"
        );
    }
}

#[test]
fn action_yml_and_documents_say_what_the_program_does() {
    let schema = schema();
    hold(
        "action.yml",
        "# inputs:start\n",
        "# inputs:end",
        &action_inputs(&schema),
    );
    hold(
        "action.yml",
        "# outputs:start\n",
        "# outputs:end",
        &action_outputs(&schema),
    );
    hold(
        "README.md",
        "<!-- inputs:start -->\n",
        "<!-- inputs:end -->",
        &inputs_table(&schema),
    );
    hold(
        "README.md",
        "<!-- outputs:start -->\n",
        "<!-- outputs:end -->",
        &outputs_table(&schema),
    );
    hold(
        "docs/codes.md",
        "<!-- codes:start -->\n",
        "<!-- codes:end -->",
        &codes_table(&schema),
    );
    hold(
        "docs/codes.md",
        "<!-- explanations:start -->\n",
        "<!-- explanations:end -->",
        &explanations(&schema),
    );
    hold(
        "docs/rollouts.md",
        "<!-- rules:start -->\n",
        "<!-- rules:end -->",
        &rules_table(&schema),
    );
}

#[test]
fn every_name_is_unique_and_every_text_is_there() {
    let schema = schema();
    for (list_name, key) in [("inputs", "name"), ("outputs", "name"), ("codes", "code")] {
        let names: Vec<_> = list(&schema, list_name)
            .iter()
            .map(|entry| text(entry, key))
            .collect();
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), unique.len());
        for entry in list(&schema, list_name) {
            assert!(!text(entry, "help").is_empty(), "{entry}");
        }
    }
}

/// Editors read the same definition.
#[test]
fn the_schema_of_the_file_is_that_of_the_inputs() {
    let path = checkout().join("docs/ml-deploy.schema.json");
    let expected = format!("{:#}\n", schema()["file"]);
    if std::env::var_os("UPDATE_CONTRACT").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(
        kept == expected,
        "docs/ml-deploy.schema.json: `UPDATE_CONTRACT=1 cargo test --test it contract` writes it anew"
    );
}

/// The README's first example is what people paste: each of its inputs must exist.
#[test]
fn the_first_example_uses_inputs_that_exist() {
    let schema = schema();
    let readme = std::fs::read_to_string(checkout().join("README.md")).unwrap();
    let example = readme
        .split("with:\n")
        .nth(2)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let depth = indent(example.lines().next().unwrap());
    let used: Vec<_> = example
        .lines()
        .take_while(|line| indent(line) == depth)
        .filter_map(|line| line.trim().split_once(": "))
        .collect();
    assert_eq!(used.len(), 11, "{used:?}");
    for (name, _) in used {
        let known = list(&schema, "inputs").iter().any(|input| {
            text(input, "name") == name || list(input, "aliases").iter().any(|alias| alias == name)
        });
        assert!(known, "{name}");
    }
}
