//! What a Python exception means for the one who deploys. Each group of rules stands in a file of its own; here are the
//! ones about files, rights, memory, variables and devices.

use super::traceback::{Frame, Traceback};
use super::{Cause, Place, Seen, between, memory_limit, models, modules, network, quoted};
use crate::code::Code;

/// The cause of a traceback; its exception as it is when no rule knows it.
pub(super) fn recognise(seen: &Seen<'_>, raised: &Traceback) -> Cause {
    let (kind, message) = raised.parts();
    let what = if message.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}: {message}")
    };
    let known = cuda(&what, message)
        .or_else(|| models::recognise(seen, raised, &what))
        .or_else(|| modules::recognise(raised, &what))
        .or_else(|| memory(seen, kind, &what, message))
        .or_else(|| variable(raised, kind, &what, message))
        .or_else(|| file(raised, kind, &what, message))
        .or_else(|| network::recognise(kind, &what, message))
        .or_else(|| shared_memory(&what, message));
    let mut cause = known.unwrap_or_else(|| Cause::new(None, what));
    if raised.frames.iter().any(ours) {
        cause = cause.at(Place::Frames(raised.frames.clone()));
    }
    cause
}

/// Whether a frame may be of the user's own code.
pub(super) fn ours(frame: &Frame) -> bool {
    let file = frame.file.as_str();
    !file.starts_with('<')
        && !["site-packages", "dist-packages", "/lib/python", "/usr/bin/"]
            .iter()
            .any(|part| file.contains(part))
        && (file.starts_with('/') || file.ends_with(".py"))
}

/// Signs that the GPU, its driver or CUDA's libraries are not there. Frameworks also log some of these words when they
/// merely fall back to the processor, so only exceptions count.
pub(super) fn cuda(what: &str, message: &str) -> Option<Cause> {
    const DEVICE: &[&str] = &[
        "CUDA driver version is insufficient",
        "The NVIDIA driver on your system is too old",
        "Found no NVIDIA driver",
        "no CUDA-capable device is detected",
        "CUDA_ERROR_NO_DEVICE",
        "No CUDA GPUs are available",
        "no kernel image is available for execution",
        "torch.cuda.is_available() is False",
        "CUDA error: ",
    ];
    const LIBRARIES: &[&str] = &[
        "libcuda.so",
        "libcudart.so",
        "libcudnn",
        "libcublas",
        "libnvidia-",
        "libnvrtc",
    ];
    if message.contains("CUDA out of memory") {
        return Some(Cause::new(Code::CudaUnavailable, what).help(
            "the GPU's memory is full: load a smaller model or batch, or request a GPU that nobody else uses",
        ));
    }
    if message.contains("not compiled with CUDA") {
        return Some(Cause::new(Code::CudaUnavailable, what).help(
            "the image has the processor-only build: install the build for CUDA, or use the device `cpu`",
        ).at(Place::Requirements));
    }
    let library = message.contains("cannot open shared object file")
        && LIBRARIES.iter().any(|sign| message.contains(sign));
    if library || DEVICE.iter().any(|sign| message.contains(sign)) {
        let cause = Cause::new(Code::CudaUnavailable, what);
        return Some(if message.contains("is_available() is False") {
            cause.help("request `nvidia.com/gpu` for the container, or load with `map_location=\"cpu\"`")
        } else {
            cause
        }
        .field("resources.limits"));
    }
    None
}

fn memory(seen: &Seen<'_>, kind: &str, what: &str, message: &str) -> Option<Cause> {
    let full = matches!(kind, "MemoryError" | "_ArrayMemoryError")
        || message.contains("DefaultCPUAllocator: can't allocate memory")
        || message.starts_with("[Errno 12]");
    full.then(|| out_of_memory(seen, what))
}

