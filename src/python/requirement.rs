//! Reads requirement files only as far as we need: which files belong together, which names they ask for, on which line.
//! What a requirement means is uv's to say.

use std::fs;
use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::context::Context;
use crate::diagnostic::Location;
use crate::failure::{Failure, Outcome};
use crate::plan::Requirements;

/// What the files ask for.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Every file that counts, with its text, in the order of reading.
    pub(super) files: Vec<(PathBuf, String)>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Index into `files`.
    file: usize,
    line: u32,
    /// Normalised.
    name: String,
    /// From a constraints file: it limits, but asks for nothing.
    constraint: bool,
}

impl Needs {
    /// Whether this normalised name is asked for.
    pub(super) fn names(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| !entry.constraint && entry.name == name)
    }

    /// The line whose requirement is named first in a text of uv's.
    pub(super) fn blamed(&self, ctx: &Context, reason: &str) -> Option<Location> {
        let reason = reason.to_lowercase().replace('_', "-");
        self.entries
            .iter()
            .filter_map(|entry| Some((find_word(&reason, &entry.name)?, entry)))
            .min_by_key(|(at, entry)| (*at, entry.constraint))
            .map(|(_, entry)| ctx.workspace.locate(&self.files[entry.file].0, entry.line))
    }

    /// The line at a byte offset of a file, when uv says "`file` at position N".
    pub(super) fn at_offset(&self, ctx: &Context, reason: &str) -> Option<Location> {
        let (before, after) = reason.split_once("` at position ")?;
        let named = Path::new(before.rsplit_once('`')?.1);
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let offset: usize = after[..digits].parse().ok()?;
        let (path, text) = self.files.iter().find(|(path, _)| path.ends_with(named))?;
        let lines = text
            .as_bytes()
            .get(..offset)?
            .iter()
            .filter(|&&b| b == b'\n')
            .count();
        Some(ctx.workspace.locate(path, u32::try_from(lines + 1).ok()?))
    }

    /// The line of a file, when uv says "`file` … at line N".
    pub(super) fn at_line(&self, ctx: &Context, reason: &str) -> Option<Location> {
        let (_, after) = reason.split_once(" at line ")?;
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let line = after[..digits].parse().ok()?;
        let named = |path: &Path| {
            path.file_name()
                .is_some_and(|name| reason.contains(&*name.to_string_lossy()))
        };
        let (path, _) = self.files.iter().find(|(path, _)| named(path))?;
        Some(ctx.workspace.locate(path, line))
    }
}

/// A requirement that is named somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Normalised.
    pub(crate) name: String,
    pub(crate) at: Location,
}

/// What the files ask for and where, those that they include too. Files that cannot be read ask for nothing.
pub(crate) fn named(ctx: &Context, requirements: &Requirements) -> Vec<Named> {
    let needs = read(ctx, requirements).unwrap_or_default();
    let at = |entry: &Entry| ctx.workspace.locate(&needs.files[entry.file].0, entry.line);
    let asked = needs.entries.iter().filter(|entry| !entry.constraint);
    asked
        .map(|entry| Named {
            name: entry.name.clone(),
            at: at(entry),
        })
        .collect()
}

/// Position of `word` in `text` where it is no part of a longer name.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.match_indices(word).map(|(at, _)| at).find(|&at| {
        !text[..at].ends_with(part_of_name) && !text[at + word.len()..].starts_with(part_of_name)
    })
}

/// Reads the files, with those that they include.
pub(super) fn read(ctx: &Context, requirements: &Requirements) -> Outcome<Needs> {
    let mut needs = Needs::default();
    match requirements {
        Requirements::None => {}
        Requirements::File(file) => include(ctx, &mut needs, file, false, None)?,
        Requirements::Project { folder, locked } => {
            project(ctx, &mut needs, &folder.join("pyproject.toml"))?;
            if *locked {
                project(ctx, &mut needs, &folder.join("uv.lock"))?;
            }
        }
    }
    Ok(needs)
}

fn text_of(ctx: &Context, file: &Path, from: Option<Location>) -> Outcome<String> {
    fs::read_to_string(file).map_err(|error| {
        let failure = Failure::new(
            Code::RequirementsMissing,
            format!(
                "failed to read the requirements `{}`: {error}",
                ctx.workspace.relative(file)
            ),
        );
        failure.at(from)
    })
}

