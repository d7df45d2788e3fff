//! The build context as a stream of tar: the folder's files but for what `.dockerignore` leaves out, in bounded memory.
//! Times, modes and links are kept; owners are not. It knows no engine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::ignore::Rules;

/// Bytes of one chunk; 16 of them are in flight at most.
const CHUNK: usize = 256 << 10;

/// What to send.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) folder: PathBuf,
    pub(crate) rules: Rules,
    /// The Dockerfile's name in the archive when its text is not the file of that name: it lies outside, or was cut.
    pub(crate) dockerfile: Option<(String, String)>,
    /// Paths that are sent whatever the rules say.
    pub(crate) always: Vec<String>,
    /// Only these paths and what lies in them; patterns are allowed. `None`: everything.
    pub(crate) only: Option<Rules>,
}

/// Reads the rules: `<Dockerfile>.dockerignore` beside the Dockerfile, else `.dockerignore` in the context.
///
/// # Errors
/// The file, the line (0 when unknown) and why.
pub(crate) fn rules(context: &Path, dockerfile: &Path) -> Result<Rules, (PathBuf, u32, String)> {
    let mut beside = dockerfile.as_os_str().to_owned();
    beside.push(".dockerignore");
    for path in [PathBuf::from(beside), context.join(".dockerignore")] {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                return Rules::parse(&text).map_err(|(line, pattern)| {
                    (path, line, format!("`{pattern}` is not a pattern"))
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err((path, 0, error.to_string())),
        }
    }
    Ok(Rules::default())
}

impl Archive {
    /// Starts to read the folder on a thread of its own. The task ends with the first error, or when nobody listens.
    pub(crate) fn stream(
        self,
    ) -> (
        mpsc::Receiver<io::Result<Bytes>>,
        tokio::task::JoinHandle<anyhow::Result<()>>,
    ) {
        let (sender, receiver) = mpsc::channel(16);
        let task = tokio::task::spawn_blocking(move || {
            let pipe = Pipe {
                sender: sender.clone(),
                buffer: Vec::with_capacity(CHUNK),
            };
            let result = self.write(pipe);
            if let Err(error) = &result {
                // The body must break off: a short archive would look like a whole one.
                drop(sender.blocking_send(Err(io::Error::other(error.to_string()))));
            }
            result
        });
        (receiver, task)
    }

    /// Whether a path, relative with `/`, is part of the context. Reports and state of ours never are: they change with every run,
    /// and `COPY . .` would neither be cached nor keep them out of the image. Nor is the login that Google's action leaves there.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let login = |part: &str| part.starts_with("gha-creds-") && part.ends_with(".json");
        let ours = path
            .split('/')
            .any(|part| part == ".ml-deploy" || login(part));
        self.always.iter().any(|name| name == path)
            || (!ours
                && !self.rules.excludes(path)
                && self.only.as_ref().is_none_or(|only| only.excludes(path)))
    }

    fn write(self, pipe: Pipe) -> anyhow::Result<()> {
        let mut tar = tar::Builder::new(pipe);
        tar.mode(tar::HeaderMode::Complete);
        tar.follow_symlinks(false);
        if let Some((name, text)) = &self.dockerfile {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes())?;
        }
        self.folder(&mut tar, &mut PathBuf::new())?;
        let mut pipe = tar.into_inner()?;
        pipe.flush()?;
        Ok(())
    }

    fn folder(&self, tar: &mut tar::Builder<Pipe>, relative: &mut PathBuf) -> anyhow::Result<()> {
        let path = self.folder.join(&*relative);
        let story = || format!("failed to read `{}`", path.display());
        let mut entries = std::fs::read_dir(&path)
            .with_context(story)?
            .collect::<io::Result<Vec<_>>>()
            .with_context(story)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            relative.push(entry.file_name());
            self.entry(tar, relative, &entry)?;
            relative.pop();
        }
        Ok(())
    }

    fn entry(
        &self,
        tar: &mut tar::Builder<Pipe>,
        relative: &mut PathBuf,
        entry: &std::fs::DirEntry,
    ) -> anyhow::Result<()> {
        let name = relative.to_string_lossy().replace('\\', "/");
        if self
            .dockerfile
            .as_ref()
            .is_some_and(|(own, _)| *own == name)
        {
            return Ok(());
        }
        let path = entry.path();
        let story = || format!("failed to read `{}`", path.display());
        let kept = self.holds(&name);
        let kind = entry.file_type().with_context(story)?;
        if kind.is_dir() {
            let below = || {
                let inside = format!("{name}/");
                self.rules.may_return_below(&name)
                    || self.always.iter().any(|one| one.starts_with(&inside))
            };
            if kept {
                append(tar, relative, &path)?;
            }
            // A folder outside of a selection is still walked: the selection may name something in it.
            if kept || below() || (self.only.is_some() && !self.rules.excludes(&name)) {
                self.folder(tar, relative)?;
            }
            return Ok(());
        }
        // Sockets, pipes and devices are not part of a context.
        if kept && (kind.is_file() || kind.is_symlink()) {
            append(tar, relative, &path)?;
        }
        Ok(())
    }
}

