# Prints, as JSON, what this interpreter is and which distributions it sees. Standard library only, Python 3.8 or newer.
import sys

# Nothing that lies in the current folder may stand in for the standard library; but what is installed there counts.
here = sys.path[:1] if sys.path[:1] == [""] else []
del sys.path[: len(here)]

import hashlib
import json
import os
import platform
import re
from importlib import metadata
from importlib.machinery import PathFinder

sys.path[:0] = here

# Differ from installer to installer and from place to place although the code is the same.
OWN = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json"}
# Change results although all versions are the same.
NUMBERS = (
    "ATEN_CPU_CAPABILITY BLIS_ARCH_TYPE BLIS_NUM_THREADS CUBLAS_WORKSPACE_CONFIG CUDA_VISIBLE_DEVICES DNNL_MAX_CPU_ISA "
    "JAX_DEFAULT_MATMUL_PRECISION JAX_ENABLE_X64 JAX_PLATFORMS KERAS_BACKEND LC_ALL LC_NUMERIC MKL_CBWR MKL_DEBUG_CPU_TYPE "
    "MKL_ENABLE_INSTRUCTIONS MKL_NUM_THREADS NPY_DISABLE_CPU_FEATURES NVIDIA_TF32_OVERRIDE OMP_DYNAMIC OMP_NUM_THREADS "
    "OMP_SCHEDULE ONEDNN_MAX_CPU_ISA OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS PYTHONHASHSEED TF_CUDNN_DETERMINISTIC "
    "TF_DETERMINISTIC_OPS TF_ENABLE_ONEDNN_OPTS TF_USE_LEGACY_KERAS TF_XLA_FLAGS TZ XLA_FLAGS"
).split()
# Libraries that wheels bring along: `numpy.libs/libscipy_openblas64_-ff651d7f.so`, `scikit_learn.libs/libgomp-a34b3233.so.1`.
BUNDLED = re.compile(r"(?:^|/)lib(?:scipy_)?(openblas|mkl_rt|blis|flexiblas|gomp|iomp5|omp(?=[.-]))[^/]*\.(?:so|dylib|dll)")
OPENMP = ("gomp", "iomp5", "omp")


def record_paths(record):
    for line in record.splitlines():
        yield line, line.rsplit(",", 2)[0].strip('"').replace("\\", "/")


def record_sha256(record):
    kept = []
    for line, path in record_paths(record):
        parts = path.split("/")
        ours = len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in OWN
        # Programs in bin/ carry the environment's path in their first line; bytecode depends on who compiled it.
        if not (ours or path.startswith(("../", "/", "bin/")) or path.endswith(".pyc")):
            kept.append(line)
    return hashlib.sha256("\n".join(sorted(kept)).encode("utf-8", "surrogateescape")).hexdigest()


def modules(distribution, record):
    """Names that it can be imported by: `sklearn`, or `google.protobuf` where several share the first part."""
    code = [p for _, p in record_paths(record or "") if p.endswith((".py", ".so", ".pyd")) and not p.startswith((".", "/"))]
    whole = {p.split("/")[0] for p in code if p.count("/") == 1 and p.endswith("/__init__.py")}
    found = set()
    for path in code:
        parts = path.split("/")
        if len(parts) == 1:
            found.add(parts[0].split(".")[0])
        elif parts[0] in whole:
            found.add(parts[0])
        elif "." not in parts[0] and parts[0] != "bin":
            found.add(parts[0] + "." + parts[1].split(".")[0])
    if not found:
        found = set((distribution.read_text("top_level.txt") or "").split())
    return sorted(found)[:200]


def direct_url(distribution):
    try:
        source = json.loads(distribution.read_text("direct_url.json") or "{}")
        commit = source.get("vcs_info", {}).get("commit_id")
        hashed = source.get("archive_info", {}).get("hash")
        return commit or hashed or ("editable" if source.get("dir_info", {}).get("editable") else "")
    except (ValueError, AttributeError):
        return ""


def requires(distribution):
    names = set()
    for text in distribution.requires or ():
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name and not re.search(r"\bextra\s*[=!]=", text):
            names.add(normal(name.group()))
    return sorted(names)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def hidden_by(place, names):
    """A module of somebody else that is imported instead of the distribution's: `numpy.py` beside the server."""
    root = os.path.realpath(os.path.dirname(place)) + os.sep
    for name in names:
        try:
            spec = None if "." in name else PathFinder.find_spec(name)
            origin = os.path.realpath(spec.origin) if spec and spec.origin else root
        except (ImportError, OSError, ValueError, AttributeError):
            continue
        if not origin.startswith(root) and not re.search(r"/(site|dist)-packages/", origin):
            return origin
    return ""


