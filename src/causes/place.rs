//! From a place as the container knows it to a file and a line of the user's repository: frames by the longest suffix of
//! their path, modules and versions by the requirements that the Dockerfile installs. Fields of a manifest are the caller's.

use std::path::{Path, PathBuf};

use super::traceback::Frame;
use super::{Cause, Place, ours};
use crate::context::Workspace;
use crate::diagnostic::Location;

/// Folders and files that are looked at for a frame whose path in the image is another one than in the repository.
const MOST: usize = 2_000;
const DEPTH: usize = 4;

/// A place in the repository, and better advice when looking there gave one.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) at: Option<Location>,
    pub(crate) help: Option<String>,
}

/// The first place of a cause that exists. `field` finds a field of the container in its manifest, where there is one.
pub(crate) fn resolve(
    cause: &Cause,
    workspace: &Workspace,
    field: impl Fn(&str) -> Option<Location>,
) -> Found {
    for place in &cause.places {
        let found = match place {
            Place::Module(name) => module(workspace, name),
            Place::Requirements => Found {
                at: requirements(workspace),
                help: None,
            },
            Place::Frames(frames) => Found {
                at: frame(workspace, frames),
                help: None,
            },
            Place::Field(path) => Found {
                at: field(path),
                help: None,
            },
        };
        if found.at.is_some() {
            return found;
        }
    }
    Found::default()
}

/// The innermost frame of the user's own code that is a file of the repository with that many lines.
fn frame(workspace: &Workspace, frames: &[Frame]) -> Option<Location> {
    frames
        .iter()
        .rev()
        .filter(|frame| ours(frame))
        .find_map(|frame| {
            let long_enough = |path: &PathBuf| {
                let lines = std::fs::read_to_string(path).map_or(0, |text| text.lines().count());
                usize::try_from(frame.line).is_ok_and(|line| line <= lines)
            };
            let parts: Vec<&str> = frame
                .file
                .split('/')
                .filter(|part| !part.is_empty() && *part != "." && *part != "..")
                .collect();
            let found = (0..parts.len()).find_map(|skip| {
                let suffix: PathBuf = parts[skip..].iter().collect();
                [&workspace.folder, &workspace.root]
                    .into_iter()
                    .map(|folder| folder.join(&suffix))
                    .find(|path| path.is_file())
            });
            let path = found.or_else(|| only(workspace, &parts))?;
            long_enough(&path).then(|| workspace.locate(&path, frame.line))
        })
}

/// The only file below the working directory whose path ends like this; none when there are several.
fn only(workspace: &Workspace, parts: &[&str]) -> Option<PathBuf> {
    let mut files = Vec::new();
    walk(&workspace.folder, DEPTH, &mut files);
    (0..parts.len()).find_map(|skip| {
        let suffix: PathBuf = parts[skip..].iter().collect();
        let mut ending = files.iter().filter(|file| file.ends_with(&suffix));
        let first = ending.next()?;
        ending.next().is_none().then(|| first.clone())
    })
}

/// Python files below a folder, without environments and hidden folders.
fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if files.len() >= MOST {
            return;
        }
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let foreign = name.starts_with('.')
            || matches!(&*name, "venv" | "node_modules" | "site-packages" | "target");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !foreign && depth > 0 => walk(&path, depth - 1, files),
            Ok(kind) if kind.is_file() && name.ends_with(".py") => files.push(path),
            _ => {}
        }
    }
}

/// A module of the user's own that was not copied, else the requirements.
fn module(workspace: &Workspace, name: &str) -> Found {
    let own = [
        format!("{name}.py"),
        format!("{name}/__init__.py"),
        format!("src/{name}/__init__.py"),
    ];
    let own = own
        .iter()
        .find(|file| workspace.folder.join(file).is_file());
    if let Some(own) = own {
        let shown = own.trim_end_matches("/__init__.py");
        return Found {
            at: copy(workspace).or_else(|| Some(workspace.locate(&workspace.folder.join(own), 0))),
            help: Some(format!(
                "`{shown}` is in the repository, but not where the service looks in the image: COPY it there (`.dockerignore` must not leave it out)"
            )),
        };
    }
    Found {
        at: requirements(workspace),
        help: None,
    }
}

/// Lines of the Dockerfile, with their numbers, comments left out; none when it cannot be read.
fn dockerfile(workspace: &Workspace) -> Vec<(u32, String)> {
    let text = std::fs::read_to_string(&workspace.dockerfile).unwrap_or_default();
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim_start().starts_with('#'))
        .map(|(line, number)| (number, line.to_owned()));
    lines.collect()
}

/// The last COPY of the Dockerfile that takes from the context.
fn copy(workspace: &Workspace) -> Option<Location> {
    let lines = dockerfile(workspace);
    let (line, _) = lines.iter().rfind(|(_, line)| {
        let word = line.split_whitespace().next().unwrap_or_default();
        word.eq_ignore_ascii_case("COPY") && !line.contains("--from=")
    })?;
    Some(workspace.locate(&workspace.dockerfile, *line))
}

