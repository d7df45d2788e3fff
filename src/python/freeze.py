# Prints, as JSON, what this interpreter is and which distributions it sees. Standard library only, Python 3.8 or newer.
import hashlib
import json
import os
import platform
import re
import sys
from importlib import metadata

# Differ from installer to installer and from place to place although the code is the same.
OWN = {"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json"}


def record_sha256(distribution):
    record = distribution.read_text("RECORD")
    if record is None:
        return ""
    kept = []
    for line in record.splitlines():
        path = line.rsplit(",", 2)[0].strip('"').replace("\\", "/")
        parts = path.split("/")
        ours = len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in OWN
        # Programs in bin/ carry the environment's path in their first line; bytecode depends on who compiled it.
        if not (ours or path.startswith("../") or path.startswith("/") or path.endswith(".pyc")):
            kept.append(line)
    return hashlib.sha256("\n".join(sorted(kept)).encode("utf-8", "surrogateescape")).hexdigest()


def libc():
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        pass
    import sysconfig

    return "musl" if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "") else ""


seen = {}
for found in metadata.distributions():
    name = found.metadata["Name"]
    if name:
        # The first on sys.path is the one that is imported.
        seen.setdefault(re.sub(r"[-_.]+", "-", name).lower(), found)

json.dump(
    {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "system": sys.platform,
        "machine": platform.machine(),
        "libc": libc(),
        "distributions": [
            {"name": name, "version": found.version or "", "record_sha256": record_sha256(found)}
            for name, found in sorted(seen.items())
        ],
    },
    sys.stdout,
)
