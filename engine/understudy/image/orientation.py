"""Turning pictures upright, by the orientation in a file's header.

Convention:
    An orientation is one of EXIF's eight, 1 to 8: CIPA DC-008, tag 0x0112. It says how the stored rows and
    columns lie; turning and mirroring them gives the upright picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import Box, Frame

UPRIGHT = 1
_TURNED = frozenset({5, 6, 7, 8})
# Where the picture's x and y axes go on the screen, x right and y down, for each orientation.
_AXES = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation in _TURNED


def upright(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Turn (H, W, C) stored pixels upright; (W, H, C) where the sides change places. The bits stay."""
    if orientation in _TURNED:
        pixels = pixels.swapaxes(0, 1)  # 5: rows are columns
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def orientation(spec: Any) -> int:
    """The orientation that a picture library's header says; upright where there is none or it is invalid."""
    said = spec.getattribute("Orientation")
    return said if isinstance(said, int) and 1 <= said <= 8 else UPRIGHT


def turned_upright(frame: Frame, turned: int) -> Frame:
    """The frame turned upright; its header says no orientation any more."""
    pixels = upright(frame.pixels, turned)
    box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    return replace(
        frame,
        pixels=pixels,
        data_window=box,
        display_window=box,
        pixel_aspect=1 / frame.pixel_aspect if swaps_sides(turned) else frame.pixel_aspect,
        metadata={name: value for name, value in frame.metadata.items() if name != "Orientation"},
    )


def from_display_matrix(matrix: Sequence[int]) -> int:
    """The orientation of a video's display matrix: nine numbers of 16.16 and 2.30 bits, row by row.

    Angles are rounded to the nearest quarter turn; a matrix that shows nothing is upright.
    Layout: ISO/IEC 14496-12, 8.3.2: (x, y) goes to (a x + c y, b x + d y).
    """
    if len(matrix) != 9:
        return UPRIGHT
    a, b, _, c, d, *_ = (value / 65536 for value in matrix)
    if abs(a * d - b * c) < 1e-6:
        return UPRIGHT
    turn = round(math.atan2(b, a) / (math.pi / 2)) % 4
    x_axis = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn]
    side = 1 if a * d - b * c > 0 else -1
    return _AXES[(*x_axis, -side * x_axis[1], side * x_axis[0])]
