"""Make the add-on's zip, the shared host half inside: python plugin/understudy_blender/package.py OUT.zip.

Standard library alone; it runs without Blender.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOST_HALF = HERE.parent / "understudy_host"
_ENDINGS = (".py", ".toml", ".json")


def write(path: Path) -> list[str]:
    """Write the zip that Blender's "Install from Disk" takes, and name what is in it."""
    carried = {HERE: HERE.name, HOST_HALF: f"{HERE.name}/carried/{HOST_HALF.name}"}
    names = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, inside in carried.items():
            for file in sorted(folder.iterdir()):
                if file.suffix in _ENDINGS and file != Path(__file__).resolve():
                    names.append(f"{inside}/{file.name}")
                    archive.write(file, names[-1])
    return names


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: package.py OUT.zip")
    write(Path(sys.argv[1]))
