"""The chunks of an EXR file, by its bytes: whether all of them lie inside the file.

A truncated copy, or one with zeros in it, can be read up to that point, and some readers fill the rest with
black.

Source:
    OpenEXR, "The OpenEXR File Layout": magic and version, headers of attributes, a table of offsets, chunks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

_MAGIC = b"\x76\x2f\x31\x01"
_TILED, _DEEP, _SEVERAL_PARTS = 0x200, 0x800, 0x1000
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Lines of a chunk, by the number of the compression."""
_LARGEST_HEADER = 2**23
_LARGEST_COUNT = 2**20
_SAMPLED = 48


def are_whole(file: IO[bytes], size: int) -> bool:
    """Whether the table of chunks has no gap, its chunks lie inside the file, and the last one ends it.

    Some of the chunks themselves are checked: each begins with its line and its length. Files with tiles or
    deep pixels, which we do not write, are taken as whole when they begin like an EXR file.

    Args:
        file: Opened.
        size: Its length in bytes.
    """
    file.seek(0)
    start = file.read(min(size, _LARGEST_HEADER))
    if len(start) < 8 or start[:4] != _MAGIC:
        return False
    flags = struct.unpack_from("<I", start, 4)[0]
    if flags & (_TILED | _DEEP):
        return True
    try:
        several = bool(flags & _SEVERAL_PARTS)
        at, count = 8, 0
        while True:
            attributes, at = _header(start, at)
            count += _chunks(attributes)
            if not several or start[at] == 0:
                at += several
                break
    except (struct.error, IndexError, KeyError, ValueError):
        return False
    table, end = start[at : at + 8 * count], at + 8 * count
    if not 0 < count <= _LARGEST_COUNT or len(table) < 8 * count:
        return False
    offsets = sorted(struct.unpack(f"<{count}Q", table))
    if offsets[0] < end or offsets[-1] >= size:
        return False
    return all(_reaches(file, offsets, index, size, several) for index in _sample(count))


def _sample(count: int) -> Iterator[int]:
    yield count - 1
    yield from range(0, count - 1, max(1, count // _SAMPLED))


def _reaches(file: IO[bytes], offsets: list[int], index: int, size: int, several: bool) -> bool:
    """Whether a chunk's own length leads to the next chunk, or to the end of the file."""
    head = 12 if several else 8
    file.seek(offsets[index])
    told = file.read(head)
    following = size if index + 1 == len(offsets) else offsets[index + 1]
    if len(told) < head:
        return False
    length = struct.unpack_from("<i", told, head - 4)[0]
    return bool(length > 0 and offsets[index] + head + length == following)


def _header(start: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """The attributes of one header, and where it ends.

    Raises:
        ValueError: it has no end.
    """
    attributes: dict[str, bytes] = {}
    while start[at] != 0:
        name_end = start.index(b"\0", at)
        kind_end = start.index(b"\0", name_end + 1)
        length = struct.unpack_from("<i", start, kind_end + 1)[0]
        first = kind_end + 5
        if length < 0 or first + length > len(start):
            raise ValueError("an attribute is longer than the file")
        attributes[start[at:name_end].decode("latin-1")] = start[first : first + length]
        at = first + length
    return attributes, at + 1


def _chunks(attributes: dict[str, bytes]) -> int:
    if "chunkCount" in attributes:
        return int(struct.unpack("<i", attributes["chunkCount"])[0])
    _, top, _, bottom = struct.unpack("<4i", attributes["dataWindow"])
    lines = _LINES[attributes["compression"][0]]
    return -(-(int(bottom) - int(top) + 1) // lines)