/// Not enough memory, with the limit where there is one.
pub(super) fn out_of_memory(seen: &Seen<'_>, what: &str) -> Cause {
    let limit = match memory_limit(seen) {
        Some(limit) => format!("{what} (memory limit {limit})"),
        None => format!("{what} (no memory limit is set)"),
    };
    let cause = Cause::new(Code::OutOfMemory, limit);
    match memory_limit(seen) {
        Some(limit) => cause.help(format!(
            "raise `resources.limits.memory` above {limit}, use fewer workers, or load a smaller model"
        )),
        None => cause.help("use fewer workers, load a smaller model, or use nodes with more memory"),
    }
    .field("resources.limits.memory")
}

fn variable(raised: &Traceback, kind: &str, what: &str, message: &str) -> Option<Cause> {
    let last = raised.frames.last()?;
    let environment = last.function == "__getitem__"
        && (last.file == "<frozen os>" || last.file.ends_with("/os.py"));
    let name = match kind {
        "KeyError" if environment => quoted(message)?,
        "KeyError" => between(message, "Config '", "' is missing, and has no default")?,
        "UndefinedValueError" => message.split(" not found. Declare it as envvar").next()?,
        "ValidationError" => return settings(raised, what, message),
        _ => return None,
    };
    named(name, what)
}

/// Settings classes of pydantic read each field from a variable of the same name.
fn settings(raised: &Traceback, what: &str, message: &str) -> Option<Cause> {
    let class = message.rsplit(" for ").next()?;
    let [field, problem, ..] = raised.more.as_slice() else {
        return None;
    };
    let required = problem.trim_start().starts_with("Field required");
    (required && class.ends_with("Settings"))
        .then(|| named(&field.trim().to_uppercase(), what))
        .flatten()
}

/// A variable that is not set, unless the name cannot be one.
pub(super) fn named(name: &str, what: &str) -> Option<Cause> {
    let name = name.trim();
    let valid = !name.is_empty()
        && name.len() <= 100
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then(|| {
        let what = if what.contains(name) {
            what.to_owned()
        } else {
            format!("{what}: {name}")
        };
        Cause::new(
            Code::VariableMissing,
            format!("{what} (the environment variable is not set)"),
        )
        .help(format!(
            "set `{name}` under `env` of the container, or give it a default in the code"
        ))
        .field("env")
    })
}

fn file(raised: &Traceback, kind: &str, what: &str, message: &str) -> Option<Cause> {
    if kind == "PermissionError"
        || message.starts_with("[Errno 13]")
        || message.starts_with("[Errno 30]")
    {
        return Some(denied(what, raised.passes("socket")));
    }
    let absent = matches!(kind, "FileNotFoundError" | "NotADirectoryError")
        || message.starts_with("[Errno 2]")
        || message.starts_with("[Errno 20]");
    if !absent {
        return None;
    }
    let path = message
        .rsplit_once(": ")
        .and_then(|(_, path)| quoted(path))
        .unwrap_or_default();
    if raised.passes("subprocess.py") {
        return Some(
            Cause::new(Code::FileNotFound, what)
                .help(format!("install the program `{path}` in the image")),
        );
    }
    Some(Cause::new(Code::FileNotFound, what).help(format!(
        "COPY `{path}` into the image or mount it, and see that the working directory is the one that the path is relative to"
    )))
}

/// A right that is missing; `port` when it was about listening.
pub(super) fn denied(what: &str, port: bool) -> Cause {
    let cause = Cause::new(Code::PermissionDenied, what);
    if port {
        return cause
            .help("only root may listen below port 1024: listen on a higher port, such as 8080, and set `containerPort` and the Service's `targetPort` to it")
            .field("ports[0].containerPort");
    }
    if what.contains("ead-only file system") {
        return cause
            .help("mount an `emptyDir` where the service writes, or let it write to one that is there")
            .field("securityContext.readOnlyRootFilesystem");
    }
    cause
}

/// Worker processes of a data loader exchange their batches through `/dev/shm`, which has 64 MiB by default.
fn shared_memory(what: &str, message: &str) -> Option<Cause> {
    message.contains("out of shared memory").then(|| {
        Cause::new(None, what)
            .help("mount an `emptyDir` with `medium: Memory` at `/dev/shm`, or load without worker processes")
            .field("volumeMounts")
    })
}
