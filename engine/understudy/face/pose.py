"""Where a head looks: yaw, pitch and roll off the 68 landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from understudy.core.errors import FaceError

# fmt: off
MEAN: NDArray[np.float64] = np.array((
    (-0.797, -0.323, 0.884), (-0.793, -0.157, 0.944), (-0.780, 0.014, 0.956), (-0.752, 0.199, 0.940),
    (-0.706, 0.399, 0.883), (-0.640, 0.558, 0.774), (-0.563, 0.672, 0.657), (-0.371, 0.843, 0.485),
    (0.000, 0.960, 0.339), (0.371, 0.843, 0.485), (0.563, 0.672, 0.657), (0.640, 0.558, 0.774),
    (0.706, 0.399, 0.883), (0.752, 0.199, 0.940), (0.780, 0.014, 0.956), (0.793, -0.157, 0.944),
    (0.797, -0.323, 0.884), (-0.648, -0.512, 0.310), (-0.584, -0.565, 0.209), (-0.481, -0.594, 0.130),
    (-0.341, -0.586, 0.063), (-0.166, -0.556, 0.030), (0.166, -0.556, 0.030), (0.341, -0.586, 0.063),
    (0.481, -0.594, 0.130), (0.584, -0.565, 0.209), (0.648, -0.512, 0.310), (0.000, -0.393, 0.052),
    (0.000, -0.233, -0.045), (0.000, -0.084, -0.165), (0.000, 0.009, -0.188), (-0.189, 0.126, 0.117),
    (-0.092, 0.147, 0.044), (0.000, 0.154, 0.024), (0.092, 0.147, 0.044), (0.189, 0.126, 0.117),
    (-0.500, -0.365, 0.313), (-0.431, -0.407, 0.234), (-0.321, -0.413, 0.213), (-0.199, -0.345, 0.255),
    (-0.302, -0.333, 0.233), (-0.413, -0.329, 0.253), (0.199, -0.345, 0.255), (0.321, -0.413, 0.213),
    (0.431, -0.407, 0.234), (0.500, -0.365, 0.313), (0.413, -0.329, 0.253), (0.302, -0.333, 0.233),
    (-0.299, 0.410, 0.275), (-0.171, 0.330, 0.090), (-0.089, 0.308, 0.046), (0.000, 0.325, 0.038),
    (0.089, 0.308, 0.046), (0.171, 0.330, 0.090), (0.299, 0.410, 0.275), (0.171, 0.538, 0.163),
    (0.092, 0.568, 0.132), (0.000, 0.578, 0.127), (-0.092, 0.568, 0.132), (-0.171, 0.538, 0.163),
    (-0.273, 0.410, 0.256), (-0.137, 0.382, 0.146), (0.000, 0.384, 0.109), (0.137, 0.382, 0.146),
    (0.273, 0.410, 0.256), (0.138, 0.451, 0.165), (0.000, 0.467, 0.130), (-0.138, 0.451, 0.165),
))
# fmt: on
"""(68, 3): the mean face in outer-eye distances; x right, y down, z away from the camera. Made of the same
meshes as `template.BASE`, averaged and mirrored onto itself."""

# Eyes, nose and the sides of the face turn with the skull; the mouth and the chin do not always.
_RIGID = (0, 1, 2, 3, 13, 14, 15, 16, 21, 22, *range(27, 36), 36, 39, 42, 45)


def camera(landmarks: ArrayLike) -> NDArray[np.float64]:
    """The weak perspective that shows the mean face where a head's rigid landmarks lie.

    An affine camera by least squares, then the nearest rotation, made larger by the mean of its two scales.

    Args:
        landmarks: (68, 2) pixels.

    Returns:
        (2, 3) from `MEAN`'s axes to pixels: where a step of one outer-eye distance to the face's own right,
        down, and away from the camera goes in the picture.

    Raises:
        FaceError: the landmarks are not (68, 2) finite numbers, or lie on one line.
    """
    rows, sizes, columns = _affine(landmarks)
    return np.asarray(sizes.mean() * rows @ columns, np.float64)


def pose(landmarks: ArrayLike) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a head.

    The mean face is fitted under a weak perspective: an affine camera by least squares, then the nearest
    rotation. Good to a few degrees up to 60 of yaw; another head's own pitch passes for pitch.

    Args:
        landmarks: (68, 2) pixels.

    Returns:
        Radians: yaw, positive when the performer looks to the picture's right; pitch, positive when looking
        down; roll, positive when the head is turned clockwise in the picture.

    Raises:
        FaceError: the landmarks are not (68, 2) finite numbers, or lie on one line.
    """
    rows, _, columns = _affine(landmarks)
    right, down = rows @ columns
    away = np.cross(right, down)
    # `away` holds the model axes' depth; the face looks along the model's -z.
    yaw = np.arctan2(-right[2], away[2])
    pitch = np.arctan2(-down[2], np.hypot(right[2], away[2]))
    roll = np.arctan2(down[0], right[0]) if abs(yaw) < np.pi / 2 else 0.0
    return float(yaw), float(pitch), float(roll)


def _affine(landmarks: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The singular value decomposition of the affine camera that fits the mean face's rigid points."""
    points = np.asarray(landmarks, np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise FaceError("A head's pose needs 68 landmarks of two finite numbers.")
    model = MEAN[list(_RIGID)] - MEAN[list(_RIGID)].mean(axis=0)
    seen = points[list(_RIGID)] - points[list(_RIGID)].mean(axis=0)
    affine = np.linalg.lstsq(model, seen, rcond=None)[0].T
    rows, sizes, columns = np.linalg.svd(affine, full_matrices=False)
    if sizes[1] < 1e-9 * max(float(sizes[0]), 1e-9):
        raise FaceError("Landmarks to read a pose from all lie on one line.")
    return rows, sizes, columns