def conda():
    """Packages of conda below this interpreter: (name, version, build, path of its description)."""
    folder = os.path.join(sys.prefix, "conda-meta")
    try:
        entries = sorted(os.listdir(folder))[:5000]
    except OSError:
        return
    for entry in entries:
        parts = entry[: -len(".json")].rsplit("-", 2) if entry.endswith(".json") else []
        if len(parts) == 3:
            yield (*parts, os.path.join(folder, entry))


def of_conda(name, version, path):
    """A package of Python that conda installed without the metadata of Python."""
    try:
        if os.path.getsize(path) > 1 << 24:
            return None
        with open(path, encoding="utf-8", errors="replace") as file:
            described = json.load(file)
        files = [str(one).split("site-packages/", 1)[1] for one in described.get("files", ()) if "site-packages/" in str(one)]
        needs = [str(one).split()[0] for one in described.get("depends", ()) if str(one).strip()]
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    found = {one.split("/")[0].split(".")[0] for one in files if one.endswith((".py", ".so")) and one.count("/") < 2}
    return found and {
        "name": normal(name),
        "version": version,
        "record_sha256": "",
        "modules": sorted(found)[:200],
        "requires": sorted({normal(one) for one in needs}),
        "source": "",
        "shadows": [],
        "hidden_by": "",
    }


def numerics(bundled):
    """Libraries that multiply matrices and share work among threads, and who brings them."""
    found = [{"kind": "OpenMP" if one in OPENMP else "BLAS", "library": one, "by": by} for by, one in bundled]
    packages = {name: build for name, _, build, _ in conda()}
    blas = (packages.get("libblas") or packages.get("blas") or "").lower()
    for library in ("openblas", "mkl", "blis", "accelerate", "netlib"):
        if library in blas:
            found.append({"kind": "BLAS", "library": "mkl_rt" if library == "mkl" else library, "by": "conda"})
    threads = packages.get("_openmp_mutex", "")
    for library, here in (
        ("gomp", "gnu" in threads or not threads and "libgomp" in packages),
        ("omp", "llvm" in threads or not threads and "llvm-openmp" in packages),
        ("iomp5", "intel" in threads or not threads and "intel-openmp" in packages),
    ):
        if here:
            found.append({"kind": "OpenMP", "library": library, "by": "conda"})
    # Debian and its kin choose one for the whole system.
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"):
        path = os.path.join(folder, "libblas.so.3")
        if not packages and os.path.exists(path):
            real = os.path.realpath(path)
            known = [one for one in ("openblas", "mkl", "blis", "atlas") if one in real] or ["netlib"]
            found.append({"kind": "BLAS", "library": "mkl_rt" if known[0] == "mkl" else known[0], "by": "system"})
            break
    return found


def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        pass
    try:
        with open("/proc/self/maps") as maps:
            if "/ld-musl-" in maps.read():
                return "musl"
    except OSError:
        pass
    import sysconfig

    return "musl" if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "") else ""


def distributions():
    """What is installed, and the numeric libraries that came with it: (distribution, library)."""
    seen, bundled = {}, set()
    for found in metadata.distributions():
        name, version = found.metadata["Name"], found.version or ""
        if not name:
            continue
        place = str(getattr(found, "_path", ""))
        known = seen.get(normal(name))
        # The first on sys.path is the one that is imported; the same folder may be on it twice.
        if known:
            if os.path.realpath(place) != os.path.realpath(known["place"]):
                known["shadows"].append(version + " in " + os.path.dirname(place))
            continue
        record = found.read_text("RECORD")
        importable = modules(found, record)
        for line in (record or "").splitlines():
            library = BUNDLED.search(line)
            if library:
                bundled.add((normal(name), library.group(1)))
        seen[normal(name)] = {
            "name": normal(name),
            "version": version,
            "record_sha256": record_sha256(record) if record is not None else "",
            "modules": importable,
            "requires": requires(found),
            "source": direct_url(found),
            "shadows": [],
            "hidden_by": hidden_by(place, importable) if record and place else "",
            "place": place,
        }
    for one in seen.values():
        del one["place"]
    for name, version, _, path in conda():
        if normal(name) not in seen:
            one = of_conda(name, version, path)
            if one:
                seen[normal(name)] = one
    return [seen[name] for name in sorted(seen)], sorted(bundled)


def environment():
    installed, bundled = distributions()
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "system": sys.platform,
        "machine": platform.machine(),
        "libc": libc(),
        "variables": {name: os.environ[name] for name in NUMBERS if name in os.environ},
        "numerics": numerics(bundled),
        "distributions": installed,
    }


if __name__ == "__main__" and not sys.argv[1:]:
    # On a line of its own: what Python loads at its start may print too.
    print("\n" + json.dumps(environment()))
