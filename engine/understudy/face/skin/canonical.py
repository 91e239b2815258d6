"""Canonical position: where each point of an aligned face lies on the mean face of its coverage.

A thin-plate spline through the landmarks takes one to the other. The lids and the inner lips are left out:
what they do is the expression, by which faces are told apart, and must not be ironed out.

Convention:
    Fields are (GRID, GRID, 2) float32 positions in the unit square, x right and y down, at the centres of an
    even grid's cells: `widened` gives them at every pixel of a picture.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from understudy.face import align
from understudy.face.landmarks import LIDS
from understudy.image.frame import FloatImage

GRID = 32
PREVIEW_SIZE = 64
"""Edge of a face's small picture in canonical position."""
# The spline works in eighths of the edge, and its regularisation is in that unit: landmarks are some pixels
# off, and a spline that follows their noise bends skin. Measured in ADR 30.
_UNITS, _SMOOTHING = 8, 1.0
_INNER_LIPS = range(60, 68)
_LEFT_OUT = {*(index for pair in LIDS for index in pair), *_INNER_LIPS}
LEADING = tuple(index for index in range(68) if index not in _LEFT_OUT)
"""The landmarks that lead the spline."""

Field = NDArray[np.float32]


def from_canonical(landmarks: ArrayLike, *, coverage: str) -> Field:
    """For each point of the mean face its position on a face.

    Args:
        landmarks: (68, 2) shares of the aligned face's edge.
        coverage: Of the aligned face.

    Source:
        Bookstein 1989, Principal Warps; Wahba 1990, Spline Models for Observational Data, for the smoothing.
    """
    points = np.asarray(landmarks, np.float64)[list(LEADING)]
    return _as_field(_from_template(coverage) @ points)


def to_canonical(landmarks: ArrayLike, *, coverage: str) -> Field:
    """For each point of a face its position on the mean face; `from_canonical` the other way round."""
    points = np.asarray(landmarks, np.float64)[list(LEADING)]
    return _as_field(_operator(points, _cells()) @ align.template(coverage)[list(LEADING)])


def widened(field: Field, size: int) -> Field:
    """(size, size, 2) positions in the unit square, from a field."""
    return np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def sampled(picture: NDArray[np.float32], at: Field, *, sharp: bool = False) -> NDArray[np.float32]:
    """A picture read at positions of its unit square; beyond its border that repeats.

    Args:
        picture: (H, W[, C]) float32 of at most 4 channels.
        at: (h, w, 2) positions, x right and y down.
        sharp: Cubic in place of linear interpolation.
    """
    height, width = picture.shape[:2]
    x, y = (at[..., axis] * edge - np.float32(0.5) for axis, edge in ((0, width), (1, height)))
    how = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE), np.float32)


def preview(picture: FloatImage, landmarks: ArrayLike, *, coverage: str) -> FloatImage:
    """An aligned face's small picture in canonical position.

    Args:
        picture: (S, S, 3) encoded.
        landmarks: (68, 2) shares of its edge.
        coverage: Of the aligned face.

    Returns:
        (PREVIEW_SIZE, PREVIEW_SIZE, 3) float32.
    """
    edge = 2 * PREVIEW_SIZE
    if len(picture) > edge:
        picture = np.asarray(cv2.resize(picture, (edge, edge), interpolation=cv2.INTER_AREA), np.float32)
    placed = sampled(picture, widened(from_canonical(landmarks, coverage=coverage), edge))
    return np.asarray(cv2.resize(placed, (PREVIEW_SIZE,) * 2, interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(maxsize=8)
def _from_template(coverage: str) -> NDArray[np.float64]:
    return _operator(align.template(coverage)[list(LEADING)], _cells())


def _cells() -> NDArray[np.float64]:
    """(GRID², 2) centres of the grid's cells in the unit square."""
    centres = (np.arange(GRID) + 0.5) / GRID
    return np.stack(np.meshgrid(centres, centres), axis=2).reshape(-1, 2)


def _as_field(points: NDArray[np.float64]) -> Field:
    return np.ascontiguousarray(points.reshape(GRID, GRID, 2), np.float32)


def _operator(centres: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, N) matrix from values at N centres to the smoothed spline's values at M points."""
    count = len(centres)
    plane = np.column_stack([np.ones(count), centres * _UNITS])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(centres, centres) + _SMOOTHING * np.eye(count)
    system[:count, count:], system[count:, :count] = plane, plane.T
    inverse = np.linalg.solve(system, np.eye(count + 3, count))
    basis = np.column_stack([_kernel(at, centres), np.ones(len(at)), at * _UNITS])
    return np.asarray(basis @ inverse, np.float64)


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bookstein's U(r) = r² log r over all pairs, r in eighths of the edge."""
    squared = (((a[:, None] - b[None]) * _UNITS) ** 2).sum(axis=2)
    return np.asarray(0.5 * squared * np.log(np.maximum(squared, 1e-12)), np.float64)
