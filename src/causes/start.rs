//! What the runtime itself says: killed for memory, a command that cannot be run, and what an exit code means.

use super::text;
use super::{Cause, Seen, ended, exception, memory_limit};
use crate::code::Code;

/// `OOMKilled`, with the limit of the manifest.
pub(super) fn killed_for_memory(seen: &Seen<'_>) -> Option<Cause> {
    if text(ended(seen)?, "/reason") != "OOMKilled" {
        return None;
    }
    let cause = match memory_limit(seen) {
        Some(limit) => Cause::new(
            Code::OutOfMemory,
            format!("it needs more memory than its limit of {limit}"),
        )
        .help(format!(
            "raise `resources.limits.memory` above {limit}, use fewer workers, or load a smaller model"
        )),
        None => Cause::new(
            Code::OutOfMemory,
            "it needs more memory than the node has left (no limit is set)",
        )
        .help("set `resources.requests.memory` to what the model needs, so that a node with room is chosen"),
    };
    Some(cause.field("resources.limits.memory"))
}

/// What the runtime says when it cannot make or start the container.
pub(super) fn refused(seen: &Seen<'_>) -> Option<Cause> {
    const REASONS: &[&str] = &[
        "StartError",
        "RunContainerError",
        "ContainerCannotRun",
        "CreateContainerError",
        "CreateContainerConfigError",
    ];
    // While it waits for the next try the state says only CrashLoopBackOff.
    let states = [
        "/state/waiting",
        "/state/terminated",
        "/lastState/terminated",
    ];
    let message = states.iter().find_map(|state| {
        let state = seen.container.pointer(state)?;
        let message = text(state, "/message");
        (REASONS.contains(&text(state, "/reason")) && !message.is_empty()).then_some(message)
    })?;
    let tail = tail(message);
    if message.contains("exec format error") {
        return Some(wrong_architecture(tail));
    }
    if message.contains("runAsNonRoot") || message.contains("run as non-root") {
        return Some(
            Cause::new(Code::PermissionDenied, message)
                .help("add `USER 1000` to the Dockerfile, or set `securityContext.runAsUser` to a number above 0")
                .field("securityContext.runAsNonRoot"),
        );
    }
    if message.contains("nvidia-container-cli") || message.contains("libnvidia-ml.so") {
        return Some(Cause::new(Code::CudaUnavailable, tail).field("resources.limits"));
    }
    if message.contains("executable file not found")
        || (message.contains("exec") && message.contains("no such file or directory"))
    {
        return Some(command_absent(tail));
    }
    if message.contains("permission denied") {
        return Some(
            Cause::new(Code::PermissionDenied, tail)
                .help("make the file executable in the image (`RUN chmod +x …`), or call it through its interpreter")
                .field("command"),
        );
    }
    None
}

/// The end of a runtime's message, which begins with everything that it tried.
fn tail(message: &str) -> &str {
    ["exec: ", "error during container init: "]
        .iter()
        .find_map(|mark| message.rfind(mark).map(|at| &message[at..]))
        .map_or(message, |tail| tail.trim_end_matches(": unknown"))
}

/// A program of another processor, or a script without its first line.
pub(super) fn wrong_architecture(what: &str) -> Cause {
    Cause::new(Code::ExecFormat, what)
        .help("build the image for the nodes' processor (`platforms: linux/amd64` or `linux/arm64`); a script needs `#!/bin/sh` as its first line")
        .field("image")
}

/// A command that is not in the image.
pub(super) fn command_absent(what: &str) -> Cause {
    Cause::new(Code::ContainerStart, what)
        .help("install the program in the image or correct the command; of a script the program in its first line must be there, and its lines must not end with CRLF")
        .field("command")
}

/// What an exit code usually means, when nothing else is known.
pub(super) fn exit_code(seen: &Seen<'_>) -> Option<Cause> {
    let code = ended(seen)?.get("exitCode")?.as_i64()?;
    Some(match code {
        // The probe is the reason, and who looks here knows it.
        137 | 143 if killed_by_probe(seen) => return None,
        126 => Cause::new(Code::ContainerStart, "its command cannot be executed (126)").field("command"),
        127 => Cause::new(Code::ContainerStart, "its command is not found (127)").field("command"),
        132 => Cause::new(None, "illegal instruction (SIGILL)").help(
            "a library in the image uses instructions that the node's processor does not have: use another build of it, or other nodes",
        ),
        134 => Cause::new(None, "a library gave up (SIGABRT)"),
        135 => Cause::new(None, "bus error (SIGBUS)").help(
            "most often `/dev/shm` is full: mount an `emptyDir` with `medium: Memory` there",
        ),
        137 if memory_limit(seen).is_some() => Cause::new(None, "it was killed (SIGKILL)"),
        137 => exception::out_of_memory(seen, "it was killed (SIGKILL), most often for memory").field("resources"),
        139 => Cause::new(None, "crash in native code (SIGSEGV)").help(
            "start Python with `-X faulthandler` to see where; most often native libraries of different versions meet",
        ),
        143 => Cause::new(None, "it was told to stop (SIGTERM)"),
        _ => return None,
    })
}

/// Whether the kubelet says that it kills the container because of a probe.
pub(super) fn killed_by_probe(seen: &Seen<'_>) -> bool {
    seen.events.iter().any(|event| {
        event.contains("failed liveness probe") || event.contains("failed startup probe")
    })
}
