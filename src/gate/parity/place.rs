//! Where a package, a base image or the model gets into the image: lines of the Dockerfile and of the files that it installs.
//! The text is used only to point at a line and to know what was asked for, never to judge.

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::diagnostic::Location;
use crate::plan::{BuildSpec, Requirements};
use crate::python::{Named, named, requirement_name};

/// Lines of the build.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// What is asked for, in the order of installation: the last one of a name wins.
    packages: Vec<Named>,
    /// The last instruction that installs packages.
    install: Option<Location>,
    /// The base image of the last stage.
    base: Option<Location>,
    /// What copies the model.
    model: Option<Location>,
}

/// One instruction, its lines joined.
struct Instruction {
    line: u32,
    name: String,
    words: Vec<String>,
}

impl Places {
    /// Reads the Dockerfile and the requirements that it installs. What cannot be read has no place.
    pub(super) fn read(ctx: &Context, build: &BuildSpec, model: &Path) -> Self {
        let text = std::fs::read_to_string(&build.dockerfile).unwrap_or_default();
        let instructions = instructions(&text);
        let at = |line: u32| ctx.workspace.locate(&build.dockerfile, line);
        let copied: Vec<String> = instructions
            .iter()
            .filter(|one| matches!(one.name.as_str(), "COPY" | "ADD"))
            .flat_map(|one| sources(&one.words))
            .collect();
        let model = model.strip_prefix(&build.context).ok();
        let model = model.map(|path| path.to_string_lossy().into_owned());
        let mut places = Self::default();
        let mut stages: Vec<(Option<String>, Location)> = Vec::new();
        for one in &instructions {
            match one.name.as_str() {
                "FROM" => {
                    let words: Vec<&String> = one
                        .words
                        .iter()
                        .filter(|word| !word.starts_with("--"))
                        .collect();
                    // A stage on another one has that one's base.
                    let below = stages.iter().find(|(name, _)| {
                        name.is_some()
                            && name.as_ref()
                                == words.first().map(|word| word.to_lowercase()).as_ref()
                    });
                    let base = below.map_or_else(|| at(one.line), |(_, base)| base.clone());
                    let name = words.get(2).map(|name| name.to_lowercase());
                    stages.push((name, base));
                }
                "COPY" | "ADD" => {
                    let over = |source: &String| {
                        let source = source.trim_start_matches("./").trim_end_matches('/');
                        model.as_ref().is_some_and(|model| {
                            source == "."
                                || model == source
                                || model.starts_with(&format!("{source}/"))
                                || source.starts_with(&format!("{model}/"))
                        })
                    };
                    if sources(&one.words).iter().any(over) {
                        places.model = Some(at(one.line));
                    }
                }
                "RUN" if installs(&one.words) => {
                    places.install = Some(at(one.line));
                    for file in files(&one.words) {
                        let found = in_context(&build.context, &copied, &file);
                        places
                            .packages
                            .extend(found.map(|found| named(ctx, &found)).unwrap_or_default());
                    }
                    let words = one.words.iter().skip_while(|word| *word != "install");
                    let inline = words.skip(1).map(|word| word.trim_matches(['"', '\'']));
                    let inline = inline.filter(|word| word.contains("=="));
                    places
                        .packages
                        .extend(inline.filter_map(requirement_name).map(|name| Named {
                            name,
                            at: at(one.line),
                        }));
                }
                _ => {}
            }
        }
        places.base = stages.pop().map(|(_, base)| base);
        places
    }

    /// Normalised names that the image asks for.
    pub(super) fn asked_for(&self) -> std::collections::BTreeSet<String> {
        self.packages.iter().map(|one| one.name.clone()).collect()
    }

    /// The line that asks for the package.
    pub(super) fn asks(&self, name: &str) -> Option<&Location> {
        let last = self.packages.iter().rfind(|one| one.name == name);
        last.map(|one| &one.at)
    }

    /// The instruction that installs packages.
    pub(super) fn installs(&self) -> Option<&Location> {
        self.install.as_ref()
    }

    /// The FROM that decides about Python and platform.
    pub(super) fn base(&self) -> Option<&Location> {
        self.base.as_ref()
    }

    /// The instruction that copies the model.
    pub(super) fn model(&self) -> Option<&Location> {
        self.model.as_ref()
    }
}

fn instructions(text: &str) -> Vec<Instruction> {
    let mut all = Vec::new();
    let mut joined = String::new();
    let mut first = 0;
    for (number, line) in (1_u32..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if joined.is_empty() {
            first = number;
        }
        if let Some(part) = line.strip_suffix('\\') {
            joined.push_str(part);
            joined.push(' ');
            continue;
        }
        joined.push_str(line);
        let mut words = joined.split_whitespace().map(str::to_owned);
        if let Some(name) = words.next() {
            all.push(Instruction {
                line: first,
                name: name.to_ascii_uppercase(),
                words: words.collect(),
            });
        }
        joined.clear();
    }
    all
}

/// What COPY reads from the context.
fn sources(words: &[String]) -> Vec<String> {
    if words.iter().any(|word| word.starts_with("--from=")) {
        return Vec::new();
    }
    let plain = words.iter().filter(|word| !word.starts_with("--"));
    let mut plain: Vec<String> = plain
        .map(|word| word.trim_matches(['[', ']', '"', ',']).to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    plain.pop();
    plain
}

/// Whether the words install packages of Python.
fn installs(words: &[String]) -> bool {
    const TOOLS: &[&str] = &[
        "pip",
        "pip3",
        "uv",
        "conda",
        "mamba",
        "micromamba",
        "poetry",
        "pdm",
    ];
    const VERBS: &[&str] = &["install", "sync", "create", "update", "env"];
    let tool = words.iter().any(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        TOOLS.contains(&name)
    });
    tool && words.iter().any(|word| VERBS.contains(&word.as_str()))
}

/// The files that the words install from.
fn files(words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = words.iter().peekable();
    let mut sync = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "-r" | "--requirement" | "-f" | "--file" => {
                found.extend(words.peek().map(|file| (*file).clone()));
            }
            "sync" | "." | "poetry" | "pdm" => sync = true,
            other => {
                let file = other
                    .strip_prefix("--requirement=")
                    .or_else(|| other.strip_prefix("--file="))
                    .or_else(|| other.strip_prefix("-r").filter(|rest| rest.contains('.')));
                found.extend(file.map(str::to_owned));
            }
        }
    }
    if sync && found.is_empty() {
        found.push("pyproject.toml".to_owned());
    }
    found
}

/// The file of the context that is meant: under its own path, else the one of that name that is copied.
fn in_context(context: &Path, copied: &[String], file: &str) -> Option<Requirements> {
    let file = file.trim_matches(['"', '\'']);
    let name = file.rsplit('/').next().unwrap_or_default();
    let same = copied
        .iter()
        .find(|source| source.rsplit('/').next() == Some(name));
    let tried = [
        Some(context.join(file.trim_start_matches('/'))),
        same.map(|source| context.join(source)),
        Some(context.join(name)),
    ];
    let path: PathBuf = tried.into_iter().flatten().find(|path| path.is_file())?;
    if name == "pyproject.toml" {
        let folder = path.parent()?.to_owned();
        let locked = folder.join("uv.lock").is_file();
        return Some(Requirements::Project { folder, locked });
    }
    Some(Requirements::File(path))
}
