"""What of a performer's landmarks is the performer, and what is the acting.

Two performers' mean landmarks differ because their faces do, because one of them happened to talk or to
squint while the other did not, and because each face was aligned by its own features. Carrying an expression
over as "distance from one's own mean" would then shut every mouth by the difference. Here a difference that
acting or alignment can explain better than anatomy counts as neither's shape.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from understudy.face import anatomy

# Another head's own pitch passes for pitch (pose.py), by so many radians.
_MISREAD = 0.1


def identity_shapes(performances: Sequence[ArrayLike], poses: Sequence[ArrayLike]) -> NDArray[np.float32]:
    """Each performer's own shape, free of pose and expression; only their differences mean anything.

    Landmarks are taken to be shape + a polynomial of the pose that all performers share + expression. What is
    left of a performer's mean after the pose is shape, mean expression and how the face was placed, all
    Gaussian: the expression by what was seen within the performances and by what acting is known to do, the
    shape by how people differ. The posterior mean of the shape is taken.

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
