"""Where a face lies in its crop: the template of 68 points, similarity transforms, and warping.

Convention: matrices are (2, 3) float64 and map pixel centres at integers to pixel centres at integers; they
are named by their direction (`plate_to_aligned`). A point u of the unit square lies at u·size − 0.5 of a crop
with `size` pixels, because the square's edges are the outer edges of its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from understudy.core.errors import FaceError
from understudy.face.template import BASE, SIDES, WEIGHTS

Matrix = NDArray[np.float64]
Image = TypeVar("Image", bound=NDArray[Any])


@dataclass(frozen=True)
class Coverage:
    """How much of the head a crop holds.

    Attributes:
        padding: Space round the square from brow to lip, as the peers count it: the crop's edge is
            1 + 2·√2·padding times that square's.
        raised: How far the centre moves to the forehead, in edges of that square.
    """

    padding: float
    raised: float

    @property
    def edge(self) -> float:
        """The crop's edge in edges of the brow-to-lip square."""
        return 1 + 2 * float(np.sqrt(2.0)) * self.padding


COVERAGES = {
    "half": Coverage(0.0, 0.0),
    "full": Coverage(0.2109375, 0.0),
    "whole_face": Coverage(0.40, 0.07),
    "head": Coverage(0.70, 0.50),
}


def template(coverage: str) -> NDArray[np.float64]:
    """(68, 2) of the mean face in the unit square of a coverage; y runs down.

    Raises:
        FaceError: no coverage has that name.
    """
    if coverage not in COVERAGES:
        raise FaceError(f"There is no coverage {coverage!r}.", fix="choose one of " + ", ".join(COVERAGES))
    chosen = COVERAGES[coverage]
    middle = np.array([0.5, 0.5 - chosen.raised])
    return np.asarray((BASE - middle) / chosen.edge + 0.5, np.float64)


TEMPLATE: NDArray[np.float64] = template("full")
"""(68, 2): the mean face in the unit square of the coverage `full`."""


# Fitted on the meshes of five performances up to 60 degrees of yaw: the middle of the visible face lies at
# this share of the ears' mean shift, with a correlation of 0.998.
_TURN_SHARE = 0.79
_SAME_SCALE = 1e-6


def similarity(source: ArrayLike, destination: ArrayLike, weights: ArrayLike | None = None) -> Matrix:
    """The rotation, uniform scale and shift that moves source points nearest to destination points.

    Args:
        source: (N, 2), N ≥ 2, any unit.
        destination: (N, 2).
        weights: (N,) of at least 0; equal when left out.

    Returns:
        (2, 3) float64; never a reflection.

    Raises:
        FaceError: the shapes differ, a number is not finite, or the source points are one and the same.
    Source:
        Umeyama 1991, Least-squares estimation of transformation parameters; in two dimensions its singular
        value decomposition comes down to one complex quotient.
    """
    first = np.asarray(source, np.float64)
    second = np.asarray(destination, np.float64)
    weight = np.ones(len(first)) if weights is None else np.asarray(weights, np.float64)
    shaped = first.ndim == 2 and first.shape[1] == 2
    if not shaped or first.shape != second.shape or weight.shape != first.shape[:1]:
        raise FaceError(f"Points of shape {first.shape} cannot be moved onto points of shape {second.shape}.")
    if not (np.isfinite(first).all() and np.isfinite(second).all() and weight.sum() > 0):
        raise FaceError("Landmarks to align hold a number that is not finite, or have no weight.")
    share = weight / weight.sum()
    first_mean, second_mean = share @ first, share @ second
    a, b = first - first_mean, second - second_mean
    spread = float(share @ (a * a).sum(axis=1))
    if spread <= 1e-18 * (1 + float(first_mean @ first_mean)):
        raise FaceError("Landmarks to align all lie on one point.")
    cosine = float(share @ (a * b).sum(axis=1)) / spread
    sine = float(share @ (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])) / spread
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, second_mean - linear @ first_mean])


def plate_to_aligned(landmarks: ArrayLike, *, coverage: str, size: int, pixel_aspect: float = 1.0) -> Matrix:
    """Where a face's crop lies in its plate.

    Args:
        landmarks: (68, 2) pixels of the plate.
        coverage: `half`, `full`, `whole_face` or `head`.
        size: Edge of the crop in pixels.
        pixel_aspect: Width of a plate's pixel divided by its height. The crop shows the face in its true
            shape: the matrix holds the squeeze.

    Returns:
        (2, 3) float64 from the plate's pixels to the crop's.

    Raises:
        FaceError: the landmarks are not (68, 2) finite numbers, or lie on one point.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != BASE.shape:
        raise FaceError(f"A face has 68 landmarks of two numbers, not an array of shape {points.shape}.")
    if pixel_aspect != 1:
        square = squaring(pixel_aspect)
        true = transform(points, square)
        return compose(plate_to_aligned(true, coverage=coverage, size=size), square)
    ideal = template(coverage) * size - 0.5
    matrix = similarity(points, ideal, WEIGHTS)
    # Eyes and nose lead when a head turns, so that a crop centred on them runs over the nose and wastes the
    # other side. The ears go the other way: shifting by their share keeps the visible face in the middle.
    turned = float((transform(points[SIDES], matrix) - ideal[SIDES])[:, 0].mean())
    matrix[0, 2] -= _TURN_SHARE * turned
    return matrix


def invert(matrix: ArrayLike) -> Matrix:
    """The (2, 3) matrix that leads back.

    Raises:
        FaceError: the matrix flattens the plane.
    """
    full = np.asarray(matrix, np.float64)
    linear = full[:, :2]
    determinant = float(np.linalg.det(linear))
    if not np.isfinite(full).all() or abs(determinant) < 1e-18:
        raise FaceError("A placement matrix cannot be inverted.")
    back = np.linalg.inv(linear)
    return np.column_stack([back, -back @ full[:, 2]])


def compose(second: ArrayLike, first: ArrayLike) -> Matrix:
    """The (2, 3) matrix that does `first`, then `second`."""
    a, b = np.asarray(second, np.float64), np.asarray(first, np.float64)
    return np.column_stack([a[:, :2] @ b[:, :2], a[:, :2] @ b[:, 2] + a[:, 2]])


def transform(points: ArrayLike, matrix: ArrayLike) -> NDArray[np.float64]:
    """(N, 2) float64: the points moved by a (2, 3) matrix."""
    full = np.asarray(matrix, np.float64)
    return np.asarray(np.asarray(points, np.float64) @ full[:, :2].T + full[:, 2])


def resizing(factor_x: float, factor_y: float) -> Matrix:
    """The (2, 3) matrix of a picture that is made larger by two factors, edges on edges."""
    return np.array([[factor_x, 0.0, (factor_x - 1) / 2], [0.0, factor_y, (factor_y - 1) / 2]])


def squaring(pixel_aspect: float) -> Matrix:
    """The (2, 3) matrix from a plate's pixels to square ones, none smaller, edges on edges."""
    return resizing(max(pixel_aspect, 1.0), max(1 / pixel_aspect, 1.0))


