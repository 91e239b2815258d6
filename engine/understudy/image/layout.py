"""The part of a frame that a file format can hold.

EXR holds everything. The other formats have no windows and few channels: they take the display window's
pixels, and a channel they have no place for is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np

from understudy.core.errors import PlateError
from understudy.image import layers
from understudy.image.frame import Box, FloatImage, Frame, MetadataValue, PartHeader
from understudy.image.parts import joined_names

_STORAGES = {
    ".png": {"uint8": "uint8"},
    ".jpg": {},
    ".jpeg": {},
    ".tif": {"uint8": "uint8", "uint10": "uint10", "uint12": "uint12", "half": "float", "float": "float"},
    ".dpx": {"uint8": "uint8", "uint10": "uint10", "uint12": "uint12"},
}
_STORAGES[".tiff"] = _STORAGES[".tif"]
_ORDERS = (("R", "G", "B"), ("R", "G", "B", "A"), ("Y",), ("Y", "A"))
_COUNTS = {".jpg": (1, 3), ".jpeg": (1, 3), ".dpx": (1, 3, 4)}


def file_layout(path: Path, frame: Frame) -> Frame:
    """Give the frame as the file at `path` will store it, by its suffix.

    Returns:
        The frame itself for EXR with a float storage; else its channels in file order, cut or padded with
        zeros to the display window, and with a storage that the format has.

    Raises:
        PlateError: the format cannot hold the frame's channels, or the frame has no pixels.
    """
    if frame.data_window.empty or not frame.channels:
        raise PlateError("The frame has no pixels to write.", where=path)
    if len(set(frame.channels)) < len(frame.channels) or not all(frame.channels):
        raise PlateError(
            "The frame has two channels of one name, or one without.",
            where=path,
            fix=f"name each once: {', '.join(frame.channels)}",
        )
    suffix = path.suffix.lower()
    if suffix == ".exr":
        return replace(_premultiplied(frame), storage=_exr_storage(frame))
    storage = _STORAGES[suffix].get(frame.storage, "uint8" if suffix.startswith(".j") else "uint16")
    return replace(_to_display_window(_in_order(path, frame)), storage=storage, channel_storage={})


def in_parts(frame: Frame) -> list[Frame]:
    """An EXR's parts as it had them, each as a frame with one part; the frame itself where it had one.

    Channels that came later go into the part that is worked on.
    """
    if len(frame.parts) < 2:
        return [frame]
    listed = {name for part in frame.parts for name, _ in part.channels}
    later = tuple((name, name) for name in frame.channels if name not in listed)
    colour = frame.colour_layer.colour[0] if frame.layer or layers.main(frame.channels) else ""
    owner = next((k for k, part in enumerate(frame.parts) if colour in dict(part.channels)), 0)
    made = []
    for index, part in enumerate(frame.parts):
        channels = tuple(pair for pair in part.channels if pair[0] in frame.channels)
        channels += later if index == owner else ()
        if channels:
            made.append(_one_part(frame, part, channels, frame.metadata if index == 0 else part.metadata))
    return made


def as_joined(
    pieces: Sequence[Frame], pixels: Sequence[FloatImage]
) -> tuple[FloatImage, tuple[str, ...], Box]:
    """The parts' pixels, channels and data window as one frame, as a reader of the file gets them.

    Args:
        pieces: As `in_parts` gives them.
        pixels: Of each piece, as it is stored.
    """
    if len(pieces) == 1:
        return pixels[0], pieces[0].channels, pieces[0].data_window
    window = reduce(Box.union, (piece.data_window for piece in pieces))
    planes: list[FloatImage] = []
    names: list[str] = []
    for index, (piece, own) in enumerate(zip(pieces, pixels, strict=True)):
        whole = np.zeros((window.height, window.width, len(piece.channels)), np.float32)
        whole[piece.data_window.slices(window)] = own
        planes.append(whole)
        names += joined_names(index, piece.parts[0].name or f"part{index}", piece.channels, names)
    return np.concatenate(planes, axis=2), tuple(names), window


def _one_part(
    frame: Frame,
    part: PartHeader,
    channels: tuple[tuple[str, str], ...],
    metadata: Mapping[str, MetadataValue],
) -> Frame:
    inside = part.window.intersect(frame.data_window)
    window = frame.data_window if inside.empty else inside
    places = [frame.channels.index(name) for name, _ in channels]
    rows, columns = window.slices(frame.data_window)
    return replace(
        frame,
        pixels=np.ascontiguousarray(frame.pixels[rows, columns][..., places]),
        channels=tuple(own for _, own in channels),
        data_window=window,
        metadata=metadata,
        channel_storage={own: frame.channel_storage.get(name, frame.storage) for name, own in channels},
        parts=(part,),
    )


def _exr_storage(frame: Frame) -> str:
    """Half holds 8 to 10 bit values exactly enough to come back; 12 and 16 bits need float."""
    if frame.storage in ("uint12", "uint16"):
        return "float"
    return "float" if frame.storage == "float" else "half"


def _premultiplied(frame: Frame) -> Frame:
    """Colour times alpha, as EXR defines it; unchanged where it is premultiplied or is to stay as stored."""
    layer = frame.layer or layers.main(frame.channels)
    if frame.alpha_as_stored or frame.premultiplied or layer is None or layer.alpha is None:
        return replace(frame, premultiplied=True)
    pixels = frame.pixels.copy()
    colour = [frame.channels.index(name) for name in layer.colour]
    pixels[..., colour] *= pixels[..., [frame.channels.index(layer.alpha)]]
    return replace(frame, pixels=pixels, premultiplied=True)


def _in_order(path: Path, frame: Frame) -> Frame:
    for order in _ORDERS:
        allowed = _COUNTS.get(path.suffix.lower(), (1, 2, 3, 4))
        if sorted(order) == sorted(frame.channels) and len(order) in allowed:
            pixels = frame.pixels[..., [frame.channels.index(name) for name in order]]
            return replace(frame, pixels=np.ascontiguousarray(pixels), channels=order)
    raise PlateError(
        f"A {path.suffix} file cannot hold the channels {', '.join(frame.channels)}.",
        where=path,
        fix="write .exr",
    )


def _to_display_window(frame: Frame) -> Frame:
    display = frame.display_window
    if frame.data_window == display:
        return frame
    if display.empty:
        raise PlateError("The frame's display window is empty.", fix="write .exr")
    pixels = np.zeros((display.height, display.width, len(frame.channels)), np.float32)
    shared = frame.data_window.intersect(display)
    if not shared.empty:
        pixels[shared.slices(display)] = frame.pixels[shared.slices(frame.data_window)]
    return replace(frame, pixels=pixels, data_window=display)
