"""Separates face shape from acting in a performer's landmarks.

Two performers' mean landmarks differ for three reasons: their faces differ, one of them talked or squinted
more, and each face was aligned by its own features. If an expression were transferred as the distance from
the performer's mean, every mouth would be shut by the difference in talking. So a difference that acting or
alignment explains better than anatomy is not counted as face shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from understudy.face import anatomy

# Error of the pitch that pose.py reads off another head's proportions, in radians.
_MISREAD = 0.1


def identity_shapes(performances: Sequence[ArrayLike], poses: Sequence[ArrayLike]) -> NDArray[np.float32]:
    """Each performer's face shape without pose and expression; only differences between them have a meaning.

    The model: landmarks = shape + a polynomial of the pose, shared by all performers + expression. After the
    pose is removed, a performer's mean is shape + mean expression + placement, all Gaussian. The covariance
    of the expression comes from the performances and from anatomy.ACTING, that of the shape from
    anatomy.PEOPLE. The result is the posterior mean of the shape.

    Args:
        performances: For each performer (N, 68, 2), shares of the aligned crop's edge.
        poses: For each performer (N, 2), yaw and pitch in radians.

    Returns:
        (performers, 68, 2) float32, shares of the crop's edge.

    Source:
        The conjugate normal model, e.g. Bishop 2006, Pattern Recognition and Machine Learning, section 2.3.3.
    """
    landmarks = [np.asarray(part, np.float64).reshape(len(np.asarray(part)), -1) for part in performances]
    everything = np.concatenate(landmarks)
    owner = np.repeat(np.eye(len(landmarks)), [len(part) for part in landmarks], axis=0)
    angles = np.concatenate([np.asarray(part, np.float64).reshape(-1, 2) for part in poses])
    design = np.concatenate([owner, _polynomial(angles)], axis=1)
    solved, *_ = np.linalg.lstsq(design, everything, rcond=None)
    means, nod = solved[: len(landmarks)], solved[len(landmarks) + 1] * _MISREAD
    middle = means.mean(axis=0)
    rest = everything - design @ solved
    scale = _edges_a_millimetre(middle.reshape(-1, 2)) ** 2
    shape = anatomy.PEOPLE * scale
    other = (anatomy.ACTING + anatomy.PLACING) * scale + rest.T @ rest / len(rest) + np.outer(nod, nod)
    own = shape @ np.linalg.solve(shape + other, (means - middle).T)
    return np.asarray((middle + own.T).reshape(len(landmarks), -1, 2), np.float32)


def _edges_a_millimetre(landmarks: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(landmarks[45] - landmarks[36])) / anatomy.EYES_APART


def _polynomial(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of yaw and pitch; the pitch itself is the second."""
    yaw, pitch = angles[:, :1], angles[:, 1:]
    return np.concatenate([yaw, pitch, yaw**2, pitch**2, yaw * pitch, yaw**3], axis=1)
