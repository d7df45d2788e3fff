"""Makes wheels that hold the real metadata of installed packages and none of their code: hollow.py OUT FOLDER...

What an image installs is told by metadata; without the code, such an image is built in seconds.
"""

import sys
import zipfile
from pathlib import Path

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
INSTALLERS = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "entry_points.txt"}
for folder in map(Path, sys.argv[2:]):
    for info in folder.glob("*.dist-info"):
        name = info.name.removesuffix(".dist-info")
        with zipfile.ZipFile(out / f"{name}-py3-none-any.whl", "w") as wheel:
            for file in sorted(info.iterdir()):
                if file.is_file() and file.name not in INSTALLERS:
                    # A fixed date: the same wheel each time.
                    wheel.writestr(zipfile.ZipInfo(f"{info.name}/{file.name}"), file.read_bytes())
