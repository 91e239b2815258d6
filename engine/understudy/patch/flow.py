"""Optical flow between two frames, in both directions, and its confidence.

Convention:
    Pictures are (H, W, 3) float32 in the encoded space. A motion's `shift` is (H, W, 2) float32 in pixels, x
    right and y down: what `here` shows at a pixel lies in `there` at the pixel's position plus its shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.core.errors import PlateError
from understudy.image.frame import FloatImage

Shift = NDArray[np.float32]
# DIS takes 8-bit grey only: values between these percentiles of both frames are stretched over its range.
_DARKEST, _BRIGHTEST = 0.5, 99.5
# The coarsest level of DIS needs this much room; smaller pictures are padded by repeating their border.
_SMALLEST_PX = 64
# Sundaram, Brox & Keutzer 2010: the forward-backward error that is allowed, as a share of the squared motion
# and in pixels².
_APART_SHARE, _APART_PX2 = 0.01, 0.5
# Two frames are of different shots where the mean trust is below the first value and matched pixels differ
# by more than the second, in encoded units.
_CUT_TRUST, _CUT_APART = 0.35, 0.01


@dataclass(frozen=True)
class Motion:
    """The optical flow from one frame to another.

    Attributes:
        shift: (H, W, 2) float32, pixels.
        trust: (H, W) float32 in 0..1, the flow's confidence: 1 where forward and backward flow agree, 0 where
            a pixel is hidden, leaves the picture, or has no counterpart.
    """

    shift: Shift
    trust: FloatImage

    @classmethod
    def none(cls, height: int, width: int) -> Motion:
        """No motion, with full confidence."""
        return cls(np.zeros((height, width, 2), np.float32), np.ones((height, width), np.float32))


def between(
    here: FloatImage,
    there: FloatImage,
    *,
    hidden_here: NDArray[np.bool_] | None = None,
    hidden_there: NDArray[np.bool_] | None = None,
    prior: Shift | None = None,
    half: bool = False,
) -> Motion:
    """The motion from one frame to another.

    Args:
        here, there: (H, W, 3) float32, encoded space, finite.
        hidden_here, hidden_there: (H, W) bool, true for pixels of an occluder; their motion is filled in from
            the pixels round them.
        prior: (H, W, 2) float32, a motion known from elsewhere, such as a face track; the flow is then
            computed relative to it.
        half: Compute the flow at half the size: four times as fast, for a preview.

    Raises:
        PlateError: the shapes differ.

    Source:
        Kroeger et al. 2016, Fast Optical Flow using Dense Inverse Search; Sundaram et al. 2010, Dense Point
        Trajectories by GPU-Accelerated Large Displacement Optical Flow, for forward-backward consistency.
    """
    if here.shape != there.shape or here.ndim != 3:
        raise PlateError(
            f"There is no optical flow between pictures of shape {here.shape} and {there.shape}."
        )
    first, second = _proxies(here, there if prior is None else sample(there, prior))
    forth, back = (_flow(*pair, half=half) for pair in ((first, second), (second, first)))
    trust = _agreement(forth, back)
    whole = _beyond(prior, forth)
    if hidden_here is not None:
        trust[hidden_here] = 0
    if hidden_there is not None:
        trust *= 1 - sample(hidden_there.astype(np.float32), whole)
    trust = np.asarray(trust * _within(whole), np.float32)
    return Motion(_beyond(prior, fill(forth, trust)), trust)


def one_way(here: FloatImage, there: FloatImage) -> Shift:
    """The motion from one frame to another without its confidence, at half the cost.

    Args:
        here, there: (H, W, 3) float32, encoded space, finite, of one shape.

    Returns:
        (H, W, 2) float32 pixels; where a pixel is hidden it is a guess.
    """
    return _flow(*_proxies(here, there), half=False)


def is_cut(here: FloatImage, there: FloatImage) -> bool:
    """Whether two frames are of different shots: flow confidence is low and matched pixels differ.

    A change of light over the whole frame is not a cut.

    Args:
        here, there: (H, W, 3) float32 encoded, the whole frames; a few hundred pixels wide is enough.
    """
    motion = between(here, there)
    if float(motion.trust.mean()) > _CUT_TRUST:
        return False
    apart = here - sample(there, motion.shift)
    return float(np.median(np.abs(apart - np.median(apart, axis=(0, 1))))) > _CUT_APART


def sample(picture: NDArray[np.float32], shift: Shift, *, sharp: bool = False) -> NDArray[np.float32]:
    """A picture sampled at each pixel's position plus its shift; the border repeats.

    Args:
        picture: (H, W) or (H, W, C) float32 of at most 4 channels.
        shift: (h, w, 2) float32, may be of another size; both have the same origin.
        sharp: Lanczos over 8 pixels, which may overshoot, in place of linear interpolation.
    """
    x, y = _positions(shift)
    how = cv2.INTER_LANCZOS4 if sharp else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE), np.float32)


def fill(values: NDArray[np.float32], weight: FloatImage) -> NDArray[np.float32]:
    """Keep values where their weight is 1 and fill in smoothly where it is 0.

    Args:
        values: (H, W, C) float32.
        weight: (H, W) float32 in 0..1.

    Returns:
        (H, W, C) float32; all zeros where the weight is 0 everywhere.

    Source:
        Gortler et al. 1996, The Lumigraph: push-pull over an image pyramid.
    """
    height, width = weight.shape
    share = weight[..., None]
    if min(height, width) <= 1:
        total = float(weight.sum())
        mean = (values * share).sum(axis=(0, 1)) / total if total else np.zeros(values.shape[2])
        return np.asarray(share * values + (1 - share) * mean, np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = np.asarray(cv2.resize(weight, half, interpolation=cv2.INTER_AREA), np.float32)
    small = np.asarray(cv2.resize(values * share, half, interpolation=cv2.INTER_AREA), np.float32)
    small = np.asarray(small.reshape(*half[::-1], -1) / np.maximum(small_weight, 1e-6)[..., None], np.float32)
    coarse = fill(small, np.minimum(4 * small_weight, 1).astype(np.float32))
    wide = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(values.shape)
    return np.asarray(share * values + (1 - share) * wide, np.float32)


def blurred(picture: NDArray[np.float32], deviation_px: float) -> NDArray[np.float32]:
    """(H, W) or (H, W, C) float32, blurred by a Gaussian."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation_px), np.float32)