fn include(
    ctx: &Context,
    needs: &mut Needs,
    file: &Path,
    constraint: bool,
    from: Option<Location>,
) -> Outcome<()> {
    // uv reads these from the network itself.
    if file.to_string_lossy().contains(":/") {
        return Ok(());
    }
    // The same file in another spelling would include itself for ever.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    if needs.files.iter().any(|(known, _)| *known == file) {
        return Ok(());
    }
    let text = text_of(ctx, &file, from)?;
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let index = needs.files.len();
    needs.files.push((file.clone(), text.clone()));
    for (number, line) in (1u32..).zip(text.lines()) {
        let line = line.trim_start_matches('\u{feff}').trim();
        if let Some((path, limits)) = included(line) {
            let at = ctx.workspace.locate(&file, number);
            include(
                ctx,
                needs,
                &folder.join(path),
                constraint || limits,
                Some(at),
            )?;
        } else if let Some(name) = name(line) {
            needs.entries.push(Entry {
                file: index,
                line: number,
                name,
                constraint,
            });
        }
    }
    Ok(())
}

/// The file that a `-r` or `-c` line includes, and whether it only constrains.
fn included(line: &str) -> Option<(&str, bool)> {
    const OPTIONS: &[(&str, bool)] = &[
        ("--requirement", false),
        ("-r", false),
        ("--constraint", true),
        ("-c", true),
    ];
    OPTIONS.iter().find_map(|(option, limits)| {
        let rest = line.strip_prefix(option)?;
        // `--requirements-x` is another word; `-rfile` is allowed.
        if option.len() > 2 && !rest.starts_with([' ', '\t', '=']) {
            return None;
        }
        let path = rest.trim_start_matches(['=', ' ', '\t']);
        let path = path.split(" #").next().unwrap_or(path).trim();
        (!path.is_empty()).then_some((path, *limits))
    })
}

/// pyproject.toml or uv.lock: names are looked for in quoted strings, which is enough to find lines.
fn project(ctx: &Context, needs: &mut Needs, file: &Path) -> Outcome<()> {
    let text = text_of(ctx, file, None)?;
    let lock = file.file_name().is_some_and(|name| name == "uv.lock");
    let index = needs.files.len();
    let mut ours = false;
    for (number, line) in (1u32..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('[') {
            ours = line.starts_with("[project") || line.starts_with("[dependency-groups");
        }
        // In uv.lock only the packages' own names; in pyproject.toml every string below [project].
        let strings: Vec<&str> = match (lock, line.strip_prefix("name = \"")) {
            (true, Some(rest)) => vec![rest.trim_end_matches('"')],
            (true, None) => Vec::new(),
            (false, _) if ours && !line.starts_with("name") => {
                line.split(['"', '\'']).skip(1).step_by(2).collect()
            }
            (false, _) => Vec::new(),
        };
        for name in strings.into_iter().filter_map(name) {
            needs.entries.push(Entry {
                file: index,
                line: number,
                name,
                constraint: false,
            });
        }
    }
    needs.files.push((file.to_owned(), text));
    Ok(())
}

/// The normalised name of a requirement; `None` for options, comments, URLs and paths.
pub(crate) fn name(requirement: &str) -> Option<String> {
    let text = requirement.trim();
    if let Some((_, egg)) = text.split_once("#egg=") {
        return name(egg);
    }
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let begun = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let ended = rest.is_empty()
        || rest.starts_with([
            ' ', '\t', '<', '>', '=', '!', '~', ';', '@', '[', '(', ',', '&', '#',
        ]);
    if !begun || !ended || name.ends_with(".whl") || name.ends_with(".gz") {
        return None;
    }
    Some(normalise(name))
}

/// PEP 503: lower case, runs of `-`, `_` and `.` become one `-`.
fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        if !matches!(c, '-' | '_' | '.') {
            normal.push(c.to_ascii_lowercase());
        } else if !normal.ends_with('-') {
            normal.push('-');
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_normalised() {
        for (text, expected) in [
            ("Scikit_Learn==1.5.2", Some("scikit-learn")),
            ("mlflow[extras]>=2 ; python_version > '3.8'", Some("mlflow")),
            ("mlflow @ https://x/y.whl", Some("mlflow")),
            (
                "git+https://github.com/a/b#egg=mlflow&subdirectory=c",
                Some("mlflow"),
            ),
            ("mlflow", Some("mlflow")),
            ("# mlflow", None),
            ("--extra-index-url https://x", None),
            ("./mlflow-1.whl", None),
            ("-e .", None),
            ("https://x/y.whl", None),
        ] {
            assert_eq!(name(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn includes_are_followed_in_every_spelling() {
        assert_eq!(included("-r base.txt"), Some(("base.txt", false)));
        assert_eq!(included("-rbase.txt # why"), Some(("base.txt", false)));
        assert_eq!(
            included("--requirement=base.txt"),
            Some(("base.txt", false))
        );
        assert_eq!(included("-c limits.txt"), Some(("limits.txt", true)));
        assert_eq!(included("--require-hashes"), None);
    }

    #[test]
    fn words_are_whole_names() {
        assert_eq!(
            find_word("because scikit-learn-x and scikit-learn==9", "scikit-learn"),
            Some(27)
        );
        assert_eq!(find_word("numpy2", "numpy"), None);
    }
}
