"""Detail: sharpening and softening the face."""

from __future__ import annotations

import math

import cv2
import numpy as np

from understudy.errors import JobError
from understudy.image.frame import FloatImage


def sharpen(rgb: FloatImage, amount: float, radius_px: float) -> FloatImage:
    """Sharpen by an unsharp mask, or soften: rgb + amount/100 · (rgb − Gaussian(rgb)).

    The formula goes through 0 without a step: 100 doubles the detail finer than the radius, −100 leaves the
    Gaussian alone. Nothing is clipped, and the border is mirrored, so that no halo comes from outside.

    Args:
        rgb: (H, W, C) float32, encoded space.
        amount: −100..100 percent.
        radius_px: Standard deviation of the Gaussian in pixels, 0 or more.

    Returns:
        A new array of the same shape. Pixels that are not finite stay as they are and do not spread.

    Raises:
        JobError: amount or radius_px is out of range.
    """
    if not -100 <= amount <= 100:
        raise JobError(f"A sharpness of {amount} is out of range.", fix="set it between -100 and 100")
    if not math.isfinite(radius_px) or radius_px < 0:
        raise JobError(f"A radius of {radius_px} pixels is out of range.", fix="give 0 or more")
    image = np.ascontiguousarray(rgb, np.float32)
    if amount == 0 or radius_px == 0 or image.size == 0:
        return image.copy()
    share = amount / 100
    soft = _gaussian(image, radius_px)
    out = np.asarray(cv2.addWeighted(image, 1 + share, soft, -share, 0), np.float32).reshape(image.shape)
    if not np.isfinite(out).all():
        bad = ~np.isfinite(image)
        out[bad] = image[bad]
    return out


def _gaussian(image: FloatImage, sigma: float) -> FloatImage:
    """Gaussian over the finite pixels alone."""
    # A window wider than the array adds nothing but time.
    reach = min(math.ceil(3 * sigma), max(image.shape[:2]))
    window = (2 * reach + 1, 2 * reach + 1)
    finite = np.isfinite(image)
    if finite.all():
        out = cv2.GaussianBlur(image, window, sigma, borderType=cv2.BORDER_REFLECT)
        return np.asarray(out, np.float32).reshape(image.shape)
    filled = np.where(finite, image, 0)
    values = cv2.GaussianBlur(filled, window, sigma, borderType=cv2.BORDER_REFLECT)
    weights = cv2.GaussianBlur(finite.astype(np.float32), window, sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(values / np.maximum(weights, 1e-6), np.float32).reshape(image.shape)
