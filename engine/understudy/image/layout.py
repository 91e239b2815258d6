"""What of a frame a file format can hold.

EXR holds everything. The other formats have no windows and few channels: they take the display window's
pixels, and a channel they have no place for is an error, not a loss.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from understudy.core.errors import PlateError
from understudy.image.frame import Frame

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


def _exr_storage(frame: Frame) -> str:
    """Half holds 8 to 10 bit values exactly enough to come back; 12 and 16 bits need float."""
    if frame.storage in ("uint12", "uint16"):
        return "float"
    return "float" if frame.storage == "float" else "half"


def _premultiplied(frame: Frame) -> Frame:
    """Colour times alpha, as an EXR has it by its own definition; premultiplied frames are left alone."""
    if frame.premultiplied or "A" not in frame.channels:
        return replace(frame, premultiplied=True)
    pixels = frame.pixels.copy()
    colour = [frame.channels.index(name) for name in ("R", "G", "B", "Y") if name in frame.channels]
    pixels[..., colour] *= pixels[..., [frame.channels.index("A")]]
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
