"""Integrity of the images that we wrote: whether a file still holds the pixels that were written.

The header has a digest of the pixels, under `understudy:pixels`. It is over what a reader gets, so that it
does not depend on compression or on the order of channels. Checking the file's structure finds most truncated
copies and reads some kilobytes; the digest finds all damage and reads the whole picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from understudy.image import exr_chunks
from understudy.image.frame import Box, FloatImage, MetadataValue
from understudy.image.storage import from_stored

PIXELS = "understudy:pixels"
"""Header key of the pixels' digest."""
DIGEST = "understudy:digest"
"""Header key of the digest of what a frame was made from: a frame that has it gets a digest of its pixels."""
# Formats without keys of their own carry ours in a text of theirs that holds so many characters.
_TEXTS = {
    ".tif": ("ImageDescription", 4000),
    ".tiff": ("ImageDescription", 4000),
    ".dpx": ("DocumentName", 199),
}
_TAIL_BYTES = 64


Place = tuple[int, int, int, int]


def place_of(data: Box, display: Box) -> Place:
    """Where the stored pixels lie: left and top within the display window, and its width and height."""
    return (data.x0 - display.x0, data.y0 - display.y0, display.width, display.height)


def pixels_digest(pixels: FloatImage, channels: Sequence[str], place: Place) -> str:
    """SHA-256 in hexadecimal of a picture's size and place, its channels' names and their values.

    All NaN count as one: their payloads do not survive every format.

    Args:
        pixels: (H, W, C) float32 as read from a file.
        channels: Their C names, in any order.
        place: As `place_of` gives it.
    """
    whole = hashlib.sha256(repr((pixels.shape, place, sorted(channels))).encode())
    for name in sorted(channels):
        values = np.ascontiguousarray(pixels[..., channels.index(name)], "<f4")
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, np.float32(np.nan), values)
        whole.update(values.data)
    return whole.hexdigest()


def as_read(stored: NDArray[np.generic], storages: Sequence[str], storage: str) -> FloatImage:
    """The values that a reader will get for numbers that are about to be written.

    Args:
        stored: (H, W, C) as the image library is given them.
        storages: The number type of each channel in the file.
        storage: The type of `stored`.
    """
    pixels = from_stored(stored, storage)
    if stored.dtype == np.float32:
        halves = [index for index, kind in enumerate(storages) if kind == "half"]
        if halves:
            pixels = pixels.copy()
            with np.errstate(over="ignore", invalid="ignore"):
                pixels[..., halves] = pixels[..., halves].astype(np.float16)
    return pixels


def looks_whole(path: Path) -> bool:
    """Whether a file's structure is complete: its end, in EXR its table of chunks and some of these."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
            match path.suffix.lower():
                case ".exr":
                    return exr_chunks.are_whole(file, size)
                case ".png":
                    return tail.endswith(b"IEND\xaeB`\x82")
                case ".jpg" | ".jpeg":
                    return tail.endswith(b"\xff\xd9")
                case _:
                    return size > _TAIL_BYTES
    except OSError:
        return False


def as_text(path: Path, values: Mapping[str, MetadataValue]) -> dict[str, MetadataValue]:
    """Header values for a format without keys of its own: our two digests go into a text that it has.

    Where the text has no room the digests are left out, and the frame is made again by the next run.
    """
    if path.suffix.lower() not in _TEXTS:
        return dict(values)
    key, longest = _TEXTS[path.suffix.lower()]
    ours = " ".join(f"{name}={values[name]}" for name in (DIGEST, PIXELS) if name in values)
    told = values.get(key, "")
    text = f"{told}\n{ours}" if told else ours
    return dict(values) if not ours or len(text) > longest else {**values, key: text}


def from_text(values: Mapping[str, MetadataValue]) -> dict[str, MetadataValue]:
    """Header values as they were before `as_text`."""
    found = dict(values)
    for key in {key for key, _ in _TEXTS.values()}:
        before, _, last = str(found.get(key, "")).rpartition("\n")
        ours = dict(part.partition("=")[::2] for part in last.split(" "))
        if last.startswith(f"{DIGEST}=") and set(ours) <= {DIGEST, PIXELS}:
            del found[key]
            found |= {**({key: before} if before else {}), **ours}
    return found
