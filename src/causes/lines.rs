//! Errors that programs other than a Python traceback leave in one line: shells, the runtime, servers.
//! A line counts only when it has the form in which its program reports an error, so that a log may mention the words.

use super::{Cause, Seen, between, ended, exception, modules, network, quoted, start};
use crate::code::Code;

/// The cause that the line at `index` tells.
pub(super) fn recognise(seen: &Seen<'_>, index: usize) -> Option<Cause> {
    let line = seen.log.get(index)?.trim_end();
    shell(line)
        .or_else(|| interpreter(line))
        .or_else(|| gunicorn(seen, index, line))
        .or_else(|| uvicorn(line))
        .or_else(|| listening(line))
        .or_else(|| native(line))
        .or_else(|| killed(seen, index, line))
}

/// Whether a line begins as a shell, or the runtime itself, reports an error: `sh: 1: …`, `/app/start.sh: line 3: …`,
/// `exec /app/run: …`.
fn from_shell(line: &str) -> bool {
    let Some((speaker, _)) = line.split_once(": ") else {
        return false;
    };
    if speaker
        .strip_prefix("exec ")
        .is_some_and(|path| path.contains('/'))
    {
        return true;
    }
    let name = speaker.rsplit('/').next().unwrap_or_default();
    !speaker.contains(' ')
        && (matches!(
            name,
            "sh" | "bash" | "ash" | "dash" | "zsh" | "env" | "tini" | "dumb-init"
        ) || name.ends_with(".sh"))
}

fn shell(line: &str) -> Option<Cause> {
    // A small shell that cannot run a program takes it for a script, and stumbles over its first bytes.
    if line.contains(": \u{7f}ELF") && line.ends_with(": not found") {
        return Some(start::wrong_architecture(
            "the command is a program for another processor (exec format error)",
        ));
    }
    if !from_shell(line) {
        return None;
    }
    let lower = line.to_lowercase();
    let ends = |text: &str| lower.ends_with(text);
    if ends("exec format error") {
        return Some(start::wrong_architecture(line));
    }
    if ends(": not found") || ends("command not found") || ends(": no such file or directory") {
        return Some(start::command_absent(line));
    }
    if ends("permission denied") {
        let cause = exception::denied(line, false);
        let script = ["cannot create", "can't create", "cannot open", "can't open"]
            .iter()
            .any(|sign| lower.contains(sign));
        return Some(if script {
            cause
        } else {
            cause.help("make the file executable in the image (`RUN chmod +x …`), or call it through its interpreter")
        });
    }
    if ends("read-only file system") {
        return Some(exception::denied(line, false));
    }
    if ends("parameter not set") || ends("unbound variable") {
        let mut words = line.rsplit(": ").skip(1);
        return exception::named(words.next()?, line);
    }
    None
}

/// Python itself, before any script runs.
fn interpreter(line: &str) -> Option<Cause> {
    let (speaker, rest) = line.split_once(": ")?;
    let python = speaker.rsplit('/').next()?.starts_with("python") && !speaker.contains(' ');
    if !python {
        return None;
    }
    if let Some(rest) = rest.strip_prefix("can't open file ") {
        let path = quoted(rest)?;
        let code = if rest.contains("[Errno 13]") {
            Code::PermissionDenied
        } else {
            Code::FileNotFound
        };
        return Some(
            Cause::new(code, line)
                .help(format!(
                    "COPY it to `{path}` in the image, or correct the command"
                ))
                .field("command"),
        );
    }
    // `python -m serve`
    rest.strip_prefix("No module named ")
        .or_else(|| between(rest, "(ModuleNotFoundError: No module named ", ")"))
        .map(|module| modules::missing(module.trim_matches('\''), rest, line))
}

