"""A keyframe carried along a shot: where each pixel of a frame lies on it, step by step.

Convention:
    `shift` counts as in `flow`: a pixel's place on the plate plus its shift is its place on the keyframe.
    Arrays cover a rectangle of the plate, their `box`, which may differ from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import Box, FloatImage
from understudy.patch import flow
from understudy.patch.flow import Motion, Shift

# A correction against the keyframe itself is small; a larger one followed something else.
_LARGEST_CORRECTION_PX = 3.0
# Detail is what changes by more than this of the encoded range from pixel to pixel, within this window.
_DETAIL, _DETAIL_WINDOW_PX = 0.003, 3.0


@dataclass(frozen=True)
class Carried:
    """A keyframe as one frame sees it.

    Attributes:
        box: The rectangle of the plate.
        shift: (h, w, 2) float32, pixels.
        trust: (h, w) float32 in 0..1: how far the way to the keyframe is to be trusted: as far as
            its least sure step.
        cover: (h, w) float32 in 0..1: where the fix lies.
    """

    box: Box
    shift: Shift
    trust: FloatImage
    cover: FloatImage

    @classmethod
    def start(cls, box: Box, cover: FloatImage) -> Carried:
        """The keyframe itself."""
        motion = Motion.none(box.height, box.width)
        return cls(box, motion.shift, motion.trust, cover)

    def within(self, box: Box) -> Carried:
        """The same in another rectangle; beyond the old one nothing is trusted or covered."""
        inside = overlap(self.box, box)
        return Carried(
            box,
            placed(self.shift, self.box, box),
            np.where(inside, placed(self.trust, self.box, box), 0).astype(np.float32),
            np.where(inside, placed(self.cover, self.box, box), 0).astype(np.float32),
        )

    def followed(self, motion: Motion) -> Carried:
        """The keyframe as the next frame sees it.

        Args:
            motion: From the next frame to this one, over this one's box.
        """
        return Carried(
            self.box,
            np.asarray(motion.shift + flow.sample(self.shift, motion.shift), np.float32),
            np.minimum(motion.trust, flow.sample(self.trust, motion.shift)),
            flow.sample(self.cover, motion.shift),
        )

    def look(self, picture: NDArray[np.float32], box: Box, *, sharp: bool = False) -> NDArray[np.float32]:
        """What a picture of the keyframe shows where this frame's pixels lie on it.

        Args:
            picture: (H, W) or (H, W, C) float32 over `box`.
            sharp: As in `flow.sample`.
        """
        away = np.array([self.box.x0 - box.x0, self.box.y0 - box.y0], np.float32)
        return flow.sample(picture, self.shift + away, sharp=sharp)

    def locked(self, here: FloatImage, key: FloatImage, box: Box) -> Carried:
        """Corrected against the keyframe itself, for one frame: what steps are summed on stays as it was.

        A correction is measured where there is detail in both directions, and continued to where there is
        none: on smooth skin it would follow noise.

        Args:
            here: (h, w, 3) float32 encoded, this frame's plate.
            key: (H, W, 3) float32 encoded, the keyframe's plate over `box`.
        """
        seen = self.look(key, box)
        unsure = self.trust < 0.5
        rest = flow.between(here, seen, hidden_here=unsure)
        known = flow.fill(rest.shift, np.asarray(rest.trust * _detail(here), np.float32))
        length = np.hypot(known[..., 0], known[..., 1])
        limit = np.minimum(1, _LARGEST_CORRECTION_PX / np.maximum(length, 1e-6))
        shift = (known * limit[..., None]).astype(np.float32)
        return replace(self, shift=shift + flow.sample(self.shift, shift))


def _detail(picture: FloatImage) -> FloatImage:
    """1 where a picture has detail in every direction, 0 where it is smooth or a lone edge.

    Source:
        Shi & Tomasi 1994, Good Features to Track: the smaller eigenvalue of the structure tensor.
    """
    grey = np.asarray(picture.mean(axis=2), np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1)))
    xx, yy, xy = (
        flow.blurred(np.asarray(one, np.float32), _DETAIL_WINDOW_PX)
        for one in (across * across, down * down, across * down)
    )
    smaller = np.maximum((xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2), 0)
    return np.asarray(smaller / (smaller + _DETAIL**2), np.float32)


def bounds(mask: NDArray[np.bool_], box: Box) -> Box:
    """The rectangle of the plate that a mask over `box` is true in; empty where it is nowhere."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Box(box.x0, box.y0, box.x0, box.y0)
    return Box(
        box.x0 + int(columns[0]),
        box.y0 + int(rows[0]),
        box.x0 + int(columns[-1]) + 1,
        box.y0 + int(rows[-1]) + 1,
    )


def hull(one: Box, other: Box) -> Box:
    """The smallest rectangle that holds two; an empty one holds nothing."""
    if one.empty or other.empty:
        return other if one.empty else one
    return Box(min(one.x0, other.x0), min(one.y0, other.y0), max(one.x1, other.x1), max(one.y1, other.y1))


def placed(values: NDArray[np.float32], old: Box, new: Box) -> NDArray[np.float32]:
    """An array over one rectangle of the plate as one over another; its border is continued."""
    rows = np.clip(np.arange(new.y0, new.y1) - old.y0, 0, old.height - 1)
    columns = np.clip(np.arange(new.x0, new.x1) - old.x0, 0, old.width - 1)
    return values[rows[:, None], columns]


def overlap(old: Box, new: Box) -> NDArray[np.bool_]:
    """Where the pixels of `new` lie in `old`."""
    x, y = np.arange(new.x0, new.x1), np.arange(new.y0, new.y1)[:, None]
    return (x >= old.x0) & (x < old.x1) & (y >= old.y0) & (y < old.y1)


def grown(mask: NDArray[np.bool_], by_px: int) -> NDArray[np.bool_]:
    """A mask with a border of whole pixels, square."""
    if by_px <= 0:
        return mask
    kernel = np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)
