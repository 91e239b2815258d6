"""Correct a whole face from the few landmarks that a person moved.

Convention: pixels of the plate, x right, y down, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import FaceError
from understudy.face import align
from understudy.face.detect.protocol import Points
from understudy.face.template import BASE, WEIGHTS

# In edges of the brow-to-lip square: points nearer together than the first (lids, lips) only shift the face,
# points farther apart than the second (the eyes' outer corners) turn and scale it in full.
_NARROW, _WIDE = 0.1, 0.3
# In the same edges: how far a single point's own correction reaches.
_REACH = 0.25
# Regularisation: two points almost in one place, moved apart, must not displace their surroundings far.
_SLACK = 0.05

_Array = NDArray[np.float64]


def follow_moved(
    landmarks: Points, moved: Mapping[int, tuple[float, float]], pixel_aspect: float = 1.0
) -> Points:
    """A face's landmarks after some of them were moved by hand; the others follow.

    One point shifts the face. Several also turn and scale it, by the similarity from their old to their new
    places. The more they are spread over the face, the more of it is applied: two neighbouring points say
    nothing about the head. The distance that then remains at each point is interpolated over its
    surroundings. The moved points end exactly where they were put.

    Args:
        landmarks: (68, 2) float32.
        moved: Index of a landmark to its new place.
        pixel_aspect: Width of a plate's pixel divided by its height: a face turns in true shape.

    Returns:
        (68, 2) float32.

    Raises:
        FaceError: the landmarks lie on one point.
    Source:
        Umeyama 1991 for the similarity. The rest is interpolated with the exponential kernel (Rasmussen &
        Williams 2006, 4.18): smoother ones overshoot beyond the points.
    """
    if not moved:
        return landmarks
    square = align.squaring(pixel_aspect)
    points = align.transform(landmarks, square)
    size = align.magnification(align.similarity(BASE, points, WEIGHTS))
    if not size > 0:
        raise FaceError("A face whose landmarks lie on one point cannot be corrected by single landmarks.")
    chosen = sorted(moved)
    wanted = np.array([moved[index] for index in chosen], np.float64)
    places = align.transform(wanted, square)
    placed = align.transform(points, _similarity(points[chosen], places, size))
    left = places - placed[chosen]
    apart = _kernel(placed[chosen], placed[chosen], size) + _SLACK * np.eye(len(chosen))
    placed += _kernel(placed, placed[chosen], size) @ np.linalg.solve(apart, left)
    placed = align.transform(placed, align.invert(square))
    placed[chosen] = wanted
    return placed.astype(np.float32)


def _similarity(before: _Array, after: _Array, size: float) -> align.Matrix:
    """The move of the whole face: a shift for one point, up to a similarity for points far apart."""
    middle, target = before.mean(axis=0), after.mean(axis=0)
    spread = float(np.sqrt(((before - middle) ** 2).sum(axis=1).mean()))
    share = float(np.clip((spread / size - _NARROW) / (_WIDE - _NARROW), 0, 1))
    linear = np.eye(2)
    if share > 0:
        fitted = align.similarity(before, after)[:, :2]
        linear += share * share * (3 - 2 * share) * (fitted - linear)
    return np.column_stack([linear, target - linear @ middle])


def _kernel(first: _Array, second: _Array, size: float) -> _Array:
    """(N, M): how much of a correction at the second points reaches the first."""
    apart = np.linalg.norm(first[:, None] - second[None], axis=2)
    return np.asarray(np.exp(-apart / (_REACH * size)), np.float64)