fn gunicorn(seen: &Seen<'_>, index: usize, line: &str) -> Option<Cause> {
    if line.starts_with("Error: can't chdir to ") {
        return Some(
            Cause::new(Code::FileNotFound, line)
                .help("correct `--chdir`, or COPY the application there")
                .field("command"),
        );
    }
    if line.starts_with("Failed to find attribute ")
        || line.starts_with("Failed to find application object ")
    {
        return Some(
            Cause::new(Code::ContainerStart, line)
                .help("name the module and its application in the command, as in `serve:app`")
                .field("command"),
        );
    }
    let (_, said) = line.split_once("[ERROR] ")?;
    if said.contains("was sent SIGKILL! Perhaps out of memory?") {
        let pid = between(said, "(pid:", ")")?;
        // gunicorn says the same of a worker that it killed itself.
        let silent =
            seen.log.iter().take(index).any(|line| {
                line.contains("WORKER TIMEOUT") && line.contains(&format!("(pid:{pid})"))
            });
        return Some(if silent {
            Cause::new(None, format!("gunicorn killed worker {pid}, which did not answer for the time of `--timeout`"))
                .help("load the model faster or before the fork (`--preload`), or raise gunicorn's `--timeout`")
        } else {
            exception::out_of_memory(seen, said)
        });
    }
    if said.starts_with("Connection in use: ") {
        return Some(network::in_use(said));
    }
    (said.starts_with("connection to ") && said.ends_with("Permission denied"))
        .then(|| exception::denied(said, true))
}

fn uvicorn(line: &str) -> Option<Cause> {
    let said = line.strip_prefix("ERROR:")?.trim_start();
    if let Some(rest) = said.strip_prefix("Error loading ASGI app. ") {
        if rest.starts_with("Could not import module ") {
            return Some(modules::missing(quoted(rest)?, "", rest));
        }
        return Some(
            Cause::new(Code::ContainerStart, rest)
                .help("name the module and its application in the command, as in `serve:app`")
                .field("command"),
        );
    }
    if said.starts_with("[Errno ") && said.contains("attempting to bind on address") {
        return Some(if said.starts_with("[Errno 13]") {
            exception::denied(said, true)
        } else {
            network::in_use(said)
        });
    }
    None
}

/// Ports, as Flask, nginx, Node and Go report them.
fn listening(line: &str) -> Option<Cause> {
    if line == "Address already in use"
        || (line.starts_with("Port ") && line.contains(" is in use by another program"))
        || line.starts_with("Error: listen EADDRINUSE")
    {
        return Some(network::in_use(line));
    }
    if line.starts_with("Error: listen EACCES") {
        return Some(exception::denied(line, true));
    }
    let bind = (line.contains("[emerg]") && line.contains("bind() to "))
        || (line.contains("listen tcp ") && line.contains(": bind: "));
    if !bind {
        return None;
    }
    if line.contains("ermission denied") {
        return Some(exception::denied(line, true));
    }
    line.contains("ddress already in use")
        .then(|| network::in_use(line))
}

/// Uncaught errors of native code and of the JVM.
fn native(line: &str) -> Option<Cause> {
    if let Some(what) = line.trim_start().strip_prefix("what():  ") {
        return exception::cuda(what, what);
    }
    let thrown = line.starts_with("Exception in thread ") || line.starts_with("java.lang.");
    (thrown && line.contains("java.lang.OutOfMemoryError")).then(|| {
        Cause::new(Code::OutOfMemory, line)
            .help("raise `-Xmx` together with `resources.limits.memory`, or load a smaller model")
            .field("resources.limits.memory")
    })
}

/// A shell says `Killed` of its child, and nothing more.
fn killed(seen: &Seen<'_>, index: usize, line: &str) -> Option<Cause> {
    let last = seen
        .log
        .iter()
        .skip(index + 1)
        .all(|line| line.trim().is_empty());
    let word = line == "Killed" || (from_shell(line) && line.contains(" Killed "));
    let code = ended(seen)?.get("exitCode")?.as_i64()?;
    (last && word && code == 137)
        .then(|| exception::out_of_memory(seen, "a process was killed, most often for memory"))
}
