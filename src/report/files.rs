//! Files beside report.json, for systems that show or read them, written at the end however it ends. Each is replaced as a whole or
//! not at all. It knows where they lie, not what they say.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::outputs::Facts;
use super::{findings, junit, listed, numbers, snippet};

/// What makes a file's text; the second is where findings without a place of their own stand.
type Make = fn(&Facts<'_>, &str) -> String;

/// Every file; docs/report.md says who reads it.
const FILES: &[(&str, Make)] = &[
    ("junit.xml", |facts, _| junit::xml(facts)),
    ("findings.sarif", |facts, _| findings::sarif(facts)),
    ("codequality.json", findings::quality),
    ("metrics.txt", |facts, _| numbers::text(facts)),
    ("outputs.env", |facts, _| listed::dotenv(facts)),
    ("outputs.properties", |facts, _| listed::properties(facts)),
    ("outputs.json", |facts, _| listed::json(facts)),
];

/// Where a run is configured; the first that there is, is where a finding without a place stands.
const CONFIGURATION: &[&str] = &[
    "ml-deploy.yml",
    ".gitlab-ci.yml",
    "Jenkinsfile",
    "Dockerfile",
];

/// Removes what an earlier run in the same folder has left: a run that is killed writes nothing, and must not be taken for it.
/// What cannot be removed cannot be written either, and that is said then.
pub(super) fn clear(report: &Path) {
    let names = FILES.iter().map(|(name, _)| report.with_file_name(name));
    for path in names.chain([report.to_owned()]) {
        drop(std::fs::remove_file(path));
    }
}

/// The file, relative to the workspace, that findings without a place are about.
fn configuration(report: &Path, workspace: &Path) -> String {
    // Beside the folder in which the report lies; else the workspace's own.
    let folder = report.parent().and_then(Path::parent).unwrap_or(workspace);
    let folders = [folder, workspace]
        .into_iter()
        .filter(|folder| folder.starts_with(workspace));
    let mut places = folders.flat_map(|folder| CONFIGURATION.iter().map(|name| folder.join(name)));
    let found = places.find(|place| place.is_file());
    found.map_or_else(
        || {
            CONFIGURATION
                .first()
                .copied()
                .unwrap_or_default()
                .to_owned()
        },
        |place| snippet::relative(workspace, &place),
    )
}

/// Writes all of them beside the report; returns which could not be written, and why the first could not, in one line.
pub(super) fn write(report: &Path, workspace: &Path, facts: &Facts<'_>) -> Option<String> {
    let home = configuration(report, workspace);
    let failed = FILES.iter().filter_map(|(name, make)| {
        let path = report.with_file_name(name);
        let written = replace(&path, workspace, make(facts, &home).as_bytes());
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
    fn what_an_earlier_run_left_is_cleared_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.json");
        for name in ["report.json", "junit.xml", "outputs.env", "training.json"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        clear(&report);
        let left = std::fs::read_dir(folder.path()).unwrap();
        let left: Vec<_> = left.map(|one| one.unwrap().file_name()).collect();
        assert_eq!(left, ["training.json"]);
        clear(&report);
    }

    #[test]
    fn a_finding_without_a_place_stands_on_what_configures_the_run() {
        let root = tempfile::tempdir().unwrap();
        let report = root.path().join("models/wine/.ml-deploy/report.json");
        std::fs::create_dir_all(report.parent().unwrap()).unwrap();
        let at = || configuration(&report, root.path());
        assert_eq!(at(), "ml-deploy.yml");
        std::fs::write(root.path().join(".gitlab-ci.yml"), "").unwrap();
        assert_eq!(at(), ".gitlab-ci.yml");
        std::fs::write(root.path().join("models/wine/Dockerfile"), "").unwrap();
        assert_eq!(at(), "models/wine/Dockerfile");
        // A report elsewhere says nothing about other people's folders.
        assert_eq!(
            configuration(Path::new("/etc/x/report.json"), root.path()),
            ".gitlab-ci.yml"
        );
    }

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
