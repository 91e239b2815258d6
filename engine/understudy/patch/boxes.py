"""Rectangles of the plate, and arrays moved from one rectangle to another.

Convention:
    A `Box` is half-open, in pixels of the plate. An array "over" a box has one row and column for each of its
    pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import Box


def bounds(mask: NDArray[np.bool_], box: Box) -> Box:
    """The smallest rectangle that holds the true pixels of a mask over `box`; empty where there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Box(box.x0, box.y0, box.x0, box.y0)
    return Box(
        box.x0 + int(columns[0]),
        box.y0 + int(rows[0]),
        box.x0 + int(columns[-1]) + 1,
        box.y0 + int(rows[-1]) + 1,
    )


def union(one: Box, other: Box) -> Box:
    """The smallest rectangle that holds both; an empty box adds nothing."""
    if one.empty or other.empty:
        return other if one.empty else one
    return Box(min(one.x0, other.x0), min(one.y0, other.y0), max(one.x1, other.x1), max(one.y1, other.y1))


def reframe(values: NDArray[np.float32], old: Box, new: Box) -> NDArray[np.float32]:
    """An array over `old` as one over `new`; outside `old` its border pixels repeat."""
    rows = np.clip(np.arange(new.y0, new.y1) - old.y0, 0, old.height - 1)
    columns = np.clip(np.arange(new.x0, new.x1) - old.x0, 0, old.width - 1)
    return values[rows[:, None], columns]


def overlap(old: Box, new: Box) -> NDArray[np.bool_]:
    """(H, W) bool over `new`: true for the pixels that also lie in `old`."""
    x, y = np.arange(new.x0, new.x1), np.arange(new.y0, new.y1)[:, None]
    return (x >= old.x0) & (x < old.x1) & (y >= old.y0) & (y < old.y1)


def dilate(mask: NDArray[np.bool_], by_px: int) -> NDArray[np.bool_]:
    """A mask dilated by a square of `by_px` pixels on each side."""
    if by_px <= 0:
        return mask
    kernel = np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)
