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

sys.path[:0] = here

# Differ from installer to installer and from place to place although the code is the same.
OWN = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json"}
# Change results although all versions are the same.
NUMBERS = (
    "CUBLAS_WORKSPACE_CONFIG MKL_CBWR MKL_NUM_THREADS NPY_DISABLE_CPU_FEATURES OMP_NUM_THREADS OPENBLAS_CORETYPE "
    "OPENBLAS_NUM_THREADS PYTHONHASHSEED TF_CUDNN_DETERMINISTIC TF_DETERMINISTIC_OPS TF_ENABLE_ONEDNN_OPTS TZ"
).split()


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


def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        pass
    import sysconfig

    return "musl" if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "") else ""


def distributions():
    seen = {}
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
        seen[normal(name)] = {
            "name": normal(name),
            "version": version,
            "record_sha256": record_sha256(record) if record is not None else "",
            "modules": modules(found, record),
            "requires": requires(found),
            "source": direct_url(found),
            "shadows": [],
            "place": place,
        }
    for one in seen.values():
        del one["place"]
    return [seen[name] for name in sorted(seen)]


def environment():
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "system": sys.platform,
        "machine": platform.machine(),
        "libc": libc(),
        "variables": {name: os.environ[name] for name in NUMBERS if name in os.environ},
        "distributions": distributions(),
    }


if __name__ == "__main__" and not sys.argv[1:]:
    json.dump(environment(), sys.stdout)
