"""Light: the plate's broad light and shade on the new face, the new face's own detail.

A network draws the light it was taught. What the plate's light does on the face, a warm side, a shadow that
crosses it, lies in low frequencies, and so does little of what makes a face somebody's.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from understudy.comp.cover import finite_cover, require_fit
from understudy.errors import JobError
from understudy.image.frame import FloatImage

_SMALL_RADIUS_PX = 5.0


def difference(face: FloatImage, plate: FloatImage, matte: FloatImage, *, radius_px: float) -> FloatImage:
    """What to add to the face so that its low frequencies are the plate's.

    Both are blurred over the matte alone, so that neither hair nor background bleeds in; where the matte is
    thin the nearest covered pixels speak.

    Args:
        face: (H, W, 3) float32, encoded space, unpremultiplied.
        plate: The same shape and space.
        matte: (H, W) float32 in 0..1.
        radius_px: Standard deviation of the Gaussian that tells light from detail, in pixels, above 0.

    Returns:
        (H, W, 3) float32, encoded units; zeros where nothing lies under the matte.

    Raises:
        JobError: the radius is not a number above 0.
        PlateError: the shapes differ.
    Source:
        Naruniec et al. 2020, High-Resolution Neural Face Swapping for Visual Effects: contrast- and
        light-preserving compositing. Weighted by coverage: Knutsson & Westin 1993, Normalized Convolution.
    """
    require_fit(matte, face=face, plate=plate)
    if not math.isfinite(radius_px) or radius_px <= 0:
        raise JobError(f"A light radius of {radius_px} pixels is out of range.", fix="give more than 0")
    apart = np.asarray(plate, np.float32) - np.asarray(face, np.float32)
    weight = finite_cover(matte, apart)
    if not weight.any():
        return np.zeros_like(apart)
    values = np.where(weight[..., None] > 0, apart, 0) * weight[..., None]
    # What is blurred this much can be blurred small: a wide Gaussian costs more than all the rest of a frame.
    height, width = weight.shape
    shrink = max(1.0, radius_px / _SMALL_RADIUS_PX)
    small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    values, weight = (
        np.asarray(cv2.resize(one, small, interpolation=cv2.INTER_AREA), np.float32)
        for one in (values, weight)
    )
    radius = radius_px * small[0] / width
    # A wider blur, faint as it is, decides where the narrow one has nothing to say.
    total, norm = np.zeros_like(values), np.zeros_like(weight)
    for widening, say in ((1.0, 1.0), (3.0, 1e-3)):
        total += np.float32(say) * _blur(values, radius * widening)
        norm += np.float32(say) * _blur(weight, radius * widening)
    broad = np.asarray(total / np.maximum(norm, 1e-8)[..., None], np.float32)
    return np.asarray(cv2.resize(broad, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _blur(image: FloatImage, sigma: float) -> FloatImage:
    reach = min(math.ceil(3 * sigma), max(image.shape[:2]))
    window = (2 * reach + 1, 2 * reach + 1)
    blurred = cv2.GaussianBlur(image, window, sigma, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float32).reshape(image.shape)
