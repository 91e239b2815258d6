"""The clean plate behind a matte: from the frame that showed it last, or from the keyframe, relit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.image.frame import FloatImage
from understudy.patch import blend, flow
from understudy.patch.state import CleanPlate, FramePatch, FrameStep
from understudy.patch.task import Mask

# A difference above this, in encoded units, is another object and not another illumination.
_OTHER = 0.05
# Illumination changes slowly over the picture: blur in pixels at least, and as a share of the region.
_ILLUMINATION_BLUR_PX, _ILLUMINATION_BLUR_SHARE = 8.0, 0.04
_HARDLY = 0.01
# Frames after which the confidence of a pixel that no frame has shown is halved.
_HALF_LIFE_FRAMES = 12.0
# How far, in pixels, a step at a seam is spread, and in how many rounds.
_SPREAD_PX, _SPREADS = 16.0, 4


@dataclass(frozen=True)
class CleanPlateEstimate:
    """The clean plate of one frame, in the parts that it is made from.

    Attributes:
        last: (h, w, 3) float32, the previous frame's clean plate, warped to this frame, in its illumination.
        painted: (h, w, 3) float32, the keyframe, likewise.
        seen: (h, w) float32, 1 where a frame since the keyframe has shown the pixel, so that `last` is used.
        base: The frame itself, which is used outside the matte.
        hidden: (h, w) bool, the matte with its border.
        age: (h, w) float32, frames since the pixel was last shown.
        trust: (h, w) float32 in 0..1, flow confidence.
        illumination: (h, w, 3), this frame minus the keyframe, over the illumination only.
    """

    last: FloatImage
    painted: FloatImage
    seen: FloatImage
    base: FloatImage
    hidden: Mask
    age: FloatImage
    trust: FloatImage
    illumination: FloatImage

    def picture(self) -> FloatImage:
        """(h, w, 3) float32: the parts side by side, with visible seams."""
        inside = np.where(self.seen[..., None] > 0.5, self.last, self.painted)
        return np.where(self.hidden[..., None], inside, self.base).astype(np.float32)

    def blended(self, made: FloatImage, synthesised: Mask) -> FloatImage:
        """(h, w, 3) float32: the parts without seams, by their gradients and the colours round the matte.

        Args:
            made: (h, w, 3) float32, the picture with the synthesised pixels.
            synthesised: (h, w) bool, where they are.

        Source:
            Pérez et al. 2003, Poisson Image Editing, by repeated screened steps.
        """
        across, down = (self._gradients(made, synthesised, axis) for axis in (1, 0))
        picture = made
        for _ in range(_SPREADS):
            spread = blend.screened(picture, across, down, _SPREAD_PX**2)
            picture = np.where(self.hidden[..., None], spread, self.base).astype(np.float32)
        return picture

    def _gradients(self, made: FloatImage, synthesised: Mask, axis: int) -> FloatImage:
        """Differences of neighbours, each from a part that holds both pixels."""
        differences = np.diff(self.painted, axis=axis)
        parts = ((self.last, self.seen > 0.5), (made, synthesised), (self.base, ~self.hidden))
        for part, mask in parts:
            differences = np.where(_both(mask, axis), np.diff(part, axis=axis), differences)
        return np.asarray(differences, np.float32)

    def confidence(self) -> FloatImage:
        """(h, w) float32 in 0..1: flow confidence, less with age."""
        return np.asarray(self.trust * self.recency(), np.float32)

    def recency(self) -> FloatImage:
        """(h, w) float32: 1 for a pixel that this frame shows, 0.5 after one half-life."""
        return np.asarray(np.exp2(-self.age / _HALF_LIFE_FRAMES), np.float32)

    def for_next_frame(self, picture: FloatImage) -> CleanPlate:
        """What the next frame starts from; `picture` is this frame's finished clean plate."""
        hidden = self.hidden.astype(np.float32)
        return CleanPlate(picture, np.maximum(self.seen, 1 - hidden), self.age, self.trust, hidden)


def begin(picture: FloatImage, hidden: Mask) -> CleanPlate:
    """The clean plate of a frame that is fully known: what is hidden is painted, the rest is seen."""
    covered = hidden.astype(np.float32)
    return CleanPlate(picture, 1 - covered, np.zeros_like(covered), np.ones_like(covered), covered)


def estimate_clean_plate(step: FrameStep, last: CleanPlate) -> CleanPlateEstimate:
    """The clean plate of a frame, from the previous frame's and from the keyframe."""
    frame, motion, correspondence, key = step.frame, step.motion, step.correspondence, step.key
    hidden = frame.hidden
    compared = ~hidden & (flow.sample(last.hidden, motion.shift) < _HARDLY)
    sure = flow.fill(motion.trust[..., None], compared.astype(np.float32))[..., 0]
    moved = flow.sample(last.picture, motion.shift, sharp=True)
    painted = correspondence.sample_keyframe(key.style, key.box, sharp=True)
    illumination = _illumination(frame, painted, correspondence.trust * ~hidden)
    trust = np.minimum(sure, flow.sample(last.trust, motion.shift))
    return CleanPlateEstimate(
        np.asarray(moved + _illumination(frame, moved, motion.trust * compared), np.float32),
        np.asarray(painted + illumination, np.float32),
        (flow.sample(last.seen, motion.shift) > 0.5).astype(np.float32),
        frame.base,
        hidden,
        np.where(hidden, flow.sample(last.age, motion.shift) + 1, 0).astype(np.float32),
        np.where(hidden, trust, 1).astype(np.float32),
        illumination,
    )


def _illumination(frame: FramePatch, other: FloatImage, trust: FloatImage) -> FloatImage:
    """(h, w, 3): frame minus `other`, blurred; measured round the matte and continued behind it."""
    apart = frame.base - other
    sure = np.asarray(trust * (np.abs(apart).max(axis=2) < _OTHER), np.float32)
    blur_px = max(_ILLUMINATION_BLUR_PX, _ILLUMINATION_BLUR_SHARE * max(sure.shape))
    share = flow.blurred(sure, blur_px)[..., None]
    broad = flow.blurred(np.asarray(apart * sure[..., None], np.float32), blur_px)
    return np.asarray(broad / (share + _HARDLY), np.float32)


def _both(mask: Mask, axis: int) -> Mask:
    """Where two neighbours along an axis are both in a mask, with a last axis for channels."""
    pair = mask[:, 1:] & mask[:, :-1] if axis == 1 else mask[1:] & mask[:-1]
    return np.asarray(pair[..., None], bool)