/// The last line of the requirements that the image installs, else the instruction that installs without a file.
fn requirements(workspace: &Workspace) -> Option<Location> {
    // A Dockerfile in a folder of its own often has its requirements beside it.
    let beside = workspace.dockerfile.parent().unwrap_or(&workspace.folder);
    let found = |file: &str| {
        [workspace.folder.as_path(), beside]
            .iter()
            .find_map(|folder| last_line(workspace, &folder.join(file)))
    };
    let mut installs = None;
    for (number, line) in &dockerfile(workspace) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            if let [flag, file] = pair
                && matches!(*flag, "-r" | "--requirement" | "--requirements")
                && let Some(at) = found(file.rsplit('/').next().unwrap_or(file))
            {
                return Some(at);
            }
        }
        if line.contains("pip install") || line.contains("uv add") || line.contains("uv sync") {
            installs = Some(workspace.locate(&workspace.dockerfile, *number));
        }
    }
    installs.or_else(|| {
        ["requirements-serve.txt", "requirements.txt"]
            .into_iter()
            .find_map(found)
    })
}

/// The last line of a file that is not empty.
fn last_line(workspace: &Workspace, path: &Path) -> Option<Location> {
    let text = std::fs::read_to_string(path).ok()?;
    let (_, number) = text
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .last()?;
    Some(workspace.locate(path, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Self(folder)
        }

        fn workspace(&self) -> Workspace {
            Workspace::at(self.0.path())
        }

        fn frame(&self, frames: &[(&str, u32)]) -> String {
            let frames: Vec<Frame> = frames
                .iter()
                .map(|(file, line)| Frame {
                    file: (*file).to_owned(),
                    line: *line,
                    function: String::new(),
                })
                .collect();
            let found = frame(&self.workspace(), &frames);
            found.map_or(String::new(), |at| at.to_string())
        }
    }

    #[test]
    fn a_frame_is_the_longest_suffix_that_exists() {
        let repository = Repository::new(&[
            ("serve.py", "a\nb\n"),
            ("app/serve.py", "a\nb\nc\n"),
            ("src/wine/model.py", "a\n"),
            ("one/same.py", "a\n"),
            ("two/same.py", "a\n"),
        ]);
        assert_eq!(
            repository.frame(&[("/srv/app/serve.py", 3)]),
            "app/serve.py:3"
        );
        assert_eq!(repository.frame(&[("/code/serve.py", 2)]), "serve.py:2");
        assert_eq!(
            repository.frame(&[("/app/wine/model.py", 1)]),
            "src/wine/model.py:1"
        );
        let library = "/usr/lib/python3/dist-packages/serve.py";
        assert_eq!(
            repository.frame(&[("/code/serve.py", 1), (library, 2), ("<frozen os>", 1)]),
            "serve.py:1"
        );
        // Another file of the same name, or several: no place is better than a wrong one.
        assert_eq!(repository.frame(&[("/code/serve.py", 90)]), "");
        assert_eq!(repository.frame(&[("/code/same.py", 1)]), "");
        assert_eq!(repository.frame(&[("/code/other.py", 1)]), "");
    }

    #[test]
    fn a_module_is_the_users_own_or_a_requirement() {
        let repository = Repository::new(&[
            ("features.py", "x"),
            (
                "Dockerfile",
                "FROM x\nCOPY requirements-serve.txt /tmp/\nRUN pip install -r /tmp/requirements-serve.txt\nCOPY serve.py .\n",
            ),
            ("requirements-serve.txt", "flask\ngunicorn\n\n"),
            ("requirements.txt", "pandas\n"),
        ]);
        let own = module(&repository.workspace(), "features");
        assert_eq!(own.at.unwrap().to_string(), "Dockerfile:4");
        assert!(own.help.unwrap().contains("`features.py`"));
        let other = module(&repository.workspace(), "sklearn");
        assert_eq!(other.at.unwrap().to_string(), "requirements-serve.txt:2");
        assert!(other.help.is_none());
        let inline = Repository::new(&[("Dockerfile", "FROM x\nRUN pip install flask\n")]);
        assert_eq!(
            requirements(&inline.workspace()).unwrap().to_string(),
            "Dockerfile:2"
        );
        assert_eq!(requirements(&Repository::new(&[]).workspace()), None);
    }

    #[test]
    fn the_dockerfile_is_the_one_that_the_inputs_name() {
        let repository = Repository::new(&[
            ("Dockerfile", "FROM x\nRUN pip install other\n"),
            (
                "docker/serve.Dockerfile",
                "FROM x\nCOPY . .\nRUN pip install -r docker/serve.txt\n",
            ),
            ("docker/serve.txt", "flask\n"),
            ("features.py", "x"),
        ]);
        let workspace = Workspace {
            dockerfile: repository.0.path().join("docker/serve.Dockerfile"),
            ..repository.workspace()
        };
        let at = |found: Option<Location>| found.unwrap().to_string();
        assert_eq!(at(requirements(&workspace)), "docker/serve.txt:1");
        assert_eq!(
            at(module(&workspace, "features").at),
            "docker/serve.Dockerfile:2"
        );
        let root = Path::new("/w");
        for (context, file, wanted) in [
            (".", None, "/w/./Dockerfile"),
            ("app", None, "/w/app/Dockerfile"),
            ("app", Some("ops/Dockerfile"), "/w/ops/Dockerfile"),
        ] {
            assert_eq!(
                Workspace::dockerfile(root, context, file),
                Path::new(wanted)
            );
        }
    }
}
