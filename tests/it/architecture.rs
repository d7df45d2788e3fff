//! The rules of the layout, read from the sources: who may import whom, how long a file may be, who may print.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::support::checkout;

/// Stages do the work; none imports another one.
const STAGES: &[&str] = &["preflight", "train", "gate", "image", "deploy", "verify"];
/// Each names one outside system and knows no stage.
const SYSTEMS: &[&str] = &[
    "cloud", "engine", "cluster", "registry", "tracking", "python", "host",
];
/// Pure knowledge that several stages need: it knows no stage and no system.
const SHARED: &[&str] = &["causes", "predict"];
/// Plain vocabulary that everyone may use and that imports no folder.
const WORDS: &[&str] = &[
    "artifact",
    "code",
    "context",
    "diagnostic",
    "event",
    "explain",
    "failure",
    "format",
    "passwords",
    "secret_names",
    "sha256",
    "shutdown",
];

struct Source {
    /// Relative to `src/`, with `/`.
    name: String,
    text: String,
}

impl Source {
    /// `train` for `train/mod.rs` and `train.rs`.
    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    /// The modules named in `use crate::…`, outside of tests.
    fn imports(&self) -> Vec<String> {
        let product = self
            .text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        product
            .lines()
            .filter_map(|line| {
                line.trim_start()
                    .trim_start_matches("pub(crate) ")
                    .strip_prefix("use crate::")
            })
            .flat_map(|path| match path.strip_prefix('{') {
                Some(group) => group.split(',').map(first_name).collect(),
                None => vec![first_name(path)],
            })
            .filter(|name| !name.is_empty())
            .collect()
    }
}

fn first_name(path: &str) -> String {
    path.trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn sources() -> Vec<Source> {
    below("src")
}

/// All sources of a folder of the checkout; their names are relative to it.
fn below(folder: &str) -> Vec<Source> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = checkout().join(folder);
    let mut files = Vec::new();
    walk(&root, &mut files);
    files
        .into_iter()
        .map(|path| Source {
            name: path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/"),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect()
}

/// Collects what breaks a rule, so that all of it is seen at once.
fn hold(rule: &str, broken: impl Fn(&Source) -> Vec<String>) {
    let all: Vec<_> = sources()
        .iter()
        .flat_map(|source| {
            broken(source)
                .into_iter()
                .map(|what| format!("src/{}: {what}", source.name))
        })
        .collect();
    assert!(all.is_empty(), "{rule}\n{}", all.join("\n"));
}

/// What a module must not import.
fn forbidden(importer: &str, imported: &str) -> bool {
    if importer == imported {
        return false;
    }
    // Preflight asks every stage what it needs, so it stands above them, as the pipeline does.
    if importer == "preflight" {
        return matches!(imported, "report" | "pipeline");
    }
    let stage = STAGES.contains(&imported);
    match importer {
        _ if STAGES.contains(&importer) => {
            stage || matches!(imported, "report" | "inputs" | "pipeline")
        }
        // What a system is told to do stands in the plan's specifications: plain data.
        _ if SYSTEMS.contains(&importer) => {
            stage || matches!(imported, "report" | "inputs" | "pipeline")
        }
        _ if SHARED.contains(&importer) => !WORDS.contains(&imported),
        _ if WORDS.contains(&importer) => !WORDS.contains(&imported),
        "report" => !WORDS.contains(&imported),
        "plan" => stage || matches!(imported, "report" | "pipeline"),
        _ => false,
    }
}

#[test]
fn imports_point_one_way() {
    hold("a module imports what it must not know", |source| {
        let imports = source.imports().into_iter();
        imports
            .filter(|imported| forbidden(source.module(), imported))
            .map(|imported| format!("imports crate::{imported}"))
            .collect()
    });
}

/// Folders whose parts stand on each other like storeys: none looks up into `mod.rs`, and no way leads back.
const STOREYS: &[&str] = &["deploy/kubernetes", "deploy/kubernetes/rollout"];

/// Names that stand behind a prefix, such as `a` and `b` in `super::{a::X, b}`.
fn named(text: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        // `super::super::x` is not `super::x`.
        if text[..at].ends_with(|c: char| c == ':' || c.is_alphanumeric()) {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(first_name(rest));
            continue;
        };
        let (mut depth, mut name) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(first_name(&std::mem::take(&mut name))),
                _ if depth == 0 => name.push(c),
                _ => {}
            }
        }
        found.push(first_name(&name));
    }
    found.retain(|name| !name.is_empty() && !matches!(name.as_str(), "super" | "self"));
    found
}

