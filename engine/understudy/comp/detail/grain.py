"""Grain: measured in the plate by channel and level, and added to the face that a network predicts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import JobError, PlateError
from understudy.image.frame import FloatImage

LEVELS = 5
_FLAT_SHARE = 0.5
_FEWEST_PIXELS, _MOST_PIXELS = 64, 2**16
# Immerkær's mask, 1 −2 1 across and down: blind to planes, it scales white noise by 6. The second is as
# blind and twice as wide: what passes it better than the first is coarse.
_MASK = {step: np.zeros(2 * step + 1, np.float32) for step in (1, 2)}
for _step, _taps in _MASK.items():
    _taps[[0, _step, 2 * _step]] = 1, -2, 1


@dataclass(frozen=True, eq=False)
class Grain:
    """What grain a picture has.

    Attributes:
        levels: (L,) encoded values at which it was measured, ascending.
        deviation: (L, 3) standard deviation of the grain there, encoded units.
        size_px: Standard deviation of the Gaussian that white noise has to be blurred by to look alike.
    """

    levels: NDArray[np.float64]
    deviation: NDArray[np.float64]
    size_px: float

    @property
    def mean(self) -> FloatImage:
        """(3,) deviation over all levels."""
        return np.asarray(self.deviation.mean(axis=0), np.float32)


def measure(rgb: FloatImage, weight: FloatImage | None = None) -> Grain:
    """Measure the grain of a picture in its flat parts.

    Args:
        rgb: (H, W, 3) float32, encoded space, at the plate's own resolution.
        weight: (H, W) float32; pixels at 0 are not looked at. All when left out.

    Returns:
        The grain; none at all where the picture is too small to tell.

    Raises:
        PlateError: the shapes do not fit.
    Source:
        Immerkær 1996, Fast Noise Variance Estimation, by level and with a robust deviation (1.4826 · median).
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or (weight is not None and weight.shape != rgb.shape[:2]):
        raise PlateError(f"Grain cannot be measured in an array of shape {rgb.shape}.")
    nothing = Grain(np.array([0.4]), np.zeros((1, 3)), 0.0)
    height, width = rgb.shape[:2]
    if min(height, width) < 8:
        return nothing
    finite = np.asarray(np.isfinite(rgb).all(axis=2))
    clean = np.where(finite[..., None], rgb, 0).astype(np.float32)
    response, wider = (np.asarray(cv2.sepFilter2D(clean, cv2.CV_32F, one, one)) / 6 for one in _MASK.values())
    usable = np.asarray(cv2.erode(finite.view(np.uint8), np.ones((5, 5), np.uint8))) > 0
    usable[[0, 1, -2, -1]] = usable[:, [0, 1, -2, -1]] = False
    if weight is not None:
        usable &= weight > 0
    smooth = np.asarray(cv2.GaussianBlur(clean, (0, 0), 2.0), np.float32).mean(axis=2)
    slope = cv2.magnitude(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    places = np.flatnonzero(usable)
    if len(places) < _FEWEST_PIXELS:
        return nothing
    places = places[:: max(1, len(places) // _MOST_PIXELS)]
    slopes = slope.ravel()[places]
    flat = places[slopes <= np.quantile(slopes, _FLAT_SHARE)]
    values = smooth.ravel()[flat]
    narrow, wide = (one.reshape(-1, 3)[flat] for one in (response, wider))
    levels: list[float] = []
    deviations: list[FloatImage] = []
    for chosen in np.array_split(np.argsort(values, kind="stable"), LEVELS):
        if len(chosen) >= _FEWEST_PIXELS and (not levels or values[chosen].mean() > levels[-1]):
            levels.append(float(values[chosen].mean()))
            deviations.append(_deviation(narrow[chosen]))
    if not levels:
        return nothing
    size = _size(float(_deviation(wide).mean() / max(_deviation(narrow).mean(), 1e-12)))
    # A blurred noise passes the mask less than white noise does: measured values are lifted by as much.
    return Grain(np.array(levels), np.array(deviations, np.float64) / _passed(size, 1), size)


def _deviation(values: FloatImage) -> FloatImage:
    return np.asarray(1.4826 * np.median(np.abs(values), axis=0), np.float32)


def _size(ratio: float) -> float:
    """The size at which noise passes the wide mask that much better than the narrow one."""
    sizes, ratios = _ratios()
    return float(np.interp(ratio, ratios, sizes))


@cache
def _ratios() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sizes, and how much better noise of each passes the wide mask; it never falls."""
    sizes = np.linspace(0, 1.5, 31)
    ratios = [_passed(size, 2) / _passed(size, 1) for size in sizes]
    return sizes, np.maximum.accumulate(ratios)


def _kernel(size_px: float) -> NDArray[np.float64]:
    """(7,) Gaussian taps; a single one at size 0."""
    offsets = np.arange(-3, 4)
    taps = np.exp(-0.5 * (offsets / size_px) ** 2) if size_px > 0 else (offsets == 0).astype(float)
    return np.asarray(taps / np.sqrt((taps**2).sum()), np.float64)


def _passed(size_px: float, step: int) -> float:
    """How much of the deviation of noise of a size passes a mask, against white noise."""
    filtered = np.convolve(_kernel(size_px), _MASK[step])
    return float((filtered**2).sum() / 6)


def add(rgb: FloatImage, grain: Grain, *, amount: float, seed: int, frame: int) -> FloatImage:
    """Give a picture grain; the same seed and frame give the same bits.

    Args:
        rgb: (H, W, 3) float32, encoded space, at the plate's own resolution.
        grain: What was measured in the plate.
        amount: 1 for as much as the plate has.
        seed, frame: Both choose the pattern, so that it changes from frame to frame.

    Returns:
        A new array of the same shape.

    Raises:
        JobError: the amount is negative or no number.
    """
    if not np.isfinite(amount) or amount < 0:
        raise JobError(f"A grain of {amount} is out of range.", fix="give 0 or more")
    if amount == 0 or not grain.deviation.any() or rgb.size == 0:
        return np.array(rgb, np.float32, copy=True)
    white = np.random.Generator(np.random.PCG64([seed, frame])).standard_normal(rgb.shape, np.float32)
    taps = _kernel(grain.size_px)
    noise = np.asarray(cv2.sepFilter2D(white, cv2.CV_32F, taps, taps), np.float32).reshape(rgb.shape)
    level = np.nan_to_num(rgb.mean(axis=2))
    scale = [np.interp(level, grain.levels, grain.deviation[:, channel]) for channel in range(3)]
    return np.asarray(rgb + amount * noise * np.stack(scale, axis=-1), np.float32)
