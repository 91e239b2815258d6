"""Guides: the channels that patches of the keyframe and of the frame are compared by, with the style first.

Convention:
    Pictures are (H, W, 3) float32 in the encoded space. Guides are (H, W, C) float32. Each channel is
    multiplied by sqrt(weight / channels of its guide), so that a sum of squared differences is the weighted
    energy. Encoded values are scaled first, so that display black and white lie 1 apart: the published
    weights are for that scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage
from understudy.patch.flow import Shift

DISPLAY_SCALE = 2.08
"""One over the distance of display black and white in ACEScct: 1 / (0.5548 − 0.0729)."""
_EDGE_SIZE, _EDGE_DEVIATION = 5, 6.0


@dataclass(frozen=True)
class GuideWeights:
    """The weight of each guide; the style itself has the weight 1."""

    plate: float = 6.0
    swapped: float = 2.0
    edge: float = 1.0
    position: float = 2.0
    temporal: float = 0.5


@dataclass(frozen=True)
class Guides:
    """The guides of a keyframe and of a frame.

    Attributes:
        source: (H, W, C) float32, of the keyframe; its first three channels are the style.
        target: (h, w, C) float32, of the frame; the synthesis writes its first three channels.
        validity: (h, w, 2) float32 in 0..1: the weight at each pixel of the plate's guides, and of the
            temporal guide.
        groups: Index of the first plate channel, and of the first temporal channel. The channels before
            them always count.
    """

    source: FloatImage
    target: FloatImage
    validity: FloatImage
    groups: tuple[int, int]


@dataclass(frozen=True)
class GuideInputs:
    """The pictures that the guides of one frame are made from.

    Attributes:
        style: The painted keyframe; on the target frame its current estimate.
        plate: The plate.
        swapped: The frame that was painted on; None where that is the plate.
        position: (H, W, 2) float32, each pixel's position on the keyframe in pixels.
        temporal: The painted keyframe; on the target frame the previous frame's result, warped to it.
    """

    style: FloatImage
    plate: FloatImage
    swapped: FloatImage | None
    position: NDArray[np.float32]
    temporal: FloatImage


def build(
    key: GuideInputs,
    frame: GuideInputs,
    weights: GuideWeights,
    *,
    plate_validity: FloatImage,
    temporal_validity: FloatImage,
    extent_px: float,
) -> Guides:
    """Build the guides of a keyframe and of a frame.

    Args:
        plate_validity: (h, w) float32 in 0..1: where the frame's plate is not occluded.
        temporal_validity: (h, w) float32 in 0..1: where the previous frame's result could be warped.
        extent_px: The plate's longer edge, the unit of the position guide.

    Source:
        Fišer et al. 2016, StyLit; Jamriška et al. 2019, Stylizing Video by Example, for the set of guides.
    """
    parts = [_parts(side, weights, extent_px) for side in (key, frame)]
    source, target = (
        np.ascontiguousarray(np.concatenate([*always, *plates, last], axis=2), np.float32)
        for always, plates, last in parts
    )
    always_end = sum(part.shape[2] for part in parts[0][0])
    plate_end = source.shape[2] - parts[0][2].shape[2]
    validity = np.ascontiguousarray(np.stack([plate_validity, temporal_validity], axis=2), np.float32)
    return Guides(source, target, validity, (always_end, plate_end))


def style_channels(style: FloatImage) -> FloatImage:
    """(H, W, 3) float32: a style as the first three guide channels hold it."""
    return np.asarray(style * np.float32(DISPLAY_SCALE / math.sqrt(3)), np.float32)


def identity(height: int, width: int) -> Shift:
    """The identity map: each pixel's position (x, y), (H, W, 2) float32."""
    position = np.empty((height, width, 2), np.float32)
    position[..., 0] = np.arange(width, dtype=np.float32)
    position[..., 1] = np.arange(height, dtype=np.float32)[:, None]
    return position


def edges(picture: FloatImage) -> FloatImage:
    """The edge guide: grey minus its Gaussian blur, (H, W, 1) float32."""
    grey = np.asarray(picture.mean(axis=2), np.float32)
    return (grey - cv2.GaussianBlur(grey, (_EDGE_SIZE, _EDGE_SIZE), _EDGE_DEVIATION))[..., None]


def _parts(
    side: GuideInputs, weights: GuideWeights, extent_px: float
) -> tuple[list[FloatImage], list[FloatImage], FloatImage]:
    """The channels that always count, those of the plate, and those of the temporal guide."""
    always = [
        style_channels(side.style),
        _weighted(side.position / np.float32(extent_px), weights.position, 1),
    ]
    plates = [_weighted(side.plate, weights.plate), _weighted(edges(side.plate), weights.edge)]
    if side.swapped is not None:
        plates.append(_weighted(side.swapped, weights.swapped))
    return always, plates, _weighted(side.temporal, weights.temporal)


def _weighted(channels: FloatImage, weight: float, scale: float = DISPLAY_SCALE) -> FloatImage:
    factor = scale * math.sqrt(weight / channels.shape[2])
    return np.asarray(channels * np.float32(factor), np.float32)