/// The parts of a folder, each with the names that it takes from the folder.
fn parts(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut parts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let Some(inside) = source.name.strip_prefix(&format!("{folder}/")) else {
            continue;
        };
        let of_tests = ["tests.rs", "examples.rs", "replay.rs"];
        if inside == "mod.rs" || of_tests.iter().any(|end| inside.ends_with(end)) {
            continue;
        }
        let (part, deep) = match inside.split_once('/') {
            Some((part, file)) => (part, file != "mod.rs"),
            None => (inside.trim_end_matches(".rs"), false),
        };
        let product = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        let up = if deep { "super::super::" } else { "super::" };
        let whole = format!("crate::{}::", folder.replace('/', "::"));
        let names = parts.entry(part.to_owned()).or_default();
        names.extend(named(product, up));
        names.extend(named(product, &whole));
        names.remove(part);
    }
    parts
}

#[test]
fn parts_of_a_folder_form_no_circles() {
    for folder in STOREYS {
        let mut left = parts(folder);
        assert!(left.len() > 10, "{folder}: {left:?}");
        let known: BTreeSet<String> = left.keys().cloned().collect();
        for (part, names) in &left {
            let above: Vec<_> = names.difference(&known).collect();
            assert!(above.is_empty(), "{folder}/{part} looks up to {above:?}");
        }
        // Whoever stands on nothing that is left is taken away; a circle stays.
        loop {
            let standing: BTreeSet<String> = left.keys().cloned().collect();
            let before = left.len();
            left.retain(|_, names| names.iter().any(|name| standing.contains(name)));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "a circle in src/{folder}: {left:?}");
    }
}

/// Every folder below `src/` that holds others or files beside its `mod.rs`.
fn folders() -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    for source in sources() {
        for (at, _) in source.name.match_indices('/') {
            folders.insert(source.name[..at].to_owned());
        }
    }
    folders
}

#[test]
fn no_two_parts_of_a_folder_import_each_other() {
    let folders = folders();
    assert!(folders.len() > 20, "{folders:?}");
    let mut circles = Vec::new();
    for folder in &folders {
        let parts = parts(folder);
        for (one, names) in &parts {
            for other in names.range(one.clone()..) {
                if parts.get(other).is_some_and(|back| back.contains(one)) {
                    circles.push(format!("src/{folder}: {one} and {other}"));
                }
            }
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn names_behind_a_prefix_are_found() {
    let text = "use super::{a::{X, Y},\n    b};\nuse super::super::c;\nsuper::d::f();\nuse super::super::{e, g::Z};";
    assert_eq!(named(text, "super::"), ["a", "b", "d"]);
    assert_eq!(named(text, "super::super::"), ["c", "e", "g"]);
}

#[test]
fn each_outside_library_has_one_home() {
    let homes: &[(&str, &[&str])] = &[
        ("bollard", &["engine/"]),
        ("kube", &["cluster/", "deploy/kubernetes/"]),
        ("k8s_openapi", &["cluster/", "deploy/kubernetes/"]),
        ("octocrab", &["report/github/"]),
        ("clap", &["inputs/", "report/"]),
    ];
    hold(
        "an outside library is named outside of its home",
        |source| {
            homes
                .iter()
                .filter(|(_, folders)| {
                    !folders.iter().any(|folder| source.name.starts_with(folder))
                })
                .filter(|(library, _)| {
                    source.text.lines().any(|line| {
                        let line = line.trim_start();
                        line.starts_with(&format!("use {library}::"))
                            || line.contains(&format!(" {library}::"))
                    })
                })
                .map(|(library, _)| format!("names {library}"))
                .collect()
        },
    );
}

#[test]
fn every_file_is_short_and_says_what_it_owns() {
    let tests = below("tests");
    assert!(tests.len() > 80, "{}", tests.len());
    let long = tests.iter().flat_map(|source| {
        let broken = too_long(source).into_iter();
        broken.map(|what| format!("tests/{}: {what}", source.name))
    });
    assert_eq!(long.collect::<Vec<_>>(), [""; 0]);
    hold("at most 400 lines, and a `//!` header", |source| {
        let mut broken = too_long(source);
        if ["utils", "helper", "manager"]
            .iter()
            .any(|word| source.name.contains(word))
        {
            broken.push("a name that says nothing".to_owned());
        }
        broken
    });
}

/// What every file of the program and of its tests is held to.
fn too_long(source: &Source) -> Vec<String> {
    let mut broken = Vec::new();
    let lines = source.text.lines().count();
    if lines > 400 {
        broken.push(format!("{lines} lines"));
    }
    if !source.text.starts_with("//! ") {
        broken.push("no `//!` header".to_owned());
    }
    broken
}

#[test]
fn only_reporters_print() {
    hold("printing outside of src/report", |source| {
        let ours = source.name.starts_with("report/");
        source
            .text
            .lines()
            .enumerate()
            .filter(|_| !ours)
            .filter(|(_, line)| {
                ["print!(", "println!(", "dbg!("]
                    .iter()
                    .any(|call| line.contains(call))
            })
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| format!("line {}: {}", index + 1, line.trim()))
            .collect()
    });
}
