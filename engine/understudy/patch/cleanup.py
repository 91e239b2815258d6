"""What lies behind a matte: as it was last seen, or as the keyframe shows it, in the frame's own light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.image.frame import FloatImage
from understudy.patch import blend, flow
from understudy.patch.state import Behind, Mask, Step, Under

# What differs by more than this of the encoded range is another thing, not another light.
_OTHER = 0.05
# Light changes broadly: over this much, and this share of the region.
_LIGHT_BLUR_PX, _LIGHT_BLUR_SHARE = 8.0, 0.04
_HARDLY = 0.01
# Frames after which what nobody has seen is half as sure.
_HALF_LIFE_FRAMES = 12.0
# How far, in pixels, a step of light at an edge is spread, and how often.
_SPREAD_PX, _SPREADS = 16.0, 4


@dataclass(frozen=True)
class Known:
    """What is known of a frame behind its matte.

    Attributes:
        last: (h, w, 3) float32, the frame before as this one sees it, in this frame's light.
        painted: Likewise the keyframe.
        seen: (h, w) float32, 1 where a frame since the keyframe has seen it: `last` holds there.
        base: The frame itself, which holds where nothing is hidden.
        hidden: (h, w) bool.
        age: (h, w) float32, frames since it was last sure.
        trust: (h, w) float32 in 0..1.
        light: (h, w, 3), what the keyframe's light differs by.
    """

    last: FloatImage
    painted: FloatImage
    seen: FloatImage
    base: FloatImage
    hidden: Mask
    age: FloatImage
    trust: FloatImage
    light: FloatImage

    def picture(self) -> FloatImage:
        """All of it side by side, with the steps of light that there are."""
        inside = np.where(self.seen[..., None] > 0.5, self.last, self.painted)
        return np.where(self.hidden[..., None], inside, self.base).astype(np.float32)

    def joined(self, made: FloatImage, todo: Mask) -> FloatImage:
        """All of it made one: each part's own gradients, and the frame's colours round it.

        Args:
            made: (h, w, 3) float32, the picture with what was synthesised.
            todo: (h, w) bool, where it was.

        Source:
            Pérez et al. 2003, Poisson Image Editing, by repeated screened steps.
        """
        across, down = (self._gradients(made, todo, axis) for axis in (1, 0))
        picture = made
        for _ in range(_SPREADS):
            spread = blend.screened(picture, across, down, _SPREAD_PX**2)
            picture = np.where(self.hidden[..., None], spread, self.base).astype(np.float32)
        return picture

    def _gradients(self, made: FloatImage, todo: Mask, axis: int) -> FloatImage:
        """Differences of neighbours by the one part that both are of; of two parts, by one that has both."""
        found = np.diff(self.painted, axis=axis)
        for part, mask in ((self.last, self.seen > 0.5), (made, todo), (self.base, ~self.hidden)):
            found = np.where(_both(mask, axis), np.diff(part, axis=axis), found)
        return np.asarray(found, np.float32)

    def confidence(self) -> FloatImage:
        """Less sure the longer nobody has seen it."""
        return np.asarray(self.trust * self.memory(), np.float32)

    def memory(self) -> FloatImage:
        """1 for what was just seen, a half after some frames."""
        return np.asarray(np.exp2(-self.age / _HALF_LIFE_FRAMES), np.float32)

    def left(self, picture: FloatImage) -> Behind:
        """What the next frame is told."""
        hidden = self.hidden.astype(np.float32)
        return Behind(picture, np.maximum(self.seen, 1 - hidden), self.age, self.trust, hidden)


def begin(picture: FloatImage, hidden: Mask) -> Behind:
    """A frame that all is known of: what is not hidden has been seen, the rest is painted."""
    covered = hidden.astype(np.float32)
    return Behind(picture, 1 - covered, np.zeros_like(covered), np.ones_like(covered), covered)


def behind_matte(step: Step, last: Behind) -> Known:
    """What is known of a frame from the frame before it and from the keyframe."""
    under, motion, carried, key = step.under, step.motion, step.carried, step.key
    hidden = under.hidden
    compared = ~hidden & (flow.sample(last.hidden, motion.shift) < _HARDLY)
    sure = flow.fill(motion.trust[..., None], compared.astype(np.float32))[..., 0]
    moved = flow.sample(last.picture, motion.shift, sharp=True)
    painted = carried.look(key.style, key.box, sharp=True)
    light = _light(under, painted, carried.trust * ~hidden)
    trust = np.minimum(sure, flow.sample(last.trust, motion.shift))
    return Known(
        np.asarray(moved + _light(under, moved, motion.trust * compared), np.float32),
        np.asarray(painted + light, np.float32),
        (flow.sample(last.seen, motion.shift) > 0.5).astype(np.float32),
        under.base,
        hidden,
        np.where(hidden, flow.sample(last.age, motion.shift) + 1, 0).astype(np.float32),
        np.where(hidden, trust, 1).astype(np.float32),
        light,
    )


def _light(under: Under, other: FloatImage, trust: FloatImage) -> FloatImage:
    """How the frame's light differs: measured round the matte, broadly, and continued behind it."""
    apart = under.base - other
    sure = np.asarray(trust * (np.abs(apart).max(axis=2) < _OTHER), np.float32)
    blur_px = max(_LIGHT_BLUR_PX, _LIGHT_BLUR_SHARE * max(sure.shape))
    share = flow.blurred(sure, blur_px)[..., None]
    broad = flow.blurred(np.asarray(apart * sure[..., None], np.float32), blur_px)
    return np.asarray(broad / (share + _HARDLY), np.float32)


def _both(mask: Mask, axis: int) -> Mask:
    """Where two neighbours along an axis are both in a mask, with a last axis for channels."""
    pair = mask[:, 1:] & mask[:, :-1] if axis == 1 else mask[1:] & mask[:-1]
    return np.asarray(pair[..., None], bool)
