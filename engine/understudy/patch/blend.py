"""Two keyframes' results blended: contrast is kept, gradients are joined by a screened Poisson equation.

Convention:
    Pictures are (H, W, 3) float32 in the encoded space; nothing is clipped.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from understudy.core.errors import PlateError
from understudy.image.frame import FloatImage
from understudy.patch.flow import blurred

# Blur of the selection matte, and the slope of the sigmoid that picks one side's gradients.
_SELECTION_BLUR_PX, _SHARPNESS = 4.0, 6.0
# The window that contrast is measured over, and the largest gain that restores it.
_CONTRAST_WINDOW_PX, _LARGEST_GAIN = 4.0, 1.6
_NOISE = 1e-6
# Weight of the gradients against the colours.
_GRADIENT_WEIGHT = 1.0
_LEAST_CONFIDENCE = 0.02
# A difference, in encoded units, from which the selection gets steeper, and the steepest that it gets.
_AGREEING, _STEEPEST = 0.01, 10.0


def two(
    first: FloatImage,
    second: FloatImage,
    first_confidence: FloatImage,
    second_confidence: FloatImage,
    share: float,
) -> tuple[FloatImage, FloatImage]:
    """Blend the results of two keyframes for one frame.

    Args:
        first, second: (H, W, 3) float32.
        first_confidence, second_confidence: (H, W) float32 in 0..1, their confidence.
        share: The second's share by time: 0 on the first keyframe, 1 on the second.

    Returns:
        The blend, and its confidence (H, W) float32.

    Raises:
        PlateError: the shapes differ.
    Source:
        Jamriška et al. 2019, Stylizing Video by Example, after Darabi et al. 2012, Image Melding: the
        gradients of the better result over a blend of both; the blend's contrast as in Heitz & Neyret 2018,
        High-Performance By-Example Noise, with the deviation measured rather than assumed.
    """
    if (
        not first.shape == second.shape == (*first_confidence.shape, 3)
        or first_confidence.shape != second_confidence.shape
    ):
        raise PlateError(f"Results of {first.shape} and {second.shape} cannot be blended.")
    part = _selection(first, second, first_confidence, second_confidence, share)
    better = np.asarray(1 / (1 + np.exp(-_SHARPNESS * (2 * part - 1))), np.float32)
    mixed = _with_contrast(first, second, part)
    across, down = (
        (1 - _between(better, axis)) * _differences(first, axis)
        + _between(better, axis) * _differences(second, axis)
        for axis in (1, 0)
    )
    joined = screened(mixed, across.astype(np.float32), down.astype(np.float32), _GRADIENT_WEIGHT)
    sure = (1 - part) * first_confidence + part * second_confidence
    return joined, np.asarray(sure, np.float32)


def screened(values: FloatImage, across: FloatImage, down: FloatImage, weight: float) -> FloatImage:
    """Minimise Σ(v − values)² + weight · Σ|∇v − (across, down)|² over v, exactly.

    Args:
        values: (H, W, C) float32.
        across: (H, W − 1, C) float32, target differences to the neighbour on the right.
        down: (H − 1, W, C), target differences to the neighbour below.
        weight: 0 returns the values.

    Source:
        Bhat et al. 2008, Fourier Analysis of the 2D Screened Poisson Equation; with a reflecting border the
        cosine transform (DCT-II) makes the equation diagonal.
    """
    height, width = values.shape[:2]
    right = values.copy()
    right[:, :-1] -= weight * across
    right[:, 1:] += weight * across
    right[:-1] -= weight * down
    right[1:] += weight * down
    along_y = 2 - 2 * np.cos(np.pi * np.arange(height) / height)
    along_x = 2 - 2 * np.cos(np.pi * np.arange(width) / width)
    factor = 1 + weight * (along_y[:, None] + along_x)
    solved = fft.dctn(right.astype(np.float64), axes=(0, 1)) / factor[..., None]
    return np.asarray(fft.idctn(solved, axes=(0, 1)), np.float32)


def _with_contrast(first: FloatImage, second: FloatImage, part: FloatImage) -> FloatImage:
    """The linear blend, scaled to the local deviation of the two pictures."""
    share = part[..., None]
    mixed = np.asarray((1 - share) * first + share * second, np.float32)
    mean = blurred(mixed, _CONTRAST_WINDOW_PX)
    wanted = (1 - share) * _deviation(first) + share * _deviation(second)
    gain = np.clip(wanted / _deviation(mixed), 1, _LARGEST_GAIN)
    return np.asarray(mean + gain * (mixed - mean), np.float32)


def _deviation(picture: FloatImage) -> FloatImage:
    mean = blurred(picture, _CONTRAST_WINDOW_PX)
    variance = blurred(picture * picture, _CONTRAST_WINDOW_PX) - mean**2
    return np.asarray(np.sqrt(np.maximum(variance.mean(axis=2, keepdims=True), 0) + _NOISE), np.float32)


def _selection(
    first: FloatImage,
    second: FloatImage,
    first_confidence: FloatImage,
    second_confidence: FloatImage,
    share: float,
) -> FloatImage:
    """The second's share: by time and confidence where both agree, nearly all or nothing where they differ.

    The mean of two different pictures would show both, half transparent.
    """
    apart = blurred(np.abs(first - second).max(axis=2), _SELECTION_BLUR_PX)
    steep = 1 + np.minimum(apart / _AGREEING, _STEEPEST)
    one = np.log(_LEAST_CONFIDENCE + first_confidence) * 2 + np.log(max(1 - share, 1e-3))
    other = np.log(_LEAST_CONFIDENCE + second_confidence) * 2 + np.log(max(share, 1e-3))
    chosen = 1 / (1 + np.exp(np.clip(steep * (one - other), -40, 40)))
    return blurred(chosen.astype(np.float32), _SELECTION_BLUR_PX)


def _differences(picture: FloatImage, axis: int) -> FloatImage:
    return np.asarray(np.diff(picture, axis=axis), np.float32)


def _between(weight: FloatImage, axis: int) -> FloatImage:
    """(…, 1): a weight halfway between neighbours, with a last axis for channels."""
    if axis == 1:
        return np.asarray((weight[:, 1:] + weight[:, :-1]) / 2, np.float32)[..., None]
    return np.asarray((weight[1:] + weight[:-1]) / 2, np.float32)[..., None]
