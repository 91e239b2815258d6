"""Image files: EXR above all, and PNG, TIFF, DPX and JPEG. The only user of OpenImageIO.

Convention:
    Files are hostile until read: what they are is told by their first bytes, sizes are checked before
    memory is taken, and half a picture is an error. Alpha is handed on as the file has it; the frame says
    whether colour is premultiplied. EXR parts are joined: the first is the main layer, channels of the
    others are named `part.channel`, and a pixel outside a part's own data window is 0. They are written as
    the parts that they were.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
from understudy.image.colour_tags import tags, without_colour
from understudy.image.frame import FloatImage, Frame, MetadataValue
from understudy.image.integer_channels import mark_integers
from understudy.image.integrity import DIGEST, PIXELS, as_read, as_text, from_text, pixels_digest, place_of
from understudy.image.layout import as_joined, file_layout, in_parts
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
from understudy.image.storage import from_stored, to_stored

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
_LOW_DISK_BYTES = 2**20


def read_image(path: Path, *, colour_space: str | None = None, assumed: str | None = None) -> Frame:
    """Read a picture with all its channels, windows and header values.

    Args:
        path: An .exr, .png, .tif, .dpx or .jpg file.
        colour_space: The space the colours are in; when left out, what the header says, else by file type.
        assumed: The space of an EXR whose header says none, in place of ACEScg.

    Returns:
        The frame, upright: an orientation in the header (EXIF) is applied and said no more.

    Raises:
        PlateError: the file is missing, unreadable, damaged, incomplete, too large or no picture.
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
        PlateError: the format is unknown or cannot hold the frame, or the disk or folder refuses.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise PlateError(
            f"{path.suffix or 'A file without suffix'} is no image format that can be written.",
            where=path,
            fix="write .exr, .png, .tif or .dpx",
        )
    layout = file_layout(path, frame)
    pieces = in_parts(layout) if path.suffix.lower() == ".exr" else [layout]
    stored = [_stored(piece) for piece in pieces]
    told = [_digest(path, pieces, stored), *({} for _ in pieces[1:])]
    specs = [_new_spec(path, *one, compression) for one in zip(pieces, stored, told, strict=True)]
    try:
        with replacing(path) as partial:
            with reachable(partial) as name:
                _write(Path(name), specs, [one.pixels for one in stored], path)
            if path.suffix.lower() == ".dpx":
                _clear_dpx_times(partial)
            if any(one.integers for one in stored):
                mark_integers(partial, [one.integers for one in stored])
            _verify_on_full_disk(partial, path)
    except OSError as exc:
        raise _disk_error(path, exc.strerror or str(exc), exc.errno) from exc


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with the reader that its first bytes call for."""
    kind = _sniff(path)
    hints = oiio.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    with reachable(path) as name:
        source = oiio.ImageInput.open(name, hints)
    if source is None or source.format_name() != kind:
        raise _damaged(path, _reason(oiio))
    try:
        yield source
    except MemoryError as exc:
        raise PlateError("The picture does not fit into memory.", where=path) from exc
    except UnicodeDecodeError as exc:
        raise _damaged(path, "a name in it is no text") from exc
    finally:
        source.close()
        _reason(source)
        _reason(oiio)


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
        raise PlateError("The picture is HEIC or AVIF, which is not read.", where=path, fix=fix)
    what = "The image file is empty." if not start else "The file is no EXR, PNG, TIFF, DPX or JPEG picture."
    raise PlateError(what, where=path, fix="write it again")


def _reason(library: Any) -> str:
    """What the library or one of its files has to say; damaged headers make it say what is no text."""
    try:
        return str(library.geterror())
    except UnicodeDecodeError:
        return ""


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
        raise _damaged(path, _reason(source))
    _reason(source)
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
        raise _damaged(path, _reason(source))
    return np.asarray(stored).reshape(part.window.height, part.window.width, span[1] - span[0])


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
    # An empty time is not written; without one the library takes the clock's.
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


def _write(partial: Path, specs: list[Any], stored: list[NDArray[Any]], path: Path) -> None:
    output = oiio.ImageOutput.create(str(partial))
    if output is None:
        raise PlateError("The image cannot be written.", where=path, fix=_reason(oiio))
    written = output.open(str(partial), specs if len(specs) > 1 else specs[0])
    for index, pixels in enumerate(stored):
        if index:
            written = written and output.open(str(partial), specs[index], "AppendSubimage")
        written = written and output.write_image(pixels)
    reason = _reason(output)
    if not (output.close() and written):
        reason = reason or _reason(output)
        _reason(oiio)
        raise _write_error(partial, path, reason, sum(pixels.nbytes for pixels in stored))


def _clear_dpx_times(partial: Path) -> None:
    """Empty the header's file name, which is a temporary one, and the time of writing (SMPTE 268M)."""
    with partial.open("r+b") as file:
        file.seek(36)
        file.write(b"\0" * 124)


def _verify_on_full_disk(partial: Path, path: Path) -> None:
    """Read the file again where the disk ran low: not every library tells that bytes were lost."""
    if shutil.disk_usage(partial.parent).free < _LOW_DISK_BYTES:
        try:
            read_image(partial)
        except PlateError as exc:
            raise _disk_full(path) from exc


def _write_error(partial: Path, path: Path, reason: str, expected_bytes: int) -> PlateError:
    """Tell a full disk and a closed folder from other trouble; image libraries only give text."""
    folder = path.parent
    if "space left" in reason or shutil.disk_usage(folder).free < min(expected_bytes, _LOW_DISK_BYTES):
        return _disk_full(path)
    if not os.access(folder, os.W_OK):
        return _disk_error(path, "the folder cannot be written")
    detail = next(iter(reason.splitlines()), "no reason given").replace(str(partial), path.name)[:200]
    return PlateError(f"The image cannot be written ({detail}).", where=path, fix="check the format")


def _disk_full(path: Path) -> PlateError:
    return PlateError("The disk is full; the file is as it was before.", where=path, fix="free some space")


def _disk_error(path: Path, reason: str, number: int | None = None) -> PlateError:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(path)
    return PlateError(
        f"The image cannot be written: {reason}.", where=path, fix="check the folder and its permissions"
    )
