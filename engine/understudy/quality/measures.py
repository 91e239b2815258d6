"""Measures of one picture against another, from their published formulas.

Convention:
    Pictures are (H, W, 3) float32 RGB display values, 0..1. Luma is Rec.601's.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage

# Variance of the eye's own noise, of luma in 0..255: Sheikh & Bovik's value.
EYE_NOISE = 2.0
VIF_SCALES = 4
FINEST_SIGMA_PX = 1.0


def psnr(squared_error: float, values: int) -> float:
    """Peak signal-to-noise ratio in dB of values whose peak is 1; infinite where there is no error."""
    if squared_error == 0:
        return float("inf")
    return float(-10 * np.log10(squared_error / max(values, 1)))


def ssim(a: FloatImage, b: FloatImage) -> FloatImage:
    """(H, W) structural similarity of luma, 11×11 Gaussian window of σ 1.5.

    Source:
        Wang, Bovik, Sheikh & Simoncelli 2004, with K1 0.01 and K2 0.03.
    """
    x, y = luma(a), luma(b)
    mean_x, mean_y, variance_x, variance_y, covariance = _moments(x, y, size=11, sigma=1.5)
    top = (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
    bottom = (mean_x**2 + mean_y**2 + 1e-4) * (variance_x + variance_y + 9e-4)
    return np.asarray(top / bottom, np.float32)


def vif_information(truth: FloatImage, picture: FloatImage, region: NDArray[np.bool_]) -> tuple[float, float]:
    """Visual information fidelity inside a region, in the pixel domain, as its numerator and denominator.

    Returns:
        The information of the truth that is left in the picture, and all of it; sums over frames divide.

    Source:
        Sheikh & Bovik 2006, VIFp: 4 scales, Gaussian windows of 17, 9, 5 and 3 pixels.
    """
    reference, other = 255 * luma(truth), 255 * luma(picture)
    inside = region.astype(np.float32)
    left = whole = 0.0
    for scale in range(VIF_SCALES):
        size = 2 ** (VIF_SCALES - scale) + 1
        if scale:
            reference, other, inside = (_halved(one, size) for one in (reference, other, inside))
        _, _, variance, other_variance, covariance = _moments(reference, other, size=size, sigma=size / 5)
        variance, other_variance = np.maximum(variance, 0), np.maximum(other_variance, 0)
        gain = covariance / (variance + 1e-10)
        residual = np.where(gain < 0, other_variance, other_variance - gain * covariance)
        gain = np.where(variance < 1e-10, 0, np.maximum(gain, 0))
        noise = np.maximum(residual, 1e-10) + EYE_NOISE
        left += float((np.log10(1 + gain**2 * variance / noise) * inside).sum())
        whole += float((np.log10(1 + variance / EYE_NOISE) * inside).sum())
    return left, whole


def finest_octave(rgb: FloatImage) -> FloatImage:
    """(H, W) luma detail finer than a Gaussian of 1 px."""
    values = luma(rgb)
    return values - np.asarray(cv2.GaussianBlur(values, (0, 0), FINEST_SIGMA_PX), np.float32)


def luma(rgb: FloatImage) -> FloatImage:
    """(H, W) luma of display values."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)


def _moments(x: FloatImage, y: FloatImage, *, size: int, sigma: float) -> tuple[FloatImage, ...]:
    """Local means of x and y, their variances and their covariance."""

    def blur(image: FloatImage) -> FloatImage:
        return np.asarray(cv2.GaussianBlur(image, (size, size), sigma), np.float32)

    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x * mean_x, blur(y * y) - mean_y * mean_y
    return mean_x, mean_y, variance_x, variance_y, blur(x * y) - mean_x * mean_y


def _halved(image: FloatImage, size: int) -> FloatImage:
    blurred = cv2.GaussianBlur(image, (size, size), size / 5)
    halved = cv2.resize(blurred, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(halved, np.float32)
