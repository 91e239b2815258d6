"""Colour match: move the face's colours to the plate's, as a 3×4 matrix in the encoded space.

A method (methods.py) only decides how the matrix is solved. Applying it is one multiply, here and in the
host, and a matrix can be written into a frame's metadata, averaged over time, held and animated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp import kernels
from understudy.core.errors import JobError, PlateError
from understudy.image.frame import FloatImage

Matrix = NDArray[np.float64]

# Newton steps with the matrix for the slope: a table bends colours little beside it.
_UNDOING_STEPS = 8


@dataclass(frozen=True, eq=False)
class Table:
    """The table of a match: a vector for every colour, interpolated linearly, added to the matrix's result.

    Attributes:
        values: (E, E, E, 3) float32, encoded units.
        low, high: (3,) the colours of the table's first and last corner; its outer faces hold beyond.
        index: (3, 4) matrix that leads from a face's colour to a place in the table.
    """

    values: FloatImage
    low: Matrix
    high: Matrix
    index: Matrix

    def scaled(self, strength: float) -> Table:
        """The table scaled by a share."""
        return replace(self, values=np.asarray(self.values * np.float32(strength), np.float32))


@dataclass(frozen=True, eq=False)
class ColourMatch:
    """A solved colour match: encoded RGB out = matrix[:, :3] · encoded RGB in + matrix[:, 3] (+ table).

    Attributes:
        matrix: (3, 4) float64.
        table: What no matrix can do; None for most methods.
    """

    matrix: Matrix
    table: Table | None = None

    @classmethod
    def identity(cls) -> ColourMatch:
        """The match that changes nothing."""
        return cls(np.eye(3, 4))

    def apply(self, rgb: FloatImage) -> FloatImage:
        """Change (..., 3) float32 encoded colours; nothing is clipped, and the identity keeps every bit."""
        colours = np.ascontiguousarray(rgb, np.float32)
        if colours.size == 0 or (self.table is None and np.array_equal(self.matrix, np.eye(3, 4))):
            return colours.copy()
        flat = colours.reshape(-1, 1, 3)
        moved = np.asarray(cv2.transform(flat, self.matrix), np.float32)
        if self.table is not None:
            places = np.asarray(cv2.transform(flat, self.table.index), np.float32)
            kernels.add_from_table(moved, places, self.table.values, self.table.low, self.table.high)
        return moved.reshape(colours.shape)

    def undo(self, rgb: FloatImage) -> FloatImage:
        """The encoded colours (..., 3) that `apply` turns into these.

        Where the match maps several colours onto one, the result is near one of them.
        """
        back = np.linalg.pinv(self.matrix[:, :3]).T.astype(np.float32)
        wanted = np.asarray(rgb, np.float32)
        found = np.asarray((wanted - self.matrix[:, 3].astype(np.float32)) @ back, np.float32)
        for _ in range(_UNDOING_STEPS if self.table is not None else 0):
            found = np.asarray(found + (wanted - self.apply(found)) @ back, np.float32)
        return found

    def at_strength(self, strength: float) -> ColourMatch:
        """Blend with the identity: 0 changes nothing, 1 matches fully.

        Raises:
            JobError: strength is outside 0..1.
        """
        if not 0.0 <= strength <= 1.0:
            raise JobError(f"A colour match's strength is {strength}.", fix="set it between 0 and 1")
        if strength == 1.0:
            return self
        table = None if self.table is None else self.table.scaled(strength)
        return ColourMatch(np.eye(3, 4) + strength * (self.matrix - np.eye(3, 4)), table)

    def then(self, matrix: Matrix) -> ColourMatch:
        """This match and after it a (3, 4) matrix, as one match."""
        linear = matrix[:, :3]
        joined = np.column_stack([linear @ self.matrix[:, :3], linear @ self.matrix[:, 3] + matrix[:, 3]])
        table = self.table
        if table is not None:
            table = replace(table, values=np.asarray(table.values @ linear.T, np.float32))
        return ColourMatch(joined, table)

    def as_text(self) -> str:
        """The matrix's 12 numbers, row by row, with spaces between: a list to every host's expressions."""
        return numbers(self.matrix)


def numbers(values: NDArray[np.floating[Any]]) -> str:
    """Numbers as text that reads back as the same single precision values."""
    return " ".join(f"{value:.9g}" for value in np.ravel(values))


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a picture's colours are like under a matte: mean (3,) and covariance (3, 3), encoded units."""

    mean: Matrix
    covariance: Matrix


def measure(face: FloatImage, plate: FloatImage, matte: FloatImage) -> tuple[Statistics, Statistics]:
    """Colour statistics of face and plate, weighted by the matte, over the pixels that are finite in both.

    Args:
        face: (H, W, 3) float32, encoded space, unpremultiplied.
        plate: The same shape and space.
        matte: (H, W) float32; pixels at 0 are not counted, whatever they hold.

    Returns:
        The face's statistics and the plate's.

    Raises:
        PlateError: the shapes differ, or no finite pixel lies under the matte.
    """
    if face.shape != plate.shape or face.ndim != 3 or face.shape[2:] != (3,) or matte.shape != face.shape[:2]:
        raise PlateError(
            f"Face {face.shape}, plate {plate.shape} and matte {matte.shape} do not fit each other."
        )
    arrays = [np.ascontiguousarray(array, np.float32) for array in (face, plate, matte)]
    sums = kernels.moments(*arrays)
    if not sums[0] > 0:
        raise PlateError(
            "The matte is empty: no finite pixel to match colours by.",
            fix="grow the matte, or set the colour method to none",
        )
    return _statistics(sums[1:10] / sums[0]), _statistics(sums[10:19] / sums[0])


def _statistics(means: Matrix) -> Statistics:
    mean = means[:3]
    r, g, b = means[3:6], means[[4, 6, 7]], means[[5, 7, 8]]
    return Statistics(mean, np.stack([r, g, b]) - np.outer(mean, mean))
