//! The runner's files for outputs and summary. They are appended to and never replaced: the runner owns them.
//! It knows their grammar, not the meaning of what is written.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// An output's value above this is refused: GitHub takes 1 MB for all outputs of a job.
const LONGEST_OUTPUT: usize = 200_000;

/// Appends outputs. Returns the names of those that are too long and were left out.
///
/// # Errors
/// When the file cannot be written.
pub(in crate::report) fn outputs<'a>(
    path: &Path,
    values: &'a [(&'static str, String)],
) -> io::Result<Vec<&'a str>> {
    let mut text = String::new();
    let mut refused = Vec::new();
    for (name, value) in values {
        if value.len() > LONGEST_OUTPUT {
            refused.push(*name);
        } else {
            text.push_str(&entry(name, value, delimiter));
        }
    }
    append(path, &text)?;
    Ok(refused)
}

/// Appends to the job summary.
///
/// # Errors
/// When the file cannot be written.
pub(in crate::report) fn summary(path: &Path, markdown: &str) -> io::Result<()> {
    append(path, markdown)
}

/// `name<<delimiter`, the value, the delimiter; another delimiter is drawn until none occurs in the value.
fn entry(name: &str, value: &str, mut draw: impl FnMut() -> String) -> String {
    let mut delimiter = draw();
    while value.contains(&delimiter) {
        delimiter = draw();
    }
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

fn delimiter() -> String {
    format!("ml_deploy_{:032x}", rand::random::<u128>())
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_in_the_value_is_drawn_again() {
        let mut drawn = ["EOF", "x", "z"].into_iter().map(str::to_owned);
        let text = entry("a", "EOF\nx=1\r\n", || drawn.next().unwrap());
        assert_eq!(text, "a<<z\nEOF\nx=1\r\n\nz\n");
        assert_ne!(delimiter(), delimiter());
    }

    #[test]
    fn files_are_appended_to_and_huge_values_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, "before=1\n").unwrap();
        let values = [
            ("metrics", "x".repeat(LONGEST_OUTPUT + 1)),
            ("status", "success".into()),
        ];
        assert_eq!(outputs(&path, &values).unwrap(), ["metrics"]);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "before=1");
        assert_eq!(lines[2], "success");
        assert_eq!(lines[1], format!("status<<{}", lines[3]));
        assert!(outputs(Path::new("/nowhere/x"), &values).is_err());
    }
}
