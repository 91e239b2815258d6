"""Integer channels of an EXR, such as object numbers: 32 bits that pass through as they are.

The picture library turns integers into floats where a part has both, and loses their last bits. So the bits
travel as those of floats, which are not used in calculations, and the type in the written file's header is
set to integer at the end: both kinds take four bytes, and our compressions treat both alike.

Source:
    OpenEXR File Layout: header attributes are name, type, size and value; a `chlist` holds for each channel
    its name and its pixel type, 0 for UINT, 1 for HALF, 2 for FLOAT.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from pathlib import Path

from understudy.core.errors import PlateError

_UINT, _FLOAT = 0, 2
_MULTIPART = 0x1000
_LARGEST_HEADER = 2**26


def mark_integers(path: Path, parts: Sequence[Collection[str]]) -> None:
    """Mark channels of an EXR that were written as floats as integers, in place.

    Args:
        path: An EXR of ours that nobody reads yet.
        parts: For each part the names of its integer channels.

    Raises:
        PlateError: the header is not as the file's format says.
    """
    with path.open("r+b") as file:
        header = file.read(_LARGEST_HEADER)
        try:
            for place in _places(header, parts):
                file.seek(place)
                file.write(struct.pack("<i", _UINT))
        except (struct.error, ValueError, IndexError) as exc:
            raise PlateError("The written header cannot be read.", where=path) from exc


def _places(header: bytes, parts: Sequence[Collection[str]]) -> list[int]:
    """Where in the file the pixel types of the channels stand."""
    several = struct.unpack_from("<I", header, 4)[0] & _MULTIPART
    place, found = 8, []
    for wanted in parts:
        while header[place]:
            name, place = _text(header, place)
            kind, place = _text(header, place)
            (size,) = struct.unpack_from("<i", header, place)
            place += 4
            if (name, kind) == ("channels", "chlist"):
                found += _channels(header, place, wanted)
            place += size
        place += 1
        if not several:
            break
    return found


def _channels(header: bytes, place: int, wanted: Collection[str]) -> list[int]:
    found = []
    while header[place]:
        name, place = _text(header, place)
        (kind,) = struct.unpack_from("<i", header, place)
        if name in wanted and kind == _FLOAT:
            found.append(place)
        place += 16  # pixel type, linearity and three bytes, two samplings
    return found


def _text(header: bytes, place: int) -> tuple[str, int]:
    end = header.index(b"\0", place)
    return header[place:end].decode("utf-8", "replace"), end + 1
