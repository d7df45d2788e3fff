//! Which interpreter an image starts with, told from its configuration when its processes cannot be asked. Pure, except that
//! it is given a way to read files of the image.

use crate::engine::ImageStart;

/// A guess, and how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) interpreter: String,
    pub(super) how: String,
}

/// Where environments are put by habit, besides `PATH`.
const HABITUAL: &[&str] = &[
    "/app/.venv/bin/python",
    "/opt/venv/bin/python",
    "/venv/bin/python",
    "/.venv/bin/python",
    "/opt/conda/bin/python",
    "/miniconda/bin/python",
    "/usr/local/bin/python3",
    "/usr/bin/python3",
];

/// Links of the chain from an entry point to an interpreter.
const DEEPEST: usize = 6;

/// Interpreters that may run our script, wherever the server's is; the likeliest first.
pub(super) fn helpers(start: &ImageStart) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let first = start.entrypoint.iter().chain(&start.command).next();
    found.extend(first.filter(|word| is_python(word)).cloned());
    found.extend(["python3".to_owned(), "python".to_owned()]);
    found.extend(own_environment(start));
    found.extend(HABITUAL.iter().map(|path| (*path).to_owned()));
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|path| seen.insert(path.clone()));
    found
}

/// The interpreters that the configuration leads to, best first. `read` gives the beginning of a file of the image.
pub(super) async fn guesses(
    start: &ImageStart,
    mut read: impl AsyncFnMut(&str) -> Option<String>,
) -> Vec<Guess> {
    let mut found = Vec::new();
    let mut words: Vec<String> = start
        .entrypoint
        .iter()
        .chain(&start.command)
        .cloned()
        .collect();
    for _ in 0..DEEPEST {
        words = program(&words);
        let Some(first) = words.first().cloned() else {
            break;
        };
        if is_python(&first) {
            found.push(guess(first, "the image's command"));
            break;
        }
        let mut text = None;
        for path in places(start, &first) {
            text = read(&path).await.map(|text| (path, text));
            if text.is_some() {
                break;
            }
        }
        let Some((path, text)) = text else { break };
        let Some(line) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else {
            break;
        };
        let line: Vec<&str> = line.split_whitespace().collect();
        let named = line.iter().find(|word| is_python(word));
        if let Some(interpreter) = named {
            found.push(guess(
                (*interpreter).to_owned(),
                &format!("the first line of {path}"),
            ));
            break;
        }
        // A script of the shell ends with the program that it becomes: its own, or the words it was given.
        let rest = words.split_off(1);
        words = match last_exec(&text) {
            Some(own) if !own.iter().any(|word| word == "$@") => own,
            _ => rest,
        };
    }
    found.extend(
        own_environment(start).map(|path| guess(path, "VIRTUAL_ENV or CONDA_PREFIX of the image")),
    );
    for name in ["python3", "python"] {
        found.push(guess(name.to_owned(), "PATH of the image"));
    }
    for path in HABITUAL {
        found.push(guess((*path).to_owned(), "its usual place"));
    }
    found
}

fn guess(interpreter: String, how: &str) -> Guess {
    Guess {
        interpreter,
        how: how.to_owned(),
    }
}

