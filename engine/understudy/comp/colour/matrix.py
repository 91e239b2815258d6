"""Colour match: move the face's colours to the plate's, as a 3×4 matrix in the encoded space.

A method only decides how the matrix is solved. Applying it is one multiply, here and in the host, and a
matrix can be written into a frame's metadata, smoothed over time, held and animated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp import kernels
from understudy.comp.checks import require_fit
from understudy.core.errors import JobError, PlateError
from understudy.image.frame import FloatImage

Matrix = NDArray[np.float64]

# Added to every variance (encoded units squared, a deviation of 1e-4): far below grain, enough that a flat
# face or a single pixel solves to a plain shift in place of a division by zero.
_VARIANCE_FLOOR = 1e-8
# A match may at most quarter or quadruple a contrast: beyond that it amplifies compression noise.
_GAIN_LOW, _GAIN_HIGH = 0.25, 4.0

# Newton steps with the matrix for the slope: a table bends colours little beside it.
_UNDOING_STEPS = 8

# Encoded units, a little over a stop: light may differ by this much between face and plate.
_USUAL_DIFFERENCE = 0.08
# Where light from one side is accounted for, they differ by less: most of a stop.
_USUAL_OFF_PLANE = 0.045
# Less of a matte than this says nothing of all of it: a face that the frame cuts below the eyes.
_ENOUGH = 0.1
# A plane is read off a raster of so many pixels at most, and what lies off it counts less from pass to pass.
_PLANE_PX = 48
_NARROWING = (0.32, 0.16, 0.08, 0.08)

# Orthonormal lightness, yellow-blue and red-green axes: the decorrelation of Ruderman's l-alpha-beta.
_OPPONENT = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]])
_OPPONENT /= np.linalg.norm(_OPPONENT, axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Table:
    """What a match adds to its matrix: a vector for every colour, from a table read in straight lines.

    Attributes:
        values: (E, E, E, 3) float32, encoded units.
        low, high: (3,) the colours of the table's first and last corner; beyond them its faces go on.
        index: (3, 4) matrix that leads from a face's colour to a place in the table.
    """

    values: FloatImage
    low: Matrix
    high: Matrix
    index: Matrix

    def scaled(self, strength: float) -> Table:
        """A share of what it adds."""
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

    @classmethod
    def from_text(cls, text: str) -> ColourMatch:
        """Read back what `as_text` gave.

        Raises:
            JobError: there are not 12 finite numbers.
        """
        try:
            matrix = np.array(text.split(), np.float64)
        except ValueError:
            matrix = np.zeros(0)
        if matrix.shape != (12,) or not np.isfinite(matrix).all():
            raise JobError("A colour match is 12 finite numbers, the rows of a 3 by 4 matrix.")
        return cls(matrix.reshape(3, 4))

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

        Where a match brings different colours together, by its matrix or its table, it is one near it.
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
    """Weigh the colours of face and plate by the matte, over the pixels that are finite in both.

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


def trusted(
    face: FloatImage, plate: FloatImage, matte: FloatImage, *, bare: FloatImage | None = None
) -> FloatImage:
    """The matte, lowered where face and plate differ otherwise than they mostly do: a beard, a fringe.

    A beard in the plate is no dark skin, and must neither darken a shaven face nor count as shade on it.
    Light from one side is no beard: where it is known what is surely skin, it is a plane over the face.

    Args:
        face: (H, W, 3) float32, encoded space.
        plate: The same shape and space.
        matte: (H, W) float32 in 0..1.
        bare: (H, W) float32 in 0..1, where both are surely skin: what they mostly differ by is read there.
            Left out, or where hardly any of the matte is surely skin, it is one number for all of the matte.

    Returns:
        (H, W) float32, at most the matte; 0 where a pixel is not finite.

    Raises:
        PlateError: the shapes differ.
    Source:
        Welsch's weight about the weighted median, or a plane fitted by it, e.g. Holland & Welsch 1977.
    """
    require_fit(matte, face=face, plate=plate)
    of_face, of_plate, weight = (np.ascontiguousarray(one, np.float32) for one in (face, plate, matte))
    out = np.empty(matte.shape, np.float32)
    plane = None if bare is None else _plane(of_face, of_plate, weight, bare)
    usual = _USUAL_OFF_PLANE
    if plane is None:
        plane = np.array([kernels.median_apart(of_face, of_plate, weight), 0.0, 0.0])
        usual = _USUAL_DIFFERENCE
    kernels.trust_common(of_face, of_plate, weight, plane, usual, out)
    return out


def _plane(face: FloatImage, plate: FloatImage, matte: FloatImage, bare: FloatImage) -> Matrix | None:
    """(3,) what plate - face mostly is in lightness: in the middle, and more to the right and lower edge.

    None where too little is surely skin.
    """
    sums = np.zeros((*(min(edge, _PLANE_PX) for edge in matte.shape), 2))
    covered = kernels.apart_by_cells(face, plate, matte, np.ascontiguousarray(bare, np.float32), sums)
    if not sums[..., 0].sum() > _ENOUGH * covered:
        return None
    rows, columns = np.nonzero(sums[..., 0] > 0)
    weight = sums[rows, columns, 0]
    values = sums[rows, columns, 1] / weight
    places = [(2.0 * at + 1.0) / edge - 1.0 for at, edge in ((columns, sums.shape[1]), (rows, sums.shape[0]))]
    basis = np.stack([np.ones(len(weight)), *places], axis=1)
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    plane = np.array([values[order][np.searchsorted(reached, reached[-1] / 2)], 0.0, 0.0])
    for usual in _NARROWING:
        away = (values - basis @ plane) / usual
        weighted = basis * (weight * np.exp(-(away**2)))[:, None]
        # A little for the plane that lies level: what is left of a face may be one column of pixels.
        level = 1e-3 * weight.sum() * np.diag([0.0, 1.0, 1.0])
        plane = np.linalg.lstsq(weighted.T @ basis + level, weighted.T @ values, rcond=None)[0]
    return plane


