"""The parts of an image file, as their headers tell them, and how they are joined.

Convention:
    A header is taken as hostile: nothing is read before `check_parts` has seen every part's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.core.errors import PlateError
from understudy.image.frame import Box

MAX_PIXELS = 2**29
"""Larger pictures are refused before memory is taken."""
MAX_BYTES = 2**34
"""The same for all channels together, as float32."""

_STORAGES = {"half": "half", "uint8": "uint8", "int8": "uint8", "uint16": "uint16", "int16": "uint16"}


@dataclass(frozen=True)
class Part:
    """One part of a file: its header (an object of the image library) and its windows."""

    index: int
    spec: Any
    window: Box
    display: Box

    @property
    def count(self) -> int:
        """How many channels it has."""
        return int(self.spec.nchannels)

    @property
    def kinds(self) -> list[str]:
        """The number type of every channel, by the library's name."""
        kinds = [str(kind) for kind in self.spec.channelformats]
        return kinds if len(kinds) == self.count else [str(self.spec.format)] * self.count

    @property
    def storages(self) -> list[str]:
        """The storage of every channel, by our name."""
        bits = self.spec.getattribute("oiio:BitsPerSample")
        if bits in (10, 12) and self.kinds[0] == "uint16":
            return [f"uint{bits}"] * self.count
        return [_STORAGES.get(kind, "float") for kind in self.kinds]

    @property
    def name(self) -> str:
        """The part's own name, or its number."""
        return str(self.spec.getattribute("oiio:subimagename") or f"part{self.index}")


def read_part(spec: Any, index: int, *, windows: bool) -> Part:
    """Take a part from its header; `windows` says whether the format has any."""
    if not windows:
        box = Box(0, 0, spec.width, spec.height)
        return Part(index, spec, box, box)
    x, y, left, top = spec.x, spec.y, spec.full_x, spec.full_y
    window = Box(x, y, x + spec.width, y + spec.height)
    return Part(index, spec, window, Box(left, top, left + spec.full_width, top + spec.full_height))


def check_parts(parts: Sequence[Part], path: Path) -> None:
    """Refuse parts that cannot be held in memory or joined.

    Raises:
        PlateError: a part is deep or empty, all are too large, or their display windows differ.
    """
    window = union(parts)
    pixels = window.width * window.height
    channels = sum(part.count for part in parts)
    if any(part.window.empty or part.count <= 0 for part in parts):
        raise PlateError("The picture has no pixels.", where=path, fix="write it again")
    if pixels > MAX_PIXELS or pixels * channels * 4 > MAX_BYTES:
        raise PlateError(
            f"The picture claims {window.width} x {window.height} pixels of {channels} channels, "
            "more than can be read.",
            where=path,
            fix="crop it, or write it again if it is not that large",
        )
    if any(part.spec.deep for part in parts):
        raise PlateError("The picture is deep.", where=path, fix="flatten it to ordinary channels")
    if any(part.display != parts[0].display for part in parts):
        raise PlateError(
            "The parts of the file have different display windows.",
            where=path,
            fix="write one part a file, or all with the same format",
        )


def reading_bytes(parts: Sequence[Part]) -> int:
    """Memory that reading the parts takes: as stored, and as float32."""
    window = union(parts)
    return window.width * window.height * sum(part.count for part in parts) * 8


def size_of(parts: Sequence[Part]) -> str:
    """Size and channels of the joined picture in words."""
    window = union(parts)
    return f"{window.width} × {window.height} pixels of {sum(part.count for part in parts)} channels"


def union(parts: Sequence[Part]) -> Box:
    """The smallest box that holds every part's data window."""
    boxes = [part.window for part in parts]
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )


def channel_names(parts: Sequence[Part]) -> tuple[str, ...]:
    """Every channel once: the first part's as they are, the others' as `part.channel`."""
    names: list[str] = []
    for part in parts:
        for channel in part.spec.channelnames:
            name = str(channel)
            if part.index > 0 and not name.startswith(f"{part.name}."):
                name = f"{part.name}.{name}"
            while name in names:
                name = f"part{part.index}.{name}"
            names.append(name)
    return tuple(names)


def pixel_aspect(part: Part) -> float:
    """Width of a pixel divided by its height; 1 where the header has none or nonsense."""
    value = part.spec.getattribute("PixelAspectRatio")
    return float(value) if isinstance(value, (int, float)) and 0.001 < value < 1000.0 else 1.0
