//! The texts of a repository, within bounds: what .gitignore leaves out, what is big, and what is deep is not looked at.

use std::path::Path;

/// Files looked at, bytes a file, folders down.
const MOST_FILES: usize = 5_000;
const MOST_BYTES: u64 = 256 * 1024;
const DEEPEST: usize = 5;

/// A text file.
pub(super) struct Text {
    /// Relative to the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Text {
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The folder it lies in; empty for the repository itself.
    pub(super) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// What lies in the repository.
pub(super) struct Files {
    /// Texts of the kinds that tell something, those nearest to the root first.
    pub(super) texts: Vec<Text>,
    /// Paths of data files, such as `data/train.csv`.
    pub(super) data: Vec<String>,
    /// Every other file that was seen, by path.
    pub(super) paths: Vec<String>,
}

/// Walks the folder; what cannot be read is left out.
pub(super) fn walk(folder: &Path) -> Files {
    let walk = ignore::WalkBuilder::new(folder)
        .max_depth(Some(DEEPEST))
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| {
            !matches!(
                entry.file_name().to_str(),
                Some(".git" | ".ml-deploy" | ".venv" | "node_modules")
            )
        })
        .build();
    let mut seen: Vec<(String, std::path::PathBuf)> = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .take(MOST_FILES)
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(folder).ok()?.to_str()?;
            Some((path.replace('\\', "/"), entry.path().to_owned()))
        })
        .collect();
    seen.sort_by_key(|(path, _)| (path.matches('/').count(), path.clone()));
    let mut files = Files {
        texts: Vec::new(),
        data: Vec::new(),
        paths: Vec::new(),
    };
    for (path, full) in seen {
        if tells(&path) && std::fs::metadata(&full).is_ok_and(|file| file.len() <= MOST_BYTES) {
            if let Ok(text) = fs_err::read_to_string(&full) {
                files.texts.push(Text {
                    path: path.clone(),
                    text,
                });
            }
        } else if [".csv", ".parquet", ".feather", ".npz"]
            .iter()
            .any(|kind| path.ends_with(kind))
        {
            files.data.push(path.clone());
        }
        files.paths.push(path);
    }
    files
}

/// Whether a file's text may tell how the repository trains, builds or deploys.
fn tells(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    [".py", ".yaml", ".yml", ".toml", ".jsonl"]
        .iter()
        .any(|kind| name.ends_with(kind))
        || name.starts_with("Dockerfile")
        || matches!(name, ".python-version" | "requirements.txt")
}
