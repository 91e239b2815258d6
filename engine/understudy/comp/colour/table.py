"""Colour matches that no matrix can make: histograms and optimal transport, as a matrix and a small table.

Points of the face's colours are moved onto the plate's. What the Monge-Kantorovich matrix leaves of each move
goes into a smooth table over colour space, so that two pixels of nearly one colour are never torn apart, the
grain that moving pixels one by one would raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp.checks import finite_cover
from understudy.comp.colour import matrix
from understudy.core.errors import JobError, PlateError
from understudy.image.frame import FloatImage

Points = NDArray[np.float64]

_SAMPLES = 4096
_EDGE = 12
_ROTATIONS = 16
_DIRECTIONS, _STEPS = 16, 12
# A cell of the table with fewer samples than this leans towards no change.
_TRUSTED_SAMPLES = 2.0


def solve(
    method: str,
    face: FloatImage,
    plate: FloatImage,
    matte: FloatImage,
    *,
    strength: float = 1.0,
    seed: int = 1,
) -> matrix.ColourMatch:
    """Solve a match that moves the face's whole distribution of colours under the matte to the plate's.

    The same seed and pixels give the same bits, on every frame: directions do not change from frame to frame.

    Args:
        method: "histogram", each channel by itself; "iterative", along random axes in turn; "sliced", along
            many random directions at once.
        face: (H, W, 3) float32, encoded space, unpremultiplied.
        plate: The same shape and space.
        matte: (H, W) float32 in 0..1; pixels are drawn in proportion to it.
        strength: 0 keeps the face, 1 matches fully.
        seed: Of the random axes.

    Returns:
        A match with a table.

    Raises:
        JobError: the method is unknown, or strength is outside 0..1.
        PlateError: the shapes differ, or the matte is empty.
    Source:
        Pitié et al. 2007, Automated colour grading using colour distribution transfer (iterative); Rabin et
        al. 2012, Wasserstein Barycenter and its Application to Texture Mixing (sliced).
    """
    samples = draw(face, plate, matte)
    return solve_samples(method, *matrix.measure(face, plate, matte), samples, strength=strength, seed=seed)


def solve_samples(
    method: str,
    face: matrix.Statistics,
    plate: matrix.Statistics,
    samples: Samples,
    *,
    strength: float = 1.0,
    seed: int = 1,
) -> matrix.ColourMatch:
    """`solve` from statistics and drawn pixels, which may be of several frames.

    Raises:
        JobError: the method is unknown, or strength is outside 0..1.
    """
    if method not in METHODS:
        raise JobError(f"There is no colour method {method!r}.", fix=f"use one of {', '.join(METHODS)}")
    straight = matrix.solve_statistics("monge_kantorovich", face, plate)
    moved = samples.face @ straight.matrix[:, :3].T + straight.matrix[:, 3]
    goal = METHODS[method](moved, samples.plate, np.random.Generator(np.random.PCG64(seed)))
    table = _table(moved, goal - moved)
    return matrix.ColourMatch(straight.matrix, matrix.Table(*table, straight.matrix)).at_strength(strength)


@dataclass(frozen=True, eq=False)
class Samples:
    """As many pixels of face and plate, (N, 3) float64 each, encoded units."""

    face: Points
    plate: Points

    @classmethod
    def together(cls, several: Sequence[Samples], shares: Sequence[float] | Points) -> Samples:
        """About as many of several frames as of one: of each its share, taken evenly."""
        kept = []
        for one, share in zip(several, shares, strict=True):
            count = max(1, round(share * len(one.face)))
            kept.append(((np.arange(count) + 0.5) / count * len(one.face)).astype(int))
        faces = [one.face[places] for one, places in zip(several, kept, strict=True)]
        plates = [one.plate[places] for one, places in zip(several, kept, strict=True)]
        return cls(np.concatenate(faces), np.concatenate(plates))


def draw(face: FloatImage, plate: FloatImage, matte: FloatImage) -> Samples:
    """The same number of pixels of both, in proportion to the matte and evenly through the picture.

    Raises:
        PlateError: the matte is empty.
    """
    weight = np.cumsum(finite_cover(matte, face, plate).astype(np.float64).ravel())
    if not weight[-1] > 0:
        raise PlateError("The matte is empty: no finite pixel to match colours by.", fix="grow the matte")
    places = np.searchsorted(weight, (np.arange(_SAMPLES) + 0.5) / _SAMPLES * weight[-1])
    first, second = (image.reshape(-1, 3)[places].astype(np.float64) for image in (face, plate))
    return Samples(first, second)


def _histogram(points: Points, wanted: Points, random: np.random.Generator) -> Points:
    return _match_axes(points, wanted)


def _match_axes(points: Points, wanted: Points) -> Points:
    """Each column takes on the other's values in its own order."""
    out = np.empty_like(points)
    order = np.argsort(points, axis=0, kind="stable")
    np.put_along_axis(out, order, np.sort(wanted, axis=0), axis=0)
    return out


def _iterative(points: Points, wanted: Points, random: np.random.Generator) -> Points:
    out = points
    for turn in range(_ROTATIONS):
        axes = np.eye(3) if turn == 0 else np.linalg.qr(random.standard_normal((3, 3)))[0]
        out = _match_axes(out @ axes, wanted @ axes) @ axes.T
    return out


def _sliced(points: Points, wanted: Points, random: np.random.Generator) -> Points:
    out = points
    for _ in range(_STEPS):
        directions = random.standard_normal((3, _DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        seen = out @ directions
        # The mean over directions of a move along each is a third of the move: three of them make it whole.
        out = out + 3 / _DIRECTIONS * (_match_axes(seen, wanted @ directions) - seen) @ directions.T
    return out


METHODS: Mapping[str, Callable[[Points, Points, np.random.Generator], Points]] = {
    "histogram": _histogram,
    "iterative": _iterative,
    "sliced": _sliced,
}


def _table(points: Points, moves: Points) -> tuple[FloatImage, Points, Points]:
    """Moves as a table over the colours that the points take: values (E, E, E, 3), low and high corner."""
    low, high = points.min(axis=0), points.max(axis=0)
    high = np.maximum(high, low + 1e-3)
    at = np.clip((points - low) / (high - low), 0, 1) * (_EDGE - 1)
    cell = np.minimum(at.astype(int), _EDGE - 2)
    share = at - cell
    total = np.zeros((_EDGE, _EDGE, _EDGE, 4))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner) == 1, share, 1 - share), axis=1)
        index = tuple((cell + corner).T)
        np.add.at(total, index, weight[:, None] * np.column_stack([moves, np.ones(len(moves))]))
    total = _smoothed(total)
    values = total[..., :3] / (total[..., 3:] + _TRUSTED_SAMPLES)
    return np.ascontiguousarray(values, np.float32), low, high


def _smoothed(total: Points) -> Points:
    """Blur by one cell along each axis."""
    for axis in range(3):
        flat = np.ascontiguousarray(np.moveaxis(total, axis, 0).reshape(_EDGE, -1))
        blurred = cv2.sepFilter2D(flat, cv2.CV_64F, np.ones(1), np.array([0.25, 0.5, 0.25]))
        shape = np.moveaxis(total, axis, 0).shape
        total = np.moveaxis(np.asarray(blurred, np.float64).reshape(shape), 0, axis)
    return total
