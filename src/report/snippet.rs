//! The line of source that a finding points at, and paths as people see them. It reads files of the workspace only, shows
//! nothing of a manifest that holds a Secret, and no password of a URL.

use std::io::Read as _;
use std::path::{Component, Path};

use crate::diagnostic::Location;
use crate::passwords;

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
    let mut text = String::new();
    let mut file = std::fs::File::open(&path).ok()?.take(LARGEST_FILE);
    file.read_to_string(&mut text).ok()?;
    if is_yaml(&path) && text.lines().any(|line| line.trim() == "kind: Secret") {
        return None;
    }
    let mut line = text.lines().nth(number as usize)?.replace('\t', "    ");
    for password in passwords::in_urls(&line) {
        line = line.replace(&format!("{password}@"), "***@");
    }
    Some(line.trim_end().chars().take(LONGEST_LINE).collect())
}

fn is_yaml(path: &Path) -> bool {
    let kind = path.extension().and_then(|kind| kind.to_str());
    matches!(kind, Some("yaml" | "yml"))
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
        let url = "a\n--extra-index-url https://u:pa55@h/s\n";
        std::fs::write(root.join("r.txt"), url).unwrap();
        assert_eq!(
            line(&root, &Location::line("r.txt", 2)).as_deref(),
            Some("--extra-index-url https://u:***@h/s")
        );
        std::fs::write(root.join("s.yaml"), "kind: Secret\ndata:\n  a: b2s=\n").unwrap();
        assert_eq!(line(&root, &Location::line("s.yaml", 3)), None);
        assert_eq!(relative(&root, &root.join("x/r.json")), "x/r.json");
        assert_eq!(relative(&root, Path::new("/else/r.json")), "/else/r.json");
    }
}