fn append(tar: &mut tar::Builder<Pipe>, name: &Path, path: &Path) -> anyhow::Result<()> {
    let story = || format!("failed to send `{}`", path.display());
    let metadata = std::fs::symlink_metadata(path).with_context(story)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&metadata);
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_symlink() {
        let target = std::fs::read_link(path).with_context(story)?;
        header.set_size(0);
        tar.append_link(&mut header, name, target)
            .with_context(story)
    } else if metadata.is_dir() {
        header.set_size(0);
        tar.append_data(&mut header, name, io::empty())
            .with_context(story)
    } else {
        // A file that grows or shrinks meanwhile must not break the archive: exactly as much as was announced is sent.
        let file = std::fs::File::open(path).with_context(story)?;
        let length = metadata.len();
        header.set_size(length);
        let padded = io::Read::take(io::Read::chain(file, io::repeat(0)), length);
        tar.append_data(&mut header, name, padded)
            .with_context(story)
    }
}

/// Collects what the archive writes into chunks and hands them over; a full channel makes it wait.
#[derive(Debug)]
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(data);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender
            .blocking_send(Ok(Bytes::from(chunk)))
            .map_err(|_| {
                io::Error::new(
                    io::ErrorKind::BrokenPipe,
                    "the engine does not listen any more",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn names(archive: Archive) -> Vec<String> {
        let (mut chunks, task) = archive.stream();
        let mut data = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            data.extend_from_slice(&chunk.unwrap());
        }
        task.await.unwrap().unwrap();
        let mut tar = tar::Archive::new(data.as_slice());
        let entries = tar.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect()
    }

    #[tokio::test]
    async fn what_is_ignored_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for path in [
            "Dockerfile",
            ".dockerignore",
            "app.py",
            "data/a.csv",
            "data/keep/b.csv",
            "src/x.py",
            ".ml-deploy/report.json",
            "src/gha-creds-0a1b.json",
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink("app.py", root.join("link")).unwrap();
        std::fs::write(
            root.join(".dockerignore"),
            "data\n!data/keep\nDockerfile\n.dockerignore\n",
        )
        .unwrap();
        let archive = |only| Archive {
            folder: root.to_owned(),
            rules: rules(root, &root.join("Dockerfile")).unwrap(),
            dockerfile: None,
            always: vec!["Dockerfile".to_owned()],
            only,
        };
        let found = names(archive(None)).await;
        assert_eq!(
            found,
            [
                "Dockerfile",
                "app.py",
                "data/keep",
                "data/keep/b.csv",
                "link",
                "src",
                "src/x.py"
            ]
        );
        let only = Rules::parse("src/*.py").unwrap();
        assert_eq!(names(archive(Some(only))).await, ["Dockerfile", "src/x.py"]);
    }
}
