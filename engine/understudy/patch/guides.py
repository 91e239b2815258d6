"""Guides: what a patch of the keyframe and a patch of the frame are compared by, beside the painting itself.

Convention:
    Pictures are (H, W, 3) float32 in the encoded space. Guides come out as (H, W, C) float32, each channel
    multiplied by the root of its weight divided by its guide's number of channels, so that a sum of squared
    differences is the weighted energy. Encoded values are first spread so that the display's black and
    white lie about 1 apart, which is the scale that the usual weights are for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage
from understudy.patch.flow import Shift

SPREAD = 2.08
"""One over the distance of black and white in ACEScct: 1 / (0.5548 − 0.0729)."""
_EDGE_SIZE, _EDGE_DEVIATION = 5, 6.0


@dataclass(frozen=True)
class Weights:
    """How much each guide counts against the painting itself, which counts 1."""

    plate: float = 6.0
    swapped: float = 2.0
    edge: float = 1.0
    position: float = 2.0
    temporal: float = 0.5


@dataclass(frozen=True)
class Guides:
    """What two frames are compared by.

    Attributes:
        source: (H, W, C) float32, of the keyframe; the painting comes first.
        target: (h, w, C) float32, of the frame; its first channels are written by the synthesis.
        counts: (h, w, 2) float32 in 0..1: how far the plate's guides, and the temporal one, count there.
        groups: Where the channels that always count end, and the plate's.
    """

    source: FloatImage
    target: FloatImage
    counts: FloatImage
    groups: tuple[int, int]


@dataclass(frozen=True)
class Side:
    """The pictures of one of the two frames.

    Attributes:
        style: The painting, or what is known of it yet.
        plate: What was photographed.
        swapped: What was painted on, None where that is the plate.
        position: (H, W, 2) float32, each pixel's place on the keyframe in pixels.
        temporal: The painting on the keyframe, the last frame's result moved along on the frame.
    """

    style: FloatImage
    plate: FloatImage
    swapped: FloatImage | None
    position: NDArray[np.float32]
    temporal: FloatImage


def build(
    key: Side, frame: Side, weights: Weights, *, seen: FloatImage, followed: FloatImage, extent_px: float
) -> Guides:
    """Lay the guides of a keyframe and a frame side by side.

    Args:
        seen: (h, w) float32 in 0..1: where the frame's plate shows what it should.
        followed: (h, w) float32 in 0..1: where the last frame's result could be moved along.
        extent_px: The plate's longer edge, which the position guide counts in.

    Source:
        Fišer et al. 2016, StyLit; Jamriška et al. 2019, Stylizing Video by Example, for the set of guides.
    """
    parts = [_parts(side, weights, extent_px) for side in (key, frame)]
    source, target = (
        np.ascontiguousarray(np.concatenate([*free, *plates, last], axis=2), np.float32)
        for free, plates, last in parts
    )
    free_end = sum(part.shape[2] for part in parts[0][0])
    plate_end = source.shape[2] - parts[0][2].shape[2]
    counts = np.ascontiguousarray(np.stack([seen, followed], axis=2), np.float32)
    return Guides(source, target, counts, (free_end, plate_end))


def style_channels(style: FloatImage) -> FloatImage:
    """The painting as the first three channels of the guides have it."""
    return np.asarray(style * np.float32(SPREAD / math.sqrt(3)), np.float32)


def identity(height: int, width: int) -> Shift:
    """Each pixel's own place, (H, W, 2) float32."""
    place = np.empty((height, width, 2), np.float32)
    place[..., 0] = np.arange(width, dtype=np.float32)
    place[..., 1] = np.arange(height, dtype=np.float32)[:, None]
    return place


def edges(picture: FloatImage) -> FloatImage:
    """Grey less its own blur, (H, W, 1) float32."""
    grey = np.asarray(picture.mean(axis=2), np.float32)
    return (grey - cv2.GaussianBlur(grey, (_EDGE_SIZE, _EDGE_SIZE), _EDGE_DEVIATION))[..., None]


def _parts(
    side: Side, weights: Weights, extent_px: float
) -> tuple[list[FloatImage], list[FloatImage], FloatImage]:
    """The channels that always count, those of the plate, and the temporal ones."""
    free = [style_channels(side.style), _weighed(side.position / np.float32(extent_px), weights.position, 1)]
    plates = [_weighed(side.plate, weights.plate), _weighed(edges(side.plate), weights.edge)]
    if side.swapped is not None:
        plates.append(_weighed(side.swapped, weights.swapped))
    return free, plates, _weighed(side.temporal, weights.temporal)


def _weighed(channels: FloatImage, weight: float, spread: float = SPREAD) -> FloatImage:
    factor = spread * math.sqrt(weight / channels.shape[2])
    return np.asarray(channels * np.float32(factor), np.float32)
