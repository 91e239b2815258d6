"""The colour chunks of a PNG: cICP, sRGB, gAMA and cHRM.

The image library reports some of them and invents others, so that a file without any looks like one with
an sRGB chunk. Layout: Portable Network Graphics, third edition, 11.3.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from understudy.image.chromaticities import Primaries, as_primaries

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 1000


@dataclass(frozen=True)
class PngColour:
    """What the chunks say; None where there is no such chunk.

    Attributes:
        codes: Primaries and transfer by ITU-T H.273.
        full_range: Whether cICP says so; RGB in a PNG is never another.
        srgb: Whether there is an sRGB chunk.
        gamma: Of a display: 2.2 where the chunk says 0.45455.
        primaries: By cHRM.
    """

    codes: tuple[int, int] | None = None
    full_range: bool = True
    srgb: bool = False
    gamma: float | None = None
    primaries: Primaries | None = None


def read_colour(path: Path) -> PngColour:
    """Read the chunks before the pixels; a file that is none says nothing.

    Raises:
        OSError: the file cannot be read.
    """
    found: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        if file.read(8) != _SIGNATURE:
            return PngColour()
        for _ in range(_MOST_CHUNKS):
            beginning = file.read(8)
            if len(beginning) < 8 or beginning[4:] in (b"IDAT", b"IEND"):
                break
            size, name = struct.unpack(">I4s", beginning)
            if name in (b"cICP", b"sRGB", b"gAMA", b"cHRM") and size <= 64:
                found.setdefault(name, file.read(size))
                file.seek(4, 1)
            else:
                file.seek(size + 4, 1)
    return _told(found)


def _told(chunks: dict[bytes, bytes]) -> PngColour:
    cicp, gama, chrm = (chunks.get(name, b"") for name in (b"cICP", b"gAMA", b"cHRM"))
    exponent = struct.unpack(">I", gama)[0] if len(gama) == 4 else 0
    white_first = [value / 100_000 for value in struct.unpack(">8I", chrm)] if len(chrm) == 32 else []
    return PngColour(
        codes=(cicp[0], cicp[1]) if len(cicp) == 4 else None,
        full_range=len(cicp) != 4 or cicp[3] == 1,
        srgb=b"sRGB" in chunks,
        gamma=100_000 / exponent if 20_000 <= exponent <= 200_000 else None,
        primaries=as_primaries([*white_first[2:], *white_first[:2]]) if white_first else None,
    )
