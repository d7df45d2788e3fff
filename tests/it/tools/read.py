"""read.py FOLDER: reads the files for other systems as those systems do, and prints what they say as JSON.

junit.xml with an XML reader, outputs.env and metrics.txt by GitLab's own rules (its parsers of dotenv artifacts and metrics reports),
codequality.json by its required fields, outputs.properties as java.util.Properties.
"""
import json
import pathlib
import re
import shlex
import sys
import xml.etree.ElementTree

folder = pathlib.Path(sys.argv[1])


def text(name):
    data = (folder / name).read_bytes()
    assert not data.startswith(b"\xef\xbb\xbf"), f"{name} has a byte order mark"
    return data.decode("utf-8")


def junit():
    root = xml.etree.ElementTree.parse(folder / "junit.xml").getroot()
    cases, failures = root.findall("testsuite/testcase"), root.findall("testsuite/testcase/failure")
    assert root.tag == "testsuites" and (int(root.get("tests")), int(root.get("failures"))) == (len(cases), len(failures))
    for suite in root:
        assert int(suite.get("tests")) == len(suite), suite.attrib
    return [
        {"class": case.get("classname"), "name": case.get("name"), "type": failure.get("type"), "message": failure.get("message"), "text": failure.text}
        if (failure := case.find("failure")) is not None
        else {"class": case.get("classname"), "name": case.get("name"), "type": None}
        for case in cases
    ]


def dotenv():
    whole = text("outputs.env")
    assert len(whole.encode()) <= 5120
    found = {}
    for line in whole.split("\n")[:-1]:
        name, _, value = line.partition("=")
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and value == value.strip() != "", line
        found[name] = value
    assert len(found) <= 50
    return found


def metrics():
    whole, found = text("metrics.txt"), {}
    assert whole.endswith("# EOF\n")
    for line in whole.split("\n"):
        words = shlex.split(re.sub("#.*$", "", line))
        if words:
            name, value = words
            found[name] = str(float(value))
    return found


def properties():
    unescape = {"n": "\n", "r": "\r", "t": "\t"}
    found = {}
    for line in (folder / "outputs.properties").read_bytes().decode("ascii").splitlines():
        pieces = re.findall(r"\\u([0-9a-f]{4})|\\(.)|([^\\=:])|([=:])", line)
        name, value, target = [], [], None
        for unit, escape, plain, divider in pieces:
            if divider and target is None:
                target = value
                continue
            char = chr(int(unit, 16)) if unit else unescape.get(escape, escape) or plain or divider
            (name if target is None else value).append(char)
        found["".join(name)] = "".join(value).encode("utf-16", "surrogatepass").decode("utf-16")
    return found


def quality():
    entries = json.loads(text("codequality.json"))
    for entry in entries:
        assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}, entry
        path = entry["location"]["path"]
        assert entry["severity"] in ("info", "minor", "major", "critical", "blocker") and not path.startswith(("./", "/"))
        assert entry["location"]["lines"]["begin"] >= 1 and entry["description"]
    prints = [entry["fingerprint"] for entry in entries]
    assert len(prints) == len(set(prints))
    return entries


print(json.dumps({
    "junit": junit(),
    "env": dotenv(),
    "metrics": metrics(),
    "properties": properties(),
    "quality": quality(),
    "outputs": json.loads(text("outputs.json")),
    "sarif": json.loads(text("findings.sarif")),
}))