def _statistics(means: Matrix) -> Statistics:
    mean = means[:3]
    r, g, b = means[3:6], means[[4, 6, 7]], means[[5, 7, 8]]
    return Statistics(mean, np.stack([r, g, b]) - np.outer(mean, mean))


def _unchanged(face: Statistics, plate: Statistics) -> Matrix:
    return np.eye(3)


def _gains(face_variance: Matrix, plate_variance: Matrix) -> Matrix:
    """Ratio of two deviations, steadied and bounded."""
    lifted = [np.maximum(variance, 0) + _VARIANCE_FLOOR for variance in (face_variance, plate_variance)]
    return np.asarray(np.clip(np.sqrt(lifted[1] / lifted[0]), _GAIN_LOW, _GAIN_HIGH), np.float64)


def _mean_std(face: Statistics, plate: Statistics) -> Matrix:
    return np.diag(_gains(np.diag(face.covariance), np.diag(plate.covariance)))


def _reinhard(face: Statistics, plate: Statistics) -> Matrix:
    face_variance, plate_variance = (
        np.einsum("ij,jk,ik->i", _OPPONENT, one.covariance, _OPPONENT) for one in (face, plate)
    )
    return np.asarray(_OPPONENT.T @ np.diag(_gains(face_variance, plate_variance)) @ _OPPONENT, np.float64)


def _root(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Square root of a symmetric positive matrix, and the root's inverse."""
    values, vectors = np.linalg.eigh(matrix)
    roots = np.sqrt(np.maximum(values, _VARIANCE_FLOOR))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def _monge_kantorovich(face: Statistics, plate: Statistics) -> Matrix:
    floor = _VARIANCE_FLOOR * np.eye(3)
    root, inverse = _root(face.covariance + floor)
    middle = np.linalg.eigh(root @ (plate.covariance + floor) @ root)
    transport = inverse @ (middle[1] * np.sqrt(np.maximum(middle[0], 0))) @ middle[1].T @ inverse
    values, vectors = np.linalg.eigh((transport + transport.T) / 2)
    return np.asarray((vectors * np.clip(values, _GAIN_LOW, _GAIN_HIGH)) @ vectors.T, np.float64)


def _linear(face: Statistics, plate: Statistics) -> Matrix:
    floor = _VARIANCE_FLOOR * np.eye(3)
    _, whiten = _root(face.covariance + floor)
    colour, _ = _root(plate.covariance + floor)
    left, gains, right = np.linalg.svd(colour @ whiten)
    return np.asarray((left * np.clip(gains, _GAIN_LOW, _GAIN_HIGH)) @ right, np.float64)


METHODS: Mapping[str, Callable[[Statistics, Statistics], Matrix]] = {
    "none": _unchanged,
    "mean": _unchanged,
    "mean_std": _mean_std,
    "reinhard": _reinhard,
    "linear": _linear,
    "monge_kantorovich": _monge_kantorovich,
}


def solve_statistics(
    method: str, face: Statistics, plate: Statistics, *, strength: float = 1.0
) -> ColourMatch:
    """Solve a colour match from statistics, which may have been smoothed over frames.

    Raises:
        JobError: the method is unknown, or strength is outside 0..1.
    """
    if method not in METHODS:
        raise JobError(f"There is no colour method {method!r}.", fix=f"use one of {', '.join(METHODS)}")
    if method == "none":
        return ColourMatch.identity().at_strength(strength)
    linear = METHODS[method](face, plate)
    offset = plate.mean - linear @ face.mean
    return ColourMatch(np.column_stack([linear, offset])).at_strength(strength)


def solve(
    method: str, face: FloatImage, plate: FloatImage, matte: FloatImage, *, strength: float = 1.0
) -> ColourMatch:
    """Solve the colour match that moves the face's statistics under the matte to the plate's.

    Contrasts change by a factor of 0.25 to 4 at most, and a face without contrast is only shifted. The same
    pixels give the same bits on every run and thread count.

    Args:
        method: "none"; "mean", a shift alone; "mean_std", each channel by itself; "reinhard", mean and
            deviation along lightness and two opponent colours; "linear", the face whitened and coloured along
            principal axes; "monge_kantorovich", the least movement that matches the covariance.
        face: (H, W, 3) float32, encoded space, unpremultiplied.
        plate: The same shape and space.
        matte: (H, W) float32 in 0..1; pixels weigh by it.
        strength: 0 keeps the face, 1 matches fully.

    Returns:
        3×4 matrix in the encoded space.

    Raises:
        JobError: the method is unknown, or strength is outside 0..1.
        PlateError: the shapes differ, or the matte is empty (not for "none").
    Source:
        Reinhard et al. 2001, Color Transfer between Images: its l-alpha-beta is a rotation of a logarithm,
        and the encoded space is a logarithm already, so the rotation alone remains and the method is a
        matrix. Pitié & Kokaram 2007, The Linear Monge-Kantorovitch Linear Colour Mapping, which compares it
        with the principal axes' Σp^½ Σf^−½ ("linear").
    """
    if method not in METHODS or method == "none":
        nothing = Statistics(np.zeros(3), np.zeros((3, 3)))
        return solve_statistics(method, nothing, nothing, strength=strength)
    return solve_statistics(method, *measure(face, plate, matte), strength=strength)
