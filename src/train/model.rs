//! The files that the training wrote: whether it wrote them, and their hash.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::code::Code;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

/// A model's files, measured.
#[derive(Debug)]
pub(super) struct Files {
    /// Absolute, links resolved.
    pub(super) path: PathBuf,
    /// A file: sha256 of its bytes, as `sha256sum` prints it. A folder: sha256 over its files sorted by the bytes of their
    /// relative path, each written as `<path>\0<length in decimal>\0<bytes>`. Times, owners and modes do not count. A link
    /// that leads out of the folder is not followed; it is written as `<path>\0-> <target>\0`.
    pub(super) sha256: String,
    /// Sum of the files' sizes.
    pub(super) bytes: u64,
}

/// One file under the model's path.
struct Entry {
    /// Relative, with `/`; empty for a model that is one file.
    relative: String,
    path: PathBuf,
    file: Metadata,
}

/// What lies at the path, in a form that differs after any write: even one of the same bytes, even one that puts the times
/// back (the change time cannot be set). `None` when there is no file.
pub(super) fn listing(path: &Path) -> Option<Vec<(String, u64, i64, i64)>> {
    let entries = entries(path).ok().filter(|entries| !entries.is_empty())?;
    Some(
        entries
            .into_iter()
            .map(|entry| {
                (
                    entry.relative,
                    entry.file.len(),
                    entry.file.ctime(),
                    entry.file.ctime_nsec(),
                )
            })
            .collect(),
    )
}

/// The failure for a model that lay there before and was not touched.
pub(super) fn untouched(ctx: &Context, path: &Path) -> Failure {
    let shown = ctx.workspace.relative(path);
    Failure::new(
        Code::ModelMissing,
        format!(
            "failed to find a new model: the training did not write to `{shown}`, what lies there is older"
        ),
    )
}

/// Hashes the model.
pub(super) async fn measure(ctx: &Context, path: &Path) -> Outcome<Files> {
    let shown = ctx.workspace.relative(path);
    let target = path.to_owned();
    match tokio::task::spawn_blocking(move || hash(&target)).await {
        Ok(Ok(files)) => Ok(files),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            let failure = Failure::new(
                Code::ModelMissing,
                format!("failed to find the model: there is no file at `{shown}`"),
            );
            Err(failure.evidence(
                nearby(path)
                    .into_iter()
                    .map(|found| format!("there is `{}`", ctx.workspace.relative(&found))),
            ))
        }
        Ok(Err(error)) => Err(Failure::new(
            Code::ModelMissing,
            format!("failed to read the model `{shown}`: {error}"),
        )),
        Err(error) => Err(Failure::new(
            Code::Internal,
            format!("failed to hash the model `{shown}`: {error}"),
        )),
    }
}

/// Files and folders beside the path that look like models, to point at a wrong `model`.
fn nearby(path: &Path) -> Vec<PathBuf> {
    const KINDS: &[&str] = &[
        "pkl",
        "joblib",
        "onnx",
        "pt",
        "pth",
        "h5",
        "keras",
        "safetensors",
        "skops",
        "cbm",
        "bst",
    ];
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let kind = path
                .extension()
                .and_then(|kind| kind.to_str())
                .unwrap_or_default();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            KINDS.contains(&kind) || (path.is_dir() && name.to_lowercase().contains("model"))
        })
        .collect();
    found.sort();
    found.truncate(5);
    found
}

fn hash(path: &Path) -> io::Result<Files> {
    let path = path.canonicalize()?;
    let entries = entries(&path)?;
    if entries.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut sha256 = Sha256::new();
    let mut bytes = 0;
    let mut chunk = vec![0; 1 << 20];
    for entry in &entries {
        if entry.file.is_symlink() {
            let target = fs::read_link(&entry.path)?;
            sha256.update(format!("{}\0-> {}\0", entry.relative, target.display()));
            continue;
        }
        if !entry.relative.is_empty() {
            sha256.update(format!("{}\0{}\0", entry.relative, entry.file.len()));
        }
        let mut file = File::open(&entry.path)?;
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            sha256.update(&chunk[..count]);
            bytes += count as u64;
        }
    }
    Ok(Files {
        path,
        sha256: crate::sha256::hex(&sha256.finalize()),
        bytes,
    })
}

/// All files, sorted by relative path.
fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let root = path.canonicalize()?;
    let file = root.metadata()?;
    if file.is_file() {
        return Ok(vec![Entry {
            relative: String::new(),
            path: root,
            file,
        }]);
    }
    let mut entries = Vec::new();
    walk(&root, &root, "", &mut entries)?;
    entries.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok(entries)
}

fn walk(root: &Path, folder: &Path, prefix: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let relative = if prefix.is_empty() {
            name.into_owned()
        } else {
            format!("{prefix}/{name}")
        };
        let own = path.symlink_metadata()?;
        // A link to a file of the model is that file; one to a folder, or out of the model, is only a link, which also ends circles.
        let inside = path
            .canonicalize()
            .is_ok_and(|target| target.starts_with(root) && target.is_file());
        let file = if own.is_symlink() && inside {
            path.metadata()?
        } else {
            own
        };
        if file.is_dir() {
            walk(root, &path, &relative, entries)?;
        } else if file.is_file() || file.is_symlink() {
            entries.push(Entry {
                relative,
                path,
                file,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_the_hash_that_sha256sum_prints() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.pkl");
        fs::write(&file, "abc").unwrap();
        let files = hash(&file).unwrap();
        assert_eq!(
            files.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(files.bytes, 3);
    }

    #[test]
    fn a_folder_is_its_paths_and_contents() {
        let make = |names: &[(&str, &str)]| {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in names {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            folder
        };
        let one = make(&[("a/b", "1"), ("c", "2")]);
        let same = make(&[("c", "2"), ("a/b", "1")]);
        let other = make(&[("a/b", "12"), ("c", "")]);
        let hash = |folder: &tempfile::TempDir| hash(folder.path()).unwrap().sha256;
        assert_eq!(hash(&one), hash(&same));
        assert_ne!(hash(&one), hash(&other));
        std::os::unix::fs::symlink("/etc/passwd", one.path().join("out")).unwrap();
        assert_ne!(hash(&one), hash(&same));
        std::os::unix::fs::symlink(".", one.path().join("circle")).unwrap();
        assert_eq!(super::hash(one.path()).unwrap().bytes, 2);
    }

    #[test]
    fn an_empty_folder_is_no_model_and_any_write_shows() {
        let folder = tempfile::tempdir().unwrap();
        assert!(listing(folder.path()).is_none());
        assert_eq!(
            hash(folder.path()).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let file = folder.path().join("m");
        fs::write(&file, "1").unwrap();
        let before = listing(folder.path());
        assert_eq!(before, listing(folder.path()));
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&file, "1").unwrap();
        assert_ne!(before, listing(folder.path()));
    }
}