def in_true_shape(points: NDArray[np.float32], pixel_aspect: float) -> NDArray[np.float32]:
    """(N, 2) float32 points of a plate in square pixels; themselves where the plate's are square."""
    if pixel_aspect == 1:
        return points
    return np.asarray(transform(points, squaring(pixel_aspect)), np.float32)


def rescale(matrix: ArrayLike, from_size: int, to_size: int) -> Matrix:
    """`plate_to_aligned` of a crop of `from_size` pixels, for the same crop at `to_size` pixels."""
    factor = to_size / from_size
    return compose(resizing(factor, factor), matrix)


def magnification(matrix: ArrayLike) -> float:
    """How many pixels after a (2, 3) matrix one pixel before it spans, along an edge."""
    return float(np.sqrt(abs(np.linalg.det(np.asarray(matrix, np.float64)[:, :2]))))


def magnifications(matrix: ArrayLike) -> tuple[float, float]:
    """How many pixels after a (2, 3) matrix one pixel before it spans, along its x and along its y.

    They differ where the pixels before are not square; of a similarity both are `magnification`.
    """
    linear = np.asarray(matrix, np.float64)[:, :2]
    x, y = (float(length) for length in np.hypot(*linear))
    if abs(x - y) <= _SAME_SCALE * max(x, y):
        return magnification(matrix), magnification(matrix)
    return x, y


def warp(
    image: Image,
    matrix: ArrayLike,
    size: int,
    *,
    interpolation: int = cv2.INTER_LINEAR,
    pixel_aspect: float = 1.0,
) -> Image:
    """A `size`×`size` crop of a picture.

    Where the crop is smaller than what it shows, the picture is first averaged down by area, so that fine
    detail does not shimmer from frame to frame. Beyond the picture its border goes on.

    Args:
        image: (H, W, C) or (H, W), float32 or uint8, any space.
        matrix: (2, 3) from the picture's pixels to the crop's.
        size: Edge of the crop.
        interpolation: OpenCV's constant; INTER_LINEAR makes no overshoot beside values above 1.
        pixel_aspect: The picture's; where it is not 1 the sides are averaged by what each is scaled.

    Returns:
        (size, size, C) or (size, size), of the picture's type.

    Raises:
        FaceError: the matrix cannot be inverted.
    """
    full = np.asarray(matrix, np.float64)
    # What stretches a face a little, such as a mouth that is carried over, averages both sides alike.
    factors = magnifications(full) if pixel_aspect != 1 else (magnification(full),) * 2
    part, full = _cut(image, full, size, min(factors))
    if min(factors) < 1:
        height, width = part.shape[:2]
        across, down = (min(factor, 1.0) for factor in factors)
        smaller = max(1, round(width * across)), max(1, round(height * down))
        part = cv2.resize(part, smaller, interpolation=cv2.INTER_AREA)
        full = compose(full, invert(resizing(smaller[0] / width, smaller[1] / height)))
    result = cv2.warpAffine(part, full, (size, size), flags=interpolation, borderMode=cv2.BORDER_REPLICATE)
    return result.reshape(size, size, *image.shape[2:])  # type: ignore[return-value]


def _cut(image: Image, matrix: Matrix, size: int, factor: float) -> tuple[Any, Matrix]:
    """The part of a picture that a crop can see, and the matrix from there: 4K plates warp no slower."""
    corners = np.array([[-0.5, -0.5], [size - 0.5, -0.5], [size - 0.5, size - 0.5], [-0.5, size - 0.5]])
    seen = transform(corners, invert(matrix))
    margin = 4 + 2 / factor
    limits = np.array([image.shape[1], image.shape[0]])
    # At least one row and one column stay, so that a face beyond the border still has a border to go on.
    low = np.clip(np.floor(seen.min(axis=0) - margin), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(seen.max(axis=0) + margin) + 1, low + 1, limits).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    return part, compose(matrix, np.array([[1.0, 0.0, low[0]], [0.0, 1.0, low[1]]]))
