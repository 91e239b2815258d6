"""The correspondence between a frame and a keyframe: where each pixel of the frame lies on the keyframe.

Convention:
    `shift` has the sign that it has in `flow`: a pixel's position on the plate plus its shift is its position
    on the keyframe. Arrays cover a rectangle of the plate, their `box`, which may change from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import Box, FloatImage
from understudy.patch import flow
from understudy.patch.boxes import overlap, reframe
from understudy.patch.flow import Motion, Shift

# Summed flow drifts by little; a larger correction has matched something else.
_LARGEST_CORRECTION_PX = 3.0
# A gradient above this part of the encoded range counts as detail, measured over a window of this size.
_DETAIL, _DETAIL_WINDOW_PX = 0.003, 3.0


@dataclass(frozen=True)
class Correspondence:
    """A keyframe as seen from one frame.

    Attributes:
        box: The rectangle of the plate that the arrays cover.
        shift: (h, w, 2) float32, pixels, from the frame to the keyframe.
        trust: (h, w) float32 in 0..1: the lowest flow confidence of all steps between the two.
        cover: (h, w) float32 in 0..1: the matte of the fix.
    """

    box: Box
    shift: Shift
    trust: FloatImage
    cover: FloatImage

    @classmethod
    def start(cls, box: Box, cover: FloatImage) -> Correspondence:
        """The keyframe's correspondence with itself: no motion, full confidence."""
        motion = Motion.none(box.height, box.width)
        return cls(box, motion.shift, motion.trust, cover)

    def within(self, box: Box) -> Correspondence:
        """The same over another rectangle; outside the old one trust and cover are 0."""
        inside = overlap(self.box, box)
        return Correspondence(
            box,
            reframe(self.shift, self.box, box),
            np.where(inside, reframe(self.trust, self.box, box), 0).astype(np.float32),
            np.where(inside, reframe(self.cover, self.box, box), 0).astype(np.float32),
        )

    def compose(self, motion: Motion) -> Correspondence:
        """The keyframe as seen from the next frame.

        Args:
            motion: From the next frame to this one, over this one's box.
        """
        return Correspondence(
            self.box,
            np.asarray(motion.shift + flow.sample(self.shift, motion.shift), np.float32),
            np.minimum(motion.trust, flow.sample(self.trust, motion.shift)),
            flow.sample(self.cover, motion.shift),
        )

    def sample_keyframe(
        self, picture: NDArray[np.float32], box: Box, *, sharp: bool = False
    ) -> NDArray[np.float32]:
        """A picture of the keyframe, warped to this frame.

        Args:
            picture: (H, W) or (H, W, C) float32 over `box`.
            sharp: Lanczos in place of linear interpolation, as in `flow.sample`.
        """
        away = np.array([self.box.x0 - box.x0, self.box.y0 - box.y0], np.float32)
        return flow.sample(picture, self.shift + away, sharp=sharp)

    def refined(self, here: FloatImage, key: FloatImage, box: Box) -> Correspondence:
        """The correspondence with the drift of the summed flow removed, for use on this frame only.

        One more flow between the frame and the warped keyframe gives the correction. It is measured where
        there is detail in both directions and continued from there, because on smooth skin it would follow
        noise. Do not compose further steps on the result: the errors would add up.

        Args:
            here: (h, w, 3) float32 encoded, this frame's plate.
            key: (H, W, 3) float32 encoded, the keyframe's plate over `box`.
        """
        warped = self.sample_keyframe(key, box)
        unsure = self.trust < 0.5
        rest = flow.between(here, warped, hidden_here=unsure)
        known = flow.fill(rest.shift, np.asarray(rest.trust * _detail(here), np.float32))
        length = np.hypot(known[..., 0], known[..., 1])
        limit = np.minimum(1, _LARGEST_CORRECTION_PX / np.maximum(length, 1e-6))
        shift = (known * limit[..., None]).astype(np.float32)
        return replace(self, shift=shift + flow.sample(self.shift, shift))


def _detail(picture: FloatImage) -> FloatImage:
    """(H, W) float32: near 1 where a picture has detail in both directions, 0 where it is flat or one edge.

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
