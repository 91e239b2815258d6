"""The parts of an image file, by their headers, and how they are joined.

Convention:
    A header is taken as hostile: nothing is read before `check_parts` has seen every part's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.core.errors import PlateError
from understudy.image import header, layers
from understudy.image.frame import Box, PartHeader

MAX_PIXELS = 2**29
"""Larger pictures are refused before memory is taken."""
MAX_BYTES = 2**34
"""The same for all channels together, as float32."""

_STORAGES = {
    "half": "half",
    "uint8": "uint8",
    "int8": "uint8",
    "uint16": "uint16",
    "int16": "uint16",
}


@dataclass(frozen=True)
class Part:
    """One part of a file: its header (an object of the image library) and its windows."""

    index: int
    spec: Any
    window: Box
    display: Box
    is_exr: bool

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
        exr = {"uint": "uint"} if self.is_exr else {}
        return [{**_STORAGES, **exr}.get(kind, "float") for kind in self.kinds]

    @property
    def own_name(self) -> str:
        """The part's own name; empty where it has none."""
        return str(self.spec.getattribute("oiio:subimagename") or "")

    @property
    def name(self) -> str:
        """The part's own name, or its number."""
        return self.own_name or f"part{self.index}"

    @property
    def view(self) -> str:
        """The view that the part says it is of; empty where it says none."""
        return str(self.spec.getattribute("view") or "")


def read_part(spec: Any, index: int, *, windows: bool) -> Part:
    """Take a part from its header; `windows` says whether the format has any."""
    if not windows:
        box = Box(0, 0, spec.width, spec.height)
        return Part(index, spec, box, box, windows)
    x, y, left, top = spec.x, spec.y, spec.full_x, spec.full_y
    window = Box(x, y, x + spec.width, y + spec.height)
    return Part(index, spec, window, Box(left, top, left + spec.full_width, top + spec.full_height), windows)


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
        own = [str(channel) for channel in part.spec.channelnames]
        names += joined_names(part.index, part.name, own, names)
    return tuple(names)


def joined_names(index: int, part: str, channels: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The names of a part's channels in the joined frame.

    Args:
        index, part: Its place, and its name or what stands for it.
        channels: Their own names.
        taken: The names of the parts before it.
    """
    names: list[str] = []
    for name in channels:
        if index > 0 and not name.startswith(f"{part}."):
            name = f"{part}.{name}"
        while name in taken or name in names:
            name = f"part{index}.{name}"
        names.append(name)
    return names


def pixel_aspect(part: Part) -> float:
    """Width of a pixel divided by its height; 1 where the header has none or an invalid one."""
    value = part.spec.getattribute("PixelAspectRatio")
    return float(value) if isinstance(value, (int, float)) and 0.001 < value < 1000.0 else 1.0


def headers(parts: Sequence[Part], names: Sequence[str]) -> tuple[PartHeader, ...]:
    """What is needed to write the parts again; empty for a single part without a name.

    Args:
        parts: All of the file's.
        names: Every channel's name in the joined frame, in order.
    """
    if len(parts) == 1 and not parts[0].own_name and not parts[0].view:
        return ()
    found, first = [], 0
    for part in parts:
        joined = names[first : first + part.count]
        own = [str(name) for name in part.spec.channelnames]
        values = header.plain_values(part.spec.extra_attribs) if part.index else {}
        channels = tuple(zip(joined, own, strict=True))
        found.append(PartHeader(part.own_name, channels, part.window, part.view, values))
        first += part.count
    return tuple(found)


def views(parts: Sequence[Part]) -> tuple[str, ...]:
    """The views of a file, its default view first; none where it is not stereo."""
    listed = parts[0].spec.getattribute("multiView")
    if isinstance(listed, str):
        listed = (listed,)
    if listed and len(listed) > 1:
        return tuple(str(name) for name in listed)
    said = tuple(dict.fromkeys(part.view for part in parts if part.view))
    return said if len(said) > 1 else ()


def main_storage(names: Sequence[str], storages: Sequence[str]) -> str:
    """The storage of the main layer's colours, by every channel's; else the first channel's."""
    found = layers.main(names)
    storage = storages[0] if found is None else storages[list(names).index(found.colour[0])]
    return "float" if storage == "uint" else storage
