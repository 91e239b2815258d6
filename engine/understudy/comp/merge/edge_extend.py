"""Edge extension: beyond its matte, a predicted face continues in its own colours.

Around a face, a network predicts what surrounded it in the performer's frames: another set, a blue screen.
A soft matte, or one that is grown, would let a rim of it show.
"""

from __future__ import annotations

import cv2
import numpy as np

from understudy.comp.checks import require_fit
from understudy.image.frame import FloatImage

# Shares of the picture's edge: how far colours spread on their own, and the wider spreads that count, each
# more faintly, where nothing near is covered. They are blurred on a raster of so many pixels at most.
_SPREADS = ((0.02, 1.0), (0.06, 1e-2), (0.18, 1e-4), (0.54, 1e-6))
_SMALL_PX = 96


def extended(face: FloatImage, matte: FloatImage) -> FloatImage:
    """The face with its colours continued beyond its matte.

    Args:
        face: (H, W, 3) float32, encoded space, finite.
        matte: (H, W) float32 in 0..1. Where it is a half or more the face stays as it is, bit for bit; where
            it is nothing, the colours of the covered pixels nearest to it take its place.

    Returns:
        (H, W, 3) float32; the face itself where nothing is covered.

    Raises:
        PlateError: the shapes differ.

    Source:
        Knutsson & Westin 1993, Normalized Convolution, at several widths.
    """
    require_fit(matte, face=face)
    sure = np.clip(matte * np.float32(2), 0, 1)
    if not sure.any() or sure.min() == 1:
        return face
    colours, weight = _spread(np.dstack([face * sure[..., None], sure]), matte.shape)
    around = colours / weight[..., None]
    mixed = around + sure[..., None] * (face - around)
    return np.asarray(np.where(sure[..., None] == 1, face, mixed), np.float32)


def _spread(planes: FloatImage, shape: tuple[int, ...]) -> tuple[FloatImage, FloatImage]:
    """Weighted colours and their weight, nowhere zero, blurred at all widths."""
    height, width = shape
    shrink = max(1.0, max(shape) / _SMALL_PX)
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    small = np.asarray(cv2.resize(planes, size, interpolation=cv2.INTER_AREA), np.float32)
    small = small.reshape(size[1], size[0], planes.shape[2])
    total = np.zeros_like(small)
    for share, strength in _SPREADS:
        blurred = cv2.GaussianBlur(small, (0, 0), share * max(size), borderType=cv2.BORDER_REPLICATE)
        total += np.float32(strength) * blurred.reshape(total.shape)
    # Far from all covered pixels every blur rounds to 0, and the mean of all of them decides.
    total += np.float32(1e-9) * small.mean(axis=(0, 1), keepdims=True)
    grown = np.asarray(cv2.resize(total, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return grown[..., :3], grown[..., 3]