def _beyond(prior: Shift | None, rest: Shift) -> Shift:
    """A prior motion composed with the flow that is relative to it."""
    return rest if prior is None else np.asarray(rest + sample(prior, rest), np.float32)


def _proxies(here: FloatImage, there: FloatImage) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both frames as 8-bit grey, stretched by the same factor, so that a dark shot keeps as many levels."""
    grey = [np.asarray(picture.mean(axis=2), np.float32) for picture in (here, there)]
    seen = np.concatenate([one[::4, ::4].ravel() for one in grey])
    low, high = np.percentile(seen, (_DARKEST, _BRIGHTEST))
    scale = 255 / max(float(high - low), 1e-3)
    first, second = (np.clip((one - low) * scale + 0.5, 0, 255).astype(np.uint8) for one in grey)
    return first, second


def _flow(first: NDArray[np.uint8], second: NDArray[np.uint8], *, half: bool) -> Shift:
    height, width = first.shape
    if half and min(height, width) > 2 * _SMALLEST_PX:
        less, other = (
            np.asarray(cv2.resize(one, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
            for one in (first, second)
        )
        wide = cv2.resize(_flow(less, other, half=False), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(2 * wide, np.float32)
    below, right = max(0, _SMALLEST_PX - height), max(0, _SMALLEST_PX - width)
    grown = [cv2.copyMakeBorder(one, 0, below, 0, right, cv2.BORDER_REPLICATE) for one in (first, second)]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setVariationalRefinementIterations(10)
    found = np.zeros((*grown[0].shape, 2), np.float32)
    return np.ascontiguousarray(search.calc(grown[0], grown[1], found)[:height, :width], np.float32)


def _agreement(forth: Shift, back: Shift) -> FloatImage:
    """Forward-backward consistency: 1 where the backward flow undoes the forward flow, down to 0."""
    returned = sample(back, forth)
    apart = ((forth + returned) ** 2).sum(axis=2)
    allowed = _APART_SHARE * ((forth**2).sum(axis=2) + (returned**2).sum(axis=2)) + _APART_PX2
    return np.asarray(1 / (1 + (apart / allowed) ** 2), np.float32)


def _positions(shift: Shift) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each pixel's position plus its shift, x and y."""
    height, width = shift.shape[:2]
    x = np.asarray(shift[..., 0] + np.arange(width, dtype=np.float32), np.float32)
    return x, np.asarray(shift[..., 1] + np.arange(height, dtype=np.float32)[:, None], np.float32)


def _within(shift: Shift) -> NDArray[np.bool_]:
    """(H, W) bool: whether a pixel's position plus its shift lies in the picture."""
    height, width = shift.shape[:2]
    x, y = _positions(shift)
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return np.asarray(inside, bool)
