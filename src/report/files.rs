//! Files beside report.json, for systems that show or read them, written at the end however it ends. Each is replaced as a whole or
//! not at all. It knows where they lie, not what they say.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::outputs::Facts;
use super::{findings, junit, listed, numbers};

/// What makes a file's text.
type Make = fn(&Facts<'_>) -> String;

/// Every file; docs/report.md says who reads it.
const FILES: &[(&str, Make)] = &[
    ("junit.xml", junit::xml),
    ("findings.sarif", findings::sarif),
    ("codequality.json", findings::quality),
    ("metrics.txt", numbers::text),
    ("outputs.env", listed::dotenv),
    ("outputs.properties", listed::properties),
    ("outputs.json", listed::json),
];

/// Writes all of them beside the report; returns which could not be written, and why the first could not, in one line.
pub(super) fn write(report: &Path, workspace: &Path, facts: &Facts<'_>) -> Option<String> {
    let failed = FILES.iter().filter_map(|(name, make)| {
        let path = report.with_file_name(name);
        let written = replace(&path, workspace, make(facts).as_bytes());
        written.err().map(|error| (*name, error))
    });
    let failed: Vec<_> = failed.collect();
    let (_, why) = failed.first()?;
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
    let beside = report.with_file_name("").display().to_string();
    let names = names.join(", ");
    Some(format!("failed to write {names} in `{beside}`: {why}"))
}

/// Writes a file beside its place and moves it there, readable by everyone and owned by the workspace's owner.
///
/// # Errors
/// When the folder cannot be made or the file not be written.
pub(super) fn replace(path: &Path, workspace: &Path, text: &[u8]) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let made = missing(folder);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    for made in made.iter().chain([&path.to_owned()]) {
        give(made, workspace);
    }
    Ok(())
}

/// Folders that do not exist yet, innermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let absent = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    folder
        .ancestors()
        .take_while(absent)
        .map(Path::to_owned)
        .collect()
}

/// Gives what we made to the workspace's owner: as root in a container we would leave files that later steps cannot remove.
/// Where that is not allowed it is not needed either.
fn give(path: &Path, workspace: &Path) {
    let Ok(owner) = std::fs::metadata(workspace) else {
        return;
    };
    drop(std::os::unix::fs::lchown(
        path,
        Some(owner.uid()),
        Some(owner.gid()),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_its_folder_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/x.txt");
        for text in ["one", "two"] {
            replace(&path, folder.path(), text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        let beside = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(beside.count(), 1);
        assert!(replace(Path::new("/dev/null/x"), folder.path(), b"").is_err());
    }
}
