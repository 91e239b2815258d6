"""File names as artists choose them in Blender, and as jobs want them."""

from __future__ import annotations

import re
from pathlib import Path

import bpy

from understudy_host.errors import HostError

_PLACEHOLDER = re.compile(r"%0(\d)d|(#+)")
_LAST_NUMBER = re.compile(r"(\d+)(?=\.[^.\d]+$)")


def absolute(path: str, what: str) -> str:
    """A path that means the same outside of Blender; `//` stands for the .blend file's folder.

    Args:
        path: As a file field holds it; an empty one stays empty.
        what: What the path is for, to say in an error.

    Raises:
        HostError: it begins with // and the .blend file was never saved, so that it leads nowhere.
    """
    if path.startswith("//") and not bpy.data.filepath:
        raise HostError(
            f"The {what} lies beside the .blend file, and that was never saved.",
            path,
            "save the .blend file, or give a full path",
        )
    return str(Path(bpy.path.abspath(path))) if path else ""


def pattern(path: str, what: str) -> str:
    """A sequence's pattern such as plate.%04d.exr, from one of its files, or from a pattern with # or %04d.

    Raises:
        HostError: there is no frame number in it.
    """
    folder, name = str(Path(path).parent), Path(path).name
    found = list(_PLACEHOLDER.finditer(name)) or list(_LAST_NUMBER.finditer(name))
    if not found:
        raise HostError(
            f"The {what} has no frame number in its name.", path, "choose a sequence such as plate.1001.exr"
        )
    last = found[-1]
    digits = _PLACEHOLDER.fullmatch(last[0])
    width = len(last[0]) if digits is None or digits[2] else int(digits[1])
    return str(Path(folder, f"{name[: last.start()]}%0{width}d{name[last.end() :]}"))


def frame_path(sequence: str, frame: int) -> Path:
    """The file of one frame of a pattern."""
    return Path(_PLACEHOLDER.sub(lambda found: f"{frame:0{found[1]}d}", sequence))
