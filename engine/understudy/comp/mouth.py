"""The plate's own teeth and tongue between the new lips.

The inside of a mouth is what a face set shows least of, and a network predicts it as a grey band. The plate
shows it in full and in the right light, but it is the mouth of the plate's performer.

Convention:
    Landmarks are (68, 2) pixels of one square raster, pixel centres at integers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from understudy.comp.mattes import matte
from understudy.comp.mattes.polygon import filled
from understudy.image.frame import FloatImage

Points = NDArray[np.float64]

_INNER_LIPS = slice(60, 68)
_CORNERS, _GAPS = (0, 4), ((1, 7), (2, 6), (3, 5))
# Gap by width of a mouth: below the first its lips count as shut, from the second on it is open.
_SHUT, _OPEN = 0.03, 0.10
# Shares of the mouth's width: the soft edge inside the lips; and below what spread the lips' points no longer
# tell how the mouth is stretched, so that it stays as it is.
_SOFT, _TOO_FLAT = 0.03, 0.05


def opening(own: FloatImage, new: FloatImage, size: int) -> FloatImage:
    """Where the plate's mouth shows: between the new lips, and only where it was between the plate's.

    Args:
        own, new: (68, 2) pixels of the raster, where the plate's features lie and where the new face's do.
        size: Edge of a square raster.

    Returns:
        (size, size) float32 in 0..1, soft inside the lips; all 0 where either mouth is shut, and faint where
        it hardly opens, so that nothing flashes up.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.
    """
    lips, wanted = _lips(own), _lips(new)
    strength = min(_openness(lips), _openness(wanted))
    if strength == 0:
        return np.zeros((size, size), np.float32)
    there = carrying(own, new)
    carried = lips @ there[:, :2].T + there[:, 2]
    both = np.minimum(filled(wanted, size), filled(carried, size))
    return np.asarray(matte.feather(both, _SOFT * _width(wanted)) * np.float32(strength), np.float32)


def carrying(own: FloatImage, new: FloatImage) -> NDArray[np.float64]:
    """The (2, 3) matrix that brings the plate's inner lips nearest to the new ones.

    Args:
        own, new: As for `opening`.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.

    Source:
        Least squares with a penalty on stretch (Hoerl & Kennard 1970, Ridge Regression): the points of a shut
        mouth lie on a line, across which they say nothing.
    """
    lips, wanted = _lips(own), _lips(new)
    middle, there = lips.mean(0), wanted.mean(0)
    ridge = len(lips) * (_TOO_FLAT * _width(lips)) ** 2 * np.eye(2)
    known = (lips - middle).T @ (lips - middle) + ridge
    linear = np.linalg.solve(known, (lips - middle).T @ (wanted - there) + ridge).T
    return np.column_stack([linear, there - linear @ middle])


def _lips(landmarks: FloatImage) -> Points:
    return matte.face_points(landmarks)[_INNER_LIPS]


def _width(lips: Points) -> float:
    return max(float(np.linalg.norm(lips[_CORNERS[0]] - lips[_CORNERS[1]])), 1e-3)


def _openness(lips: Points) -> float:
    """0 for a shut mouth, 1 for an open one."""
    gap = np.mean([np.linalg.norm(lips[upper] - lips[lower]) for upper, lower in _GAPS]) / _width(lips)
    share = float(np.clip((gap - _SHUT) / (_OPEN - _SHUT), 0, 1))
    return share * share * (3 - 2 * share)
