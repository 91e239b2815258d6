"""Reading and writing image files: EXR, PNG, TIFF, DPX and JPEG.

OpenImageIO is used here to read, and in `image_output.py` to write; nowhere else.

Convention:
    Files are treated as hostile: their first bytes decide their type, sizes are checked before memory is
    allocated, and a truncated picture is an error. Alpha is passed on as stored; the frame says
    whether colour is premultiplied. EXR parts are joined: the first is the main layer, channels of the
    others are named `part.channel`, and a pixel outside a part's own data window is 0. They are written as
    the parts that they were.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
from numpy.typing import NDArray

from understudy.core.atomic import replacing
from understudy.core.errors import PlateError
from understudy.core.paths import open_regular, reachable
from understudy.image import header, memory
from understudy.image.colour_space import SPACE_ATTRIBUTE, Decision, chosen, decide
from understudy.image.frame import FloatImage, Frame, MetadataValue
from understudy.image.image_output import (
    LOW_DISK_BYTES,
    disk_error,
    disk_full,
    prepared,
    reason_of,
    write_parts,
)
from understudy.image.integrity import from_text
from understudy.image.orientation import UPRIGHT, orientation, turned_upright
from understudy.image.parts import (
    Part,
    channel_names,
    check_parts,
    headers,
    main_storage,
    pixel_aspect,
    read_part,
    reading_bytes,
    size_of,
    union,
    views,
)
from understudy.image.png_chunks import read_colour
from understudy.image.storage import from_stored

SUFFIXES = frozenset({".exr", ".png", ".tif", ".tiff", ".dpx", ".jpg", ".jpeg"})
"""Image files that are read and written."""
_MAGIC = {
    b"\x76\x2f\x31\x01": "openexr",
    b"\x89PNG": "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"SDPX": "dpx",
    b"XPDS": "dpx",
    b"\xff\xd8\xff": "jpeg",
}
_HEIF = frozenset({b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis"})
_MAX_PARTS = 256
_TYPE_NAMES = {"float16": "half", "float32": "float", "uint8": "uint8", "uint16": "uint16"}
_READ_AS_STORED = frozenset({"half", "float", "uint8", "uint16"})


def read_image(path: Path, *, colour_space: str | None = None, assumed: str | None = None) -> Frame:
    """Read a picture with all its channels, windows and header values.

    Args:
        path: An .exr, .png, .tif, .dpx or .jpg file.
        colour_space: The space the colours are in; when left out, what the header says, else by file type.
        assumed: The space of an EXR whose header says none, in place of ACEScg.

    Returns:
        The frame, upright: an orientation in the header (EXIF) is applied and removed from the header.

    Raises:
        PlateError: the file is missing, unreadable, damaged, incomplete, too large or not a picture.
    """
    path = Path(path)
    with _opened(path) as source:
        parts = _parts(source, path)
        pixels = _read_parts(source, parts, path)
        decision = _decision(source, parts[0].spec, path, colour_space, assumed)
        turned = UPRIGHT if source.format_name() == "openexr" else orientation(parts[0].spec)
    main = parts[0].spec
    values = from_text(header.plain_values(main.extra_attribs))
    values.pop(SPACE_ATTRIBUTE, None)
    names = channel_names(parts)
    storages = [kind for part in parts for kind in part.storages]
    storage = main_storage(names, storages)
    stored = Frame(
        pixels=pixels,
        channels=names,
        data_window=union(parts),
        display_window=parts[0].display,
        colour_space=decision.space,
        space_known=decision.known,
        premultiplied=not main.getattribute("oiio:UnassociatedAlpha"),
        pixel_aspect=pixel_aspect(parts[0]),
        metadata=values,
        storage=storage,
        channel_storage={n: kind for n, kind in zip(names, storages, strict=True) if kind != storage},
        parts=headers(parts, names),
        views=views(parts),
        origin=str(path),
    )
    return stored if turned == UPRIGHT else turned_upright(stored, turned)


def read_space(path: Path, *, colour_space: str | None = None, assumed: str | None = None) -> Decision:
    """Which colour space `read_image` takes a picture to be in, and why; by its header alone.

    Raises:
        PlateError: as `read_image`, as far as the header tells.
    """
    path = Path(path)
    with _opened(path) as source:
        return _decision(source, source.spec(), path, colour_space, assumed)


def read_metadata(path: Path) -> dict[str, MetadataValue]:
    """Read a picture's header values, without its pixels.

    Raises:
        PlateError: as `read_image`, as far as the header tells.
    """
    with _opened(Path(path)) as source:
        values = from_text(header.plain_values(source.spec().extra_attribs))
    values.pop(SPACE_ATTRIBUTE, None)
    return values


def write_image(path: Path, frame: Frame, *, compression: str = "zips") -> None:
    """Write a frame; the file is complete or as it was before.

    EXR keeps every channel, window and header value. Other formats hold the display window's pixels of
    one layer, and floats become 16 bit integers in them, clipped to 0..1. A frame whose header says what it
    was made from gets a digest of its pixels. The same frame gives the same bytes at any time.

    Args:
        path: The suffix chooses the format.
        frame: What to write; `storage` chooses the number type as far as the format has it.
        compression: An EXR compression; other formats are lossless by their own means.

    Raises:
        PlateError: the format is unknown or cannot hold the frame, or the disk or folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise PlateError(
            f"{path.suffix or 'A file without suffix'} is not an image format that can be written.",
            where=path,
            fix="write .exr, .png, .tif or .dpx",
        )
    parts = prepared(path, frame, compression)
    try:
        with replacing(path) as partial:
            write_parts(partial, parts, path)
            _verify_on_full_disk(partial, path)
    except OSError as exc:
        raise disk_error(path, exc.strerror or str(exc), exc.errno) from exc


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with the reader that its first bytes call for."""
    kind = _sniff(path)
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    with reachable(path) as name:
        source = oiio.ImageInput.open(name, hints)
    if source is None or source.format_name() != kind:
        raise _damaged(path, reason_of(oiio))
    try:
        yield source
    except MemoryError as exc:
        raise PlateError("The picture does not fit into memory.", where=path) from exc
    except UnicodeDecodeError as exc:
        raise _damaged(path, "a name in it is not text") from exc
    finally:
        source.close()
        reason_of(source)
        reason_of(oiio)


def _sniff(path: Path) -> str:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            start = file.read(12)
    except FileNotFoundError as exc:
        raise PlateError("The image file is missing.", where=path, fix="check the path") from exc
    except OSError as exc:
        fix = "name a file" if path.is_dir() else "check the file's permissions"
        raise PlateError(f"The image file cannot be read: {exc.strerror}.", where=path, fix=fix) from exc
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF:
        fix = "write it as .jpg or .png, as the phone or a picture viewer exports it"
        raise PlateError("The picture is HEIC or AVIF, which is not supported.", where=path, fix=fix)
    what = (
        "The image file is empty." if not start else "The file is not an EXR, PNG, TIFF, DPX or JPEG picture."
    )
    raise PlateError(what, where=path, fix="write it again")


def _damaged(path: Path, reason: str) -> PlateError:
    lines = [line.replace(str(path), path.name) for line in reason.splitlines() if line.strip()]
    detail = f" ({lines[0][:200]})" if lines else ""
    return PlateError(f"The image file is damaged or incomplete{detail}.", where=path, fix="write it again")


def _decision(source: Any, spec: Any, path: Path, colour_space: str | None, assumed: str | None) -> Decision:
    if colour_space:
        return chosen(colour_space)
    kind = str(source.format_name())
    said = {str(one.name): one.value for one in spec.extra_attribs}
    try:
        return decide(path, kind, said, read_colour(path) if kind == "png" else None, assumed)
    except OSError as exc:
        raise _damaged(path, exc.strerror or str(exc)) from exc


def _parts(source: Any, path: Path) -> list[Part]:
    """Read the headers of all parts, and refuse what cannot be held or joined."""
    windows = source.format_name() == "openexr"
    parts: list[Part] = []
    while len(parts) < (_MAX_PARTS if windows else 1) and source.seek_subimage(len(parts), 0):
        parts.append(read_part(source.spec(), len(parts), windows=windows))
        check_parts(parts, path)
    if not parts:
        raise _damaged(path, reason_of(source))
    reason_of(source)
    memory.require(reading_bytes(parts), f"The picture of {size_of(parts)}", where=path)
    return parts


def _read_parts(source: Any, parts: list[Part], path: Path) -> FloatImage:
    if len(parts) == 1:
        return _read_part(source, parts[0], path)
    window = union(parts)
    pixels = np.zeros((window.height, window.width, sum(part.count for part in parts)), np.float32)
    first = 0
    for part in parts:
        last = first + part.count
        pixels[(*part.window.slices(window), slice(first, last))] = _read_part(source, part, path)
        first = last
    return pixels


def _read_part(source: Any, part: Part, path: Path) -> FloatImage:
    kinds = set(part.kinds)
    wanted = part.kinds[0] if len(kinds) == 1 and kinds <= _READ_AS_STORED else "float"
    pixels = from_stored(
        _read_channels(source, part, (0, part.count), wanted, path),
        part.storages[0] if wanted != "float" else "float",
    )
    for channel, kind in enumerate(part.kinds):
        if kind == "uint" and source.format_name() == "openexr":
            numbers = _read_channels(source, part, (channel, channel + 1), "uint", path)[..., 0]
            pixels[..., channel] = numbers.view(np.float32)
    return pixels


def _read_channels(source: Any, part: Part, span: tuple[int, int], kind: str, path: Path) -> NDArray[Any]:
    stored = source.read_image(part.index, 0, span[0], span[1], kind)
    if stored is None or source.has_error:
        raise _damaged(path, reason_of(source))
    return np.asarray(stored).reshape(part.window.height, part.window.width, span[1] - span[0])


def _verify_on_full_disk(partial: Path, path: Path) -> None:
    """Read the file again where the disk ran low: not every library reports lost bytes."""
    if shutil.disk_usage(partial.parent).free < LOW_DISK_BYTES:
        try:
            read_image(partial)
        except PlateError as exc:
            raise disk_full(path) from exc
