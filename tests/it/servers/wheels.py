"""Makes wheels of small packages: wheels.py FOLDER NAME VERSION[:REQUIREMENT] ..."""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, described in zip(sys.argv[2::2], sys.argv[3::2]):
    version, _, requirement = described.partition(":")
    info = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {requirement}\n" if requirement else ""
    files = {
        f"{name}/__init__.py": f"class Tree:\n    rings = 7\n\n\nversion = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(text)}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
