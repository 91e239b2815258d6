"""Colour matches that no matrix can make: histograms and optimal transport, as a matrix and a small table.

Points of the face's colours are moved onto the plate's. What the Monge-Kantorovich matrix leaves of each move
goes into a smooth table over colour space, so that two pixels of nearly one colour are never torn apart, the
grain that moving pixels one by one would raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp.checks import finite_cover
from understudy.comp.colour import linear_methods
from understudy.comp.colour.matrix import ColourMatch, Statistics, Table
from understudy.core.errors import PlateError
from understudy.image.frame import FloatImage

Points = NDArray[np.float64]
Transport = Callable[[Points, Points, np.random.Generator], Points]

_SAMPLES = 4096
_EDGE = 12
_ROTATIONS = 16
_DIRECTIONS, _STEPS = 16, 12
# A cell of the table with fewer samples than this is pulled towards no change.
_ENOUGH_SAMPLES = 2.0


@dataclass(frozen=True, eq=False)
class Samples:
    """As many pixels of face and plate, (N, 3) float64 each, encoded units."""

    face: Points
    plate: Points

    @classmethod
    def together(cls, several: Sequence[Samples], shares: Sequence[float] | Points) -> Samples:
        """Samples of several frames, about as many in total as of one: each gives its share, taken evenly."""
        kept = []
        for one, share in zip(several, shares, strict=True):
            count = max(1, round(share * len(one.face)))
            kept.append(((np.arange(count) + 0.5) / count * len(one.face)).astype(int))
        faces = [one.face[places] for one, places in zip(several, kept, strict=True)]
        plates = [one.plate[places] for one, places in zip(several, kept, strict=True)]
        return cls(np.concatenate(faces), np.concatenate(plates))


def sample(face: FloatImage, plate: FloatImage, matte: FloatImage) -> Samples:
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


def histogram(points: Points, wanted: Points, random: np.random.Generator) -> Points:
    """Each channel's histogram by itself."""
    return _match_axes(points, wanted)


def _match_axes(points: Points, wanted: Points) -> Points:
    """Each column takes on the other's values in its own order."""
    out = np.empty_like(points)
    order = np.argsort(points, axis=0, kind="stable")
    np.put_along_axis(out, order, np.sort(wanted, axis=0), axis=0)
    return out


def iterative(points: Points, wanted: Points, random: np.random.Generator) -> Points:
    """Histograms along random axes in turn (Pitié et al. 2007, Automated colour grading)."""
    out = points
    for turn in range(_ROTATIONS):
        axes = np.eye(3) if turn == 0 else np.linalg.qr(random.standard_normal((3, 3)))[0]
        out = _match_axes(out @ axes, wanted @ axes) @ axes.T
    return out


def sliced(points: Points, wanted: Points, random: np.random.Generator) -> Points:
    """Along many random directions at once (Rabin et al. 2012, Wasserstein Barycenter)."""
    out = points
    for _ in range(_STEPS):
        directions = random.standard_normal((3, _DIRECTIONS))
        directions /= np.linalg.norm(directions, axis=0)
        seen = out @ directions
        # The mean over directions of a move along each is a third of the move: three of them make it whole.
        out = out + 3 / _DIRECTIONS * (_match_axes(seen, wanted @ directions) - seen) @ directions.T
    return out


def with_table(
    transport: Transport, face: Statistics, plate: Statistics, samples: Samples, seed: int
) -> ColourMatch:
    """The match that moves the face's samples onto the plate's: a matrix, and a table for what it leaves.

    The same seed and samples give the same bits: directions do not change from frame to frame.

    Args:
        transport: Moves points onto others.
        face, plate: Statistics of both.
        samples: Pixels of both, which may be of several frames.
        seed: Of the random axes.
    """
    linear = linear_methods.monge_kantorovich(face, plate)
    straight = np.column_stack([linear, plate.mean - linear @ face.mean])
    moved = samples.face @ straight[:, :3].T + straight[:, 3]
    goal = transport(moved, samples.plate, np.random.Generator(np.random.PCG64(seed)))
    return ColourMatch(straight, Table(*_table(moved, goal - moved), straight))


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
    values = total[..., :3] / (total[..., 3:] + _ENOUGH_SAMPLES)
    return np.ascontiguousarray(values, np.float32), low, high


def _smoothed(total: Points) -> Points:
    """Blur by one cell along each axis."""
    for axis in range(3):
        flat = np.ascontiguousarray(np.moveaxis(total, axis, 0).reshape(_EDGE, -1))
        blurred = cv2.sepFilter2D(flat, cv2.CV_64F, np.ones(1), np.array([0.25, 0.5, 0.25]))
        shape = np.moveaxis(total, axis, 0).shape
        total = np.moveaxis(np.asarray(blurred, np.float64).reshape(shape), 0, axis)
    return total
