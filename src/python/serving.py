# Runs inside the image's container: finds the interpreters that serve, lets each describe itself, and looks for the model's
# files by their content. Prints JSON. Standard library only, Python 3.8 or newer.
import sys

del sys.path[: sys.path[:1] == [""]]

import hashlib
import json
import os
import re
import subprocess
import time

request = json.loads(sys.argv[1])
# Programs that only start the one that serves.
STARTERS = re.compile(r"(^|/)(conda|mamba|micromamba|supervisord|honcho|circusd|pip3?)(\s|$)")
# What no model lies in.
PRUNED = re.compile(r"^(site-packages|dist-packages|node_modules|__pycache__|\.git|python\d.*|pkgs|conda-meta)$")
SYSTEM = {"/" + name for name in "proc sys dev usr bin sbin lib lib32 lib64 libx32 etc boot run".split()}
SYSTEM |= {"/var/lib", "/var/cache", "/var/log"}
MOST_ENTRIES, LONGEST_WALK = 200000, 5.0


def read(path):
    with open(path, "rb") as file:
        return file.read()


def script_folder(current, words):
    """Where imports are looked for first: beside a script, else in the current folder."""
    if len(words) > 1 and words[1].endswith(".py"):
        beside = os.path.dirname(os.path.join(current, words[1]))
        return beside if os.path.isdir(beside) else current
    return current


def listens(folder):
    """Whether the process holds a socket that waits for connections: one that serves does, one that helps it does not."""
    waiting = set()
    for table in ("net/tcp", "net/tcp6"):
        try:
            rows = [row.split() for row in read(folder + table).decode("ascii", "replace").splitlines()[1:]]
        except OSError:
            continue
        waiting.update("socket:[%s]" % row[9] for row in rows if len(row) > 9 and row[3] == "0A")
    try:
        numbers = os.listdir(folder + "fd") if waiting else []
    except OSError:
        return False
    for number in numbers:
        try:
            if os.readlink(folder + "fd/" + number) in waiting:
                return True
        except OSError:
            continue
    return False


def process(pid):
    """The interpreter of a process, or None when it is none of Python."""
    folder = "/proc/%d/" % pid
    exe = os.readlink(folder + "exe")
    maps = read(folder + "maps").decode("utf-8", "replace")
    embedded = re.search(r"/libpython3", maps) is not None
    if not re.match(r"(python|pypy)", os.path.basename(exe)) and not embedded:
        return None
    words = [word.decode("utf-8", "replace") for word in read(folder + "cmdline").split(b"\0")]
    variables = dict(
        pair.decode("utf-8", "surrogateescape").split("=", 1) for pair in read(folder + "environ").split(b"\0") if b"=" in pair
    )
    current = os.readlink(folder + "cwd")
    first = words[0]
    if "/" in first:
        tried = [os.path.join(current, first)]
    else:
        tried = [os.path.join(place, first) for place in variables.get("PATH", "").split(":") if place]
    # Libraries that are loaded tell the environment also of a process that has renamed itself.
    tried += [prefix + "/bin/python" for prefix in re.findall(r"(/\S*)/lib/python3[^/]*/site-packages/", maps)[:1]]
    if "VIRTUAL_ENV" in variables:
        tried.append(variables["VIRTUAL_ENV"] + "/bin/python")
    same = [path for path in tried if os.path.exists(path) and os.path.realpath(path) == os.path.realpath(exe)]
    if embedded and not same:
        same = [path for path in tried if re.match("python", os.path.basename(path)) and os.path.exists(path)]
    status = read(folder + "stat").decode("utf-8", "replace")
    return {
        "pid": pid,
        "parent": int(status.rpartition(")")[2].split()[1]),
        "path": same[0] if same else exe,
        "folder": script_folder(current, words),
        "variables": variables,
        "listens": listens(folder),
        "starter": bool(STARTERS.search(" ".join(words[:3]))),
        "command": " ".join(words).strip()[:200],
    }


