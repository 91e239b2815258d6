"""An EXR file's header as plain values, without a library: hosts lack one, or hide it from their scripts.

Source:
    OpenEXR File Layout, https://openexr.com/en/latest/OpenEXRFileLayout.html.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Union

from understudy_host.errors import HostError

Value = Union[str, float, int, tuple[int, int, int, int]]
_MAGIC = b"\x76\x2f\x31\x01"
_LARGEST_HEADER = 2**20


def read_header(path: Path, what: str = "face pass", fix: str = "bake it again") -> dict[str, Value]:
    """The attributes of the first part that are texts, numbers or boxes (x0, y0, x1, y1, both ends within).

    Args:
        path: The file.
        what: What the file is, to say in an error.
        fix: What to do about it then.

    Raises:
        HostError: the file cannot be read or is not an EXR file.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_HEADER)
    except OSError as error:
        raise HostError(f"The {what} cannot be read: {error.strerror}.", str(path), fix) from error
    try:
        return _attributes(data)
    except (ValueError, IndexError, struct.error) as error:
        raise HostError(f"The {what} is not an EXR file, or is damaged.", str(path), fix) from error


def _attributes(data: bytes) -> dict[str, Value]:
    if data[:4] != _MAGIC:
        raise ValueError("magic")
    values: dict[str, Value] = {}
    at = 8
    while data[at] != 0:
        name, at = _text(data, at)
        kind, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        at += 4
        if size < 0 or at + size >= len(data):
            raise ValueError("size")
        content = data[at : at + size]
        at += size
        if kind == "string":
            values[name] = content.decode("utf-8", "replace")
        elif kind == "float":
            values[name] = float(struct.unpack("<f", content)[0])
        elif kind == "int":
            values[name] = int(struct.unpack("<i", content)[0])
        elif kind == "box2i":
            values[name] = struct.unpack("<4i", content)
    return values


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at, at + 256)
    return data[at:end].decode("ascii", "replace"), end + 1
