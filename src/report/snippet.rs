//! The line of source that a finding points at, and paths as people see them. It reads files of the workspace only.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Component, Path};

use crate::diagnostic::Location;

/// Nobody points beyond this; a "line" of a binary file should not end in the log.
const LARGEST_FILE: u64 = 4 << 20;
const LONGEST_LINE: usize = 200;

/// The line at the place, when its file lies in the workspace and has that line.
pub(super) fn line(root: &Path, at: &Location) -> Option<String> {
    let number = at.line?.checked_sub(1)?;
    let path = Path::new(&at.file);
    let inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let path = root.join(path);
    if !inside || !path.is_file() {
        return None;
    }
    let file = std::fs::File::open(path).ok()?.take(LARGEST_FILE);
    let line = BufReader::new(file).lines().nth(number as usize)?.ok()?;
    let line = line.replace('\t', "    ");
    Some(line.trim_end().chars().take(LONGEST_LINE).collect())
}

/// The path relative to the root with `/`; one outside is kept as it is.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().trim_start_matches("./").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_of_the_workspace_are_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("w")).unwrap();
        std::fs::write(folder.path().join("w/a.py"), "one\n\ttwo  \n").unwrap();
        std::fs::write(folder.path().join("secret"), "x\n").unwrap();
        let root = folder.path().join("w");
        assert_eq!(
            line(&root, &Location::line("a.py", 2)).as_deref(),
            Some("    two")
        );
        assert_eq!(line(&root, &Location::line("a.py", 3)), None);
        assert_eq!(line(&root, &Location::file("a.py")), None);
        assert_eq!(line(&root, &Location::line("../secret", 1)), None);
        assert_eq!(line(&root, &Location::line("/etc/passwd", 1)), None);
        assert_eq!(relative(&root, &root.join("x/r.json")), "x/r.json");
        assert_eq!(relative(&root, Path::new("/else/r.json")), "/else/r.json");
    }
}