def processes():
    ours, found = os.getpid(), {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != ours:
            try:
                seen = process(int(name))
            except (OSError, ValueError, IndexError):
                continue
            if seen:
                found[seen["pid"]] = seen
    # Who started an interpreter of another environment does not serve itself: `conda run`, a supervisor.
    above = set()
    for one in found.values():
        parent, steps = one["parent"], 0
        while parent in found and steps < 64:
            if found[parent]["path"] != one["path"]:
                above.add(parent)
            parent, steps = found[parent]["parent"], steps + 1
    return [one for pid, one in sorted(found.items()) if pid not in above]


def serving():
    begun = time.monotonic()
    while True:
        found = processes()
        ready = [one for one in found if not one["starter"]]
        took = time.monotonic() - begun
        # Of several environments, the one that listens serves: it gets some time to begin with it.
        several = len({one["path"] for one in ready}) > 1
        if ready and not (several and took < request["wait"] and not any(one["listens"] for one in ready)):
            return sorted(ready, key=lambda one: not one["listens"])
        # A starter of Python promises more than a process of something else.
        if took > request["wait"] * (3 if found else 1):
            return found
        time.sleep(0.05)


def describe(path, folder, variables):
    try:
        done = subprocess.run(
            [path, "-c", request["script"]], cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60
        )
        # What Python loads at its start may print too; the answer is a line of its own.
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        return {"environment": json.loads(next((line for line in reversed(lines) if line.startswith("{")), ""))}
    except ValueError:
        return {"error": done.stderr.decode("utf-8", "replace")[-500:] or "it printed nothing"}
    except (OSError, subprocess.SubprocessError) as error:
        return {"error": str(error)}


def servers():
    found = {}
    if request["wait"]:
        for one in serving():
            found.setdefault(one["path"], one)
    else:
        found[sys.executable] = {"folder": os.getcwd(), "variables": dict(os.environ), "command": "", "listens": False}
    return [
        {"path": path, "command": one["command"], "listens": one["listens"], **describe(path, one["folder"], one["variables"])}
        for path, one in list(found.items())[:8]
    ]


def sha256(path):
    hashed = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            hashed.update(chunk)
    return hashed.hexdigest()


def files(folders):
    """Files with the name or the size of one of the model's."""
    names, sizes = set(request["names"]), set(request["sizes"])
    end, left, budget = time.monotonic() + LONGEST_WALK, MOST_ENTRIES, 3 * sum(request["sizes"]) + (1 << 20)
    found, seen = [], set()
    for root in folders:
        for folder, below, entries in os.walk(root):
            real = os.path.realpath(folder)
            if real in seen:
                below[:] = []
                continue
            seen.add(real)
            below[:] = sorted(name for name in below if not PRUNED.match(name) and os.path.join(folder, name) not in SYSTEM)
            left -= len(entries) + 1
            if left < 0 or time.monotonic() > end:
                return found, False
            for name in sorted(entries):
                path = os.path.join(folder, name)
                try:
                    size = os.stat(path).st_size
                    if not os.path.isfile(path) or not (name in names or size in sizes and size > 64):
                        continue
                    hashed = ""
                    if size in sizes and size <= budget:
                        budget -= size
                        hashed = sha256(path)
                    found.append({"path": path, "size": size, "sha256": hashed})
                except OSError:
                    continue
                if len(found) >= 2000:
                    return found, False
    return found, True


answer = {"servers": servers(), "on_path": []}
for place in os.environ.get("PATH", "").split(":"):
    for name in ("python", "python3"):
        if place and os.access(os.path.join(place, name), os.X_OK):
            answer["on_path"].append(os.path.join(place, name))
answer["files"], answer["complete"] = files([os.getcwd(), "/", "/usr/src", "/usr/app"]) if request["sizes"] else ([], True)
# Between marks that nobody knew before: what Python loads at its start may print too.
print("\n" + request["mark"] + json.dumps(answer) + request["mark"])
