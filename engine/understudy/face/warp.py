"""A face's motion from its landmarks: a smooth field that takes one frame's landmarks to another's."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from understudy.core.errors import FaceError
from understudy.face import align
from understudy.face.detect.protocol import Points
from understudy.image.frame import Box

# Landmarks have a noise of about a pixel at this face size, which the field smooths out.
_SMOOTHING = 2.0
_GRID_PX = 8
# Beyond the landmarks' outline the field fades to the head's similarity within this share of the face.
_FADE_SHARE = 0.25


def moved_landmarks(here: Points, there: Points, box: Box) -> NDArray[np.float32]:
    """The displacement of each pixel of a box to another frame, if it moves with the face.

    Inside the landmarks' outline the field interpolates the landmarks' motion smoothly. Outside it fades to
    no motion, because the background does not turn with the head.

    Args:
        here, there: (68, 2) float32, the landmarks of one face on two frames, pixels.
        box: The rectangle of the plate.

    Returns:
        (h, w, 2) float32 pixels, x right and y down.

    Raises:
        FaceError: the landmarks are not two sets of points.
    Source:
        Bookstein 1989, Principal Warps: Thin-Plate Splines and the Decomposition of Deformations.
    """
    if here.shape != there.shape or here.ndim != 2 or here.shape[1] != 2:
        raise FaceError(f"Landmarks of {here.shape} and {there.shape} are not of one face.")
    rigid = align.similarity(here, there)
    rest = there.astype(np.float64) - align.transform(here, rigid)
    scale = float(np.ptp(here, axis=0).max())
    spline = RBFInterpolator(here / scale, rest, kernel="thin_plate_spline", smoothing=_SMOOTHING / scale)
    x = np.arange(box.x0, box.x1 + _GRID_PX, _GRID_PX, dtype=np.float64)
    y = np.arange(box.y0, box.y1 + _GRID_PX, _GRID_PX, dtype=np.float64)
    grid = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    shift = align.transform(grid, rigid) - grid + spline(grid / scale)
    near = _nearness(here, grid, scale * _FADE_SHARE)
    coarse = (shift * near[:, None]).reshape(len(y), len(x), 2).astype(np.float32)
    return _widened(coarse, box)


def _nearness(landmarks: Points, grid: NDArray[np.float64], fade_px: float) -> NDArray[np.float64]:
    """1 inside the landmarks' outline, falling to 0 outside."""
    outline = cv2.convexHull(landmarks.astype(np.float32))
    inside = [cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in grid]
    return np.asarray(np.clip(1 + np.array(inside) / fade_px, 0, 1))


def _widened(coarse: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """The grid's field at every pixel."""
    x = np.arange(box.width, dtype=np.float32) / _GRID_PX
    y = np.arange(box.height, dtype=np.float32) / _GRID_PX
    at = np.meshgrid(x, y)
    return np.asarray(cv2.remap(coarse, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
