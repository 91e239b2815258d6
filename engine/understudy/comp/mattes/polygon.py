"""The coverage of a polygon, at a fraction of a pixel: it moves smoothly with its corners."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage

# A polygon is filled on pixels so many times finer, its corners told to so many bits of one.
_FINER, _BITS = 4, 4


def filled(corners: NDArray[np.float64], size: int) -> FloatImage:
    """What a polygon covers of each pixel.

    Args:
        corners: (N, 2) pixels, x right, y down, pixel centres at integers; it need not be convex.
        size: Edge of a square raster.

    Returns:
        (size, size) float32 in 0..1.
    """
    cover = np.zeros((size, size), np.float32)
    corners = np.clip(corners, -size, 2 * size)
    low = np.clip(np.floor(corners.min(0)) - 1, 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 2, 0, size).astype(int)
    width, height = (high - low).tolist()
    if min(width, height) > 0:
        # OpenCV fills whole pixels; finer ones, counted, move with a polygon that moves by less than one.
        fine = np.round(((corners - low + 0.5) * _FINER - 0.5) * (1 << _BITS)).astype(np.int32)
        finer = np.zeros((height * _FINER, width * _FINER), np.float32)
        cv2.fillPoly(finer, [fine], 1.0, shift=_BITS)
        part = cv2.resize(finer, (width, height), interpolation=cv2.INTER_AREA)
        cover[low[1] : high[1], low[0] : high[0]] = part
    return cover
