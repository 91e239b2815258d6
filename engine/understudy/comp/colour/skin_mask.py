"""Skin mask: the parts that are bare skin on every face; dark pixels elsewhere may be a beard."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.comp.mattes import matte
from understudy.image.frame import FloatImage

# From ear to ear below the nose: no beard and no lip lies above it.
_BELOW_NOSE = (2, 31, 33, 35, 14)
_BRIDGE, _CHIN = 27, 8
_EYES_AND_BROWS = ((*range(17, 22), *range(36, 42)), (*range(22, 27), *range(42, 48)))


def skin_mask(landmarks: FloatImage, size: int) -> FloatImage:
    """Forehead, nose and cheeks, without eyes and brows and all that lies below the nose.

    Args:
        landmarks: (68, 2) pixels of the raster, x right, y down, pixel centres at integers.
        size: Edge of the raster.

    Returns:
        (size, size) float32 in 0..1.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.
    """
    points = matte.face_points(landmarks)
    cover = matte.hull(landmarks, size)
    line = points[list(_BELOW_NOSE)]
    down = points[_CHIN] - points[_BRIDGE]
    below = np.concatenate([line, line[::-1] + 2.0 * down])
    for outline in (below, *(cv2.convexHull(_float(points[list(one)]))[:, 0] for one in _EYES_AND_BROWS)):
        # Integers in sixteenths of a pixel; what lies beyond these is far outside every raster.
        places = np.clip(np.round(outline * 16), -(2**20), 2**20).astype(np.int32)
        cv2.fillPoly(cover, [places], 0.0, cv2.LINE_8, shift=4)
    return cover


def _float(points: np.ndarray) -> np.ndarray:
    return np.asarray(points, np.float32)