/// Whether the word is called like an interpreter.
pub(super) fn is_python(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or_default();
    let rest = name
        .strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

fn own_environment(start: &ImageStart) -> impl Iterator<Item = String> {
    let named = ["VIRTUAL_ENV", "CONDA_PREFIX"];
    let set = start
        .variables
        .iter()
        .filter(move |(name, value)| named.contains(&name.as_str()) && !value.is_empty());
    set.map(|(_, folder)| format!("{folder}/bin/python"))
}

/// Paths that a program's name stands for.
fn places(start: &ImageStart, program: &str) -> Vec<String> {
    if program.starts_with('/') {
        return vec![program.to_owned()];
    }
    let path = start.variables.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or("/usr/local/bin:/usr/bin:/bin", |(_, path)| path.as_str());
    let folders = path.split(':').filter(|folder| !folder.is_empty());
    folders
        .map(|folder| format!("{folder}/{program}"))
        .collect()
}

/// The program that really runs: what stands in `sh -c "…"`, after `exec`, `env` and assignments.
fn program(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    for _ in 0..DEEPEST {
        let Some(first) = words.first() else { break };
        let name = first.rsplit('/').next().unwrap_or_default();
        let shell = matches!(name, "sh" | "bash" | "dash" | "ash");
        let script = words.iter().skip(1).find(|word| !word.starts_with('-'));
        let inline = words
            .iter()
            .skip(1)
            .any(|word| word.starts_with('-') && word.ends_with('c'));
        if let (true, true, Some(script)) = (shell, inline, script) {
            words = last_command(script);
        } else if let (true, false, Some(script)) = (shell, inline, script) {
            let at = words.iter().position(|word| word == script).unwrap_or(1);
            words.drain(..at);
        } else if matches!(
            name,
            "exec" | "env" | "tini" | "dumb-init" | "--" | "-g" | "nohup"
        ) || first.contains('=')
        {
            words.remove(0);
        } else {
            break;
        }
    }
    words
}

/// The words after the last `&&` or `;`.
fn last_command(script: &str) -> Vec<String> {
    let last = script
        .split(['\n', ';'])
        .flat_map(|part| part.split("&&"))
        .filter(|part| !part.trim().is_empty())
        .last();
    shell_words::split(last.unwrap_or_default()).unwrap_or_default()
}

/// The words of the last line that begins with `exec`.
fn last_exec(script: &str) -> Option<Vec<String>> {
    let line = script
        .lines()
        .map(str::trim)
        .rfind(|line| line.starts_with("exec "))?;
    shell_words::split(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(entrypoint: &[&str], command: &[&str], variables: &[(&str, &str)]) -> ImageStart {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ImageStart {
            entrypoint: owned(entrypoint),
            command: owned(command),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..ImageStart::default()
        }
    }

    fn first(start: &ImageStart, files: &[(&str, &str)]) -> Guess {
        let read = async |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(guesses(start, read)).remove(0)
    }

    #[test]
    fn the_chain_from_the_entry_point_is_followed() {
        let path = [("PATH", "/app/.venv/bin:/usr/bin")];
        let gunicorn = (
            "/app/.venv/bin/gunicorn",
            "#!/app/.venv/bin/python\nimport sys\n",
        );
        let entry = ("/entry.sh", "#!/bin/sh\nset -e\nexec \"$@\"\n");
        let own = ("/entry.sh", "#!/bin/sh\nexec /srv/serve --port 1\n");
        let serve = ("/srv/serve", "#!/usr/bin/env python3.12\n");
        for (start, files, expected) in [
            (start(&[], &["python", "app.py"], &[]), vec![], "python"),
            (
                start(&[], &["gunicorn", "app:app"], &path),
                vec![gunicorn],
                "/app/.venv/bin/python",
            ),
            (
                start(&["/bin/sh", "-c"], &["cd /x && exec gunicorn a:b"], &path),
                vec![gunicorn],
                "/app/.venv/bin/python",
            ),
            (
                start(&["/entry.sh"], &["gunicorn", "a:b"], &path),
                vec![entry, gunicorn],
                "/app/.venv/bin/python",
            ),
            (
                start(&["sh", "/entry.sh"], &["x"], &path),
                vec![own, serve],
                "python3.12",
            ),
            (
                start(&["tini", "--"], &["A=1", "python3.11", "-m", "x"], &path),
                vec![],
                "python3.11",
            ),
        ] {
            assert_eq!(first(&start, &files).interpreter, expected, "{start:?}");
        }
    }

    #[test]
    fn without_a_chain_the_environment_and_the_path_are_left() {
        let venv = start(&[], &["/server"], &[("VIRTUAL_ENV", "/opt/env")]);
        assert_eq!(first(&venv, &[]).interpreter, "/opt/env/bin/python");
        assert_eq!(
            first(&start(&[], &["/server"], &[]), &[]).how,
            "PATH of the image"
        );
        assert_eq!(
            helpers(&start(&["/x/python3.12"], &[], &[]))[0],
            "/x/python3.12"
        );
        assert!(!is_python("python-app") && !is_python("gunicorn"));
    }
}
