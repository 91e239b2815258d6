"""Image files as they are written: the header and the stored numbers of each part, and the file itself.

`exr.py` decides what may be written where, and replaces the file atomically.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import OpenImageIO as oiio
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.core.paths import reachable
from understudy.image import header
from understudy.image.colour_tags import tags, without_colour
from understudy.image.frame import Frame, MetadataValue
from understudy.image.integer_channels import mark_integers
from understudy.image.integrity import DIGEST, PIXELS, as_read, as_text, pixels_digest, place_of
from understudy.image.layout import as_joined, file_layout, in_parts
from understudy.image.storage import to_stored

LOW_DISK_BYTES = 2**20
"""With less room than this, bytes may be lost without a word."""
_TYPE_NAMES = {"float16": "half", "float32": "float", "uint8": "uint8", "uint16": "uint16"}


@dataclass(frozen=True)
class Prepared:
    """A part that is ready to be written.

    Attributes:
        spec: Its header, an object of the image library.
        pixels: (H, W, C) as the library is given them.
        integers: Channels whose bits are those of integers, to be marked at the end.
    """

    spec: Any
    pixels: NDArray[Any]
    integers: Sequence[str]


def prepared(path: Path, frame: Frame, compression: str) -> list[Prepared]:
    """The parts of a file, as the format of its suffix holds them.

    Raises:
        PlateError: the format cannot hold the frame.
    """
    layout = file_layout(path, frame)
    pieces = in_parts(layout) if path.suffix.lower() == ".exr" else [layout]
    stored = [_stored(piece) for piece in pieces]
    told = [_digest(path, pieces, stored), *({} for _ in pieces[1:])]
    return [
        Prepared(_new_spec(path, piece, one, says, compression), one.pixels, one.integers)
        for piece, one, says in zip(pieces, stored, told, strict=True)
    ]


def write_parts(partial: Path, parts: Sequence[Prepared], path: Path) -> None:
    """Write a file.

    Args:
        partial: The file, under the name that it has until it is whole.
        parts: As `prepared` gives them.
        path: Its name at the end, for errors.

    Raises:
        PlateError: the disk or the folder cannot be written, or the format cannot hold the frame.
    """
    with reachable(partial) as name:
        _write(Path(name), parts, path)
    if path.suffix.lower() == ".dpx":
        _clear_dpx_times(partial)
    if any(one.integers for one in parts):
        mark_integers(partial, [one.integers for one in parts])


def reason_of(library: Any) -> str:
    """What the library or one of its files has to say; from a damaged header that may not be text."""
    try:
        return str(library.geterror())
    except UnicodeDecodeError:
        return ""


def disk_full(path: Path) -> PlateError:
    """The error of a disk without room."""
    return PlateError("The disk is full; the file is as it was before.", where=path, fix="free some space")


def disk_error(path: Path, reason: str, number: int | None = None) -> PlateError:
    """The error of a disk or folder that cannot be written, by the system's error number if there is one."""
    if number in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(path)
    return PlateError(
        f"The image cannot be written: {reason}.", where=path, fix="check the folder and its permissions"
    )


def _new_spec(
    path: Path, frame: Frame, stored: _Stored, told: Mapping[str, MetadataValue], compression: str
) -> Any:
    """The header to write; `told` is what it says beside the frame's own values."""
    window = frame.data_window
    spec = oiio.ImageSpec(
        window.width, window.height, len(frame.channels), _TYPE_NAMES[str(stored.pixels.dtype)]
    )
    spec.channelnames = frame.channels
    if stored.mixed:
        spec.channelformats = tuple(oiio.TypeDesc(kind) for kind in stored.storages)
    suffix = path.suffix.lower()
    own = {name: value for name, value in frame.metadata.items() if name != PIXELS}
    # An empty time is not written; without a value the library writes the clock's.
    header.apply_values(spec, without_colour(as_text(path, {"DateTime": "", **own, **told})))
    for name, kind, value in tags(suffix, frame.colour_space, known=frame.space_known):
        spec.attribute(name, kind, value)
    spec.attribute("PixelAspectRatio", float(frame.pixel_aspect))
    if suffix == ".exr":
        spec.attribute("compression", compression)
        _set_windows(spec, frame)
        for part in frame.parts[:1]:
            for name, said in (("oiio:subimagename", part.name), ("view", part.view)):
                if said:
                    spec.attribute(name, said)
    if frame.storage in ("uint10", "uint12"):
        spec.attribute("oiio:BitsPerSample", int(frame.storage[4:]))
    if frame.alpha_as_stored or not frame.premultiplied:
        spec.attribute("oiio:UnassociatedAlpha", 1)
    return spec


