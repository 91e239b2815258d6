"""Linear maps that match two pictures' colour statistics: the matrix methods of the colour match.

Each takes the face's statistics and the plate's and gives a (3, 3) float64 matrix for encoded colours; the
shift that moves the mean follows from it. Gains are limited to 0.25..4.
"""

from __future__ import annotations

import numpy as np

from understudy.comp.colour.matrix import Matrix, Statistics

# Added to every variance (encoded units squared, a deviation of 1e-4): far below grain, enough that a flat
# face or a single pixel solves to a plain shift in place of a division by zero.
_VARIANCE_FLOOR = 1e-8
# A match may at most quarter or quadruple a contrast: beyond that it amplifies compression noise.
_GAIN_LOW, _GAIN_HIGH = 0.25, 4.0
# Bounds of the gain of lightness. A larger gain also enlarges the network's own shading errors.
_LIGHTNESS_LOW, _LIGHTNESS_HIGH = 0.45, 1.25

# Orthonormal lightness, yellow-blue and red-green axes: the decorrelation of Ruderman's l-alpha-beta.
_OPPONENT = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]])
_OPPONENT /= np.linalg.norm(_OPPONENT, axis=1, keepdims=True)


def identity(face: Statistics, plate: Statistics) -> Matrix:
    """No change of contrast: the match is a shift alone."""
    return np.eye(3)


def _gains(face_variance: Matrix, plate_variance: Matrix) -> Matrix:
    """Ratio of two deviations, steadied and bounded."""
    lifted = [np.maximum(variance, 0) + _VARIANCE_FLOOR for variance in (face_variance, plate_variance)]
    return np.asarray(np.clip(np.sqrt(lifted[1] / lifted[0]), _GAIN_LOW, _GAIN_HIGH), np.float64)


def contrast(face: Statistics, plate: Statistics) -> Matrix:
    """The deviation of lightness, the mean of red, green and blue; hues keep their distance from grey.

    Dark skin in the same light has stronger highlights than light skin, as a ratio: its gloss is the same and
    what it reflects below is less. The gain lies in 0.45..1.25: what a face lacks cannot be enlarged.
    """
    of_face, of_plate = (np.asarray(one.covariance.mean()) for one in (face, plate))
    gain = np.clip(_gains(of_face, of_plate), _LIGHTNESS_LOW, _LIGHTNESS_HIGH)
    return np.asarray(np.eye(3) + (gain - 1.0) / 3.0, np.float64)


def mean_std(face: Statistics, plate: Statistics) -> Matrix:
    """Each channel's deviation by itself."""
    return np.diag(_gains(np.diag(face.covariance), np.diag(plate.covariance)))


def reinhard(face: Statistics, plate: Statistics) -> Matrix:
    """Deviations along lightness and two opponent colours.

    Source:
        Reinhard et al. 2001, Color Transfer between Images: its l-alpha-beta is a rotation of a logarithm,
        and the encoded space is a logarithm already, so that the rotation alone remains.
    """
    face_variance, plate_variance = (
        np.einsum("ij,jk,ik->i", _OPPONENT, one.covariance, _OPPONENT) for one in (face, plate)
    )
    return np.asarray(_OPPONENT.T @ np.diag(_gains(face_variance, plate_variance)) @ _OPPONENT, np.float64)


def _root(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Square root of a symmetric positive matrix, and the root's inverse."""
    values, vectors = np.linalg.eigh(matrix)
    roots = np.sqrt(np.maximum(values, _VARIANCE_FLOOR))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def monge_kantorovich(face: Statistics, plate: Statistics) -> Matrix:
    """The least movement of colours that matches the covariance.

    Source:
        Pitié & Kokaram 2007, The Linear Monge-Kantorovitch Linear Colour Mapping.
    """
    floor = _VARIANCE_FLOOR * np.eye(3)
    root, inverse = _root(face.covariance + floor)
    middle = np.linalg.eigh(root @ (plate.covariance + floor) @ root)
    transport = inverse @ (middle[1] * np.sqrt(np.maximum(middle[0], 0))) @ middle[1].T @ inverse
    values, vectors = np.linalg.eigh((transport + transport.T) / 2)
    return np.asarray((vectors * np.clip(values, _GAIN_LOW, _GAIN_HIGH)) @ vectors.T, np.float64)


def linear(face: Statistics, plate: Statistics) -> Matrix:
    """The face whitened and coloured along principal axes: Σp^½ Σf^−½, as Pitié & Kokaram 2007 compare it."""
    floor = _VARIANCE_FLOOR * np.eye(3)
    _, whiten = _root(face.covariance + floor)
    colour, _ = _root(plate.covariance + floor)
    left, gains, right = np.linalg.svd(colour @ whiten)
    return np.asarray((left * np.clip(gains, _GAIN_LOW, _GAIN_HIGH)) @ right, np.float64)