@dataclass(frozen=True)
class _Stored:
    """A part's pixels as the image library is given them.

    Attributes:
        pixels: (H, W, C).
        storage: Their number type.
        storages: The number type of each channel in the file.
        mixed: Whether these differ.
        integers: Channels whose bits are those of integers, to be marked at the end.
    """

    pixels: NDArray[Any]
    storage: str
    storages: list[str]
    mixed: bool
    integers: list[str]


def _stored(frame: Frame) -> _Stored:
    storages = [frame.channel_storage.get(name, frame.storage) for name in frame.channels]
    integers = [name for name, kind in zip(frame.channels, storages, strict=True) if kind == "uint"]
    # The bits of integers travel as those of floats.
    kinds = ["float" if kind == "uint" else kind for kind in storages]
    mixed = len(set(kinds)) > 1 and set(kinds) <= {"half", "float"}
    storage = "float" if mixed else kinds[0] if len(set(kinds)) == 1 else frame.storage
    return _Stored(to_stored(frame.pixels, storage), storage, kinds, mixed, integers)


def _digest(path: Path, pieces: list[Frame], stored: list[_Stored]) -> dict[str, MetadataValue]:
    """A digest of the pixels that a reader will get, for a frame of ours."""
    if DIGEST not in pieces[0].metadata or path.suffix.lower().startswith(".j"):
        return {}
    seen = [as_read(one.pixels, one.storages, one.storage) for one in stored]
    pixels, channels, window = as_joined(pieces, seen)
    return {PIXELS: pixels_digest(pixels, channels, place_of(window, pieces[0].display_window))}


def _set_windows(spec: Any, frame: Frame) -> None:
    spec.x, spec.y = frame.data_window.x0, frame.data_window.y0
    spec.full_x, spec.full_y = frame.display_window.x0, frame.display_window.y0
    spec.full_width, spec.full_height = frame.display_window.width, frame.display_window.height


def _write(partial: Path, parts: Sequence[Prepared], path: Path) -> None:
    output = oiio.ImageOutput.create(str(partial))
    if output is None:
        raise PlateError("The image cannot be written.", where=path, fix=reason_of(oiio))
    specs = [one.spec for one in parts]
    written = output.open(str(partial), specs if len(specs) > 1 else specs[0])
    for index, one in enumerate(parts):
        if index:
            written = written and output.open(str(partial), one.spec, "AppendSubimage")
        written = written and output.write_image(one.pixels)
    reason = reason_of(output)
    if not (output.close() and written):
        reason = reason or reason_of(output)
        reason_of(oiio)
        raise _write_error(partial, path, reason, sum(one.pixels.nbytes for one in parts))


def _clear_dpx_times(partial: Path) -> None:
    """Empty the header's file name, which is a temporary one, and the time of writing (SMPTE 268M)."""
    with partial.open("r+b") as file:
        file.seek(36)
        file.write(b"\0" * 124)


def _write_error(partial: Path, path: Path, reason: str, expected_bytes: int) -> PlateError:
    """Tell a full disk and a closed folder from other trouble; image libraries only give text."""
    folder = path.parent
    if "space left" in reason or shutil.disk_usage(folder).free < min(expected_bytes, LOW_DISK_BYTES):
        return disk_full(path)
    if not os.access(folder, os.W_OK):
        return disk_error(path, "the folder cannot be written")
    detail = next(iter(reason.splitlines()), "no reason given").replace(str(partial), path.name)[:200]
    return PlateError(f"The image cannot be written ({detail}).", where=path, fix="check the format")
