"""The data of patch propagation: keyframes, frames, propagated fixes, and what one frame hands to the next.

Convention:
    Pictures are (h, w, 3) float32 in the encoded space. All arrays of an object cover its `box`, a rectangle
    of the plate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.image.frame import Box, FloatImage
from understudy.patch.boxes import overlap, reframe
from understudy.patch.correspondence import Correspondence
from understudy.patch.flow import Motion
from understudy.patch.guides import GuideWeights
from understudy.patch.task import Mask, SynthesisOptions


@dataclass(frozen=True)
class Keyframe:
    """A painted keyframe.

    Attributes:
        number: Its frame number.
        box: The rectangle of the plate that the arrays cover.
        style: The painted picture.
        base: The picture that was painted on.
        plate: The plate; the same array as `base` where the plate was painted on.
        cover: (h, w) float32 in 0..1, the matte of the fix.
        gain: (h, w) float32 in 0..1, how far the painted picture follows the one below it (`paint.gain_of`).
    """

    number: int
    box: Box
    style: FloatImage
    base: FloatImage
    plate: FloatImage
    cover: FloatImage
    gain: FloatImage


@dataclass(frozen=True)
class FramePatch:
    """The part of a frame that a fix is propagated to.

    Attributes:
        number: Its frame number.
        box: The rectangle of the plate that the arrays cover.
        base: The picture that the fix goes over.
        plate: The plate; the same array as `base` where the fix goes over the plate.
        matte: (h, w) float32 in 0..1, what a clean-up removes; None where a change is propagated.
        hidden: (h, w) bool, the matte with its border: pixels that motion must not be measured from.
    """

    number: int
    box: Box
    base: FloatImage
    plate: FloatImage
    matte: FloatImage | None
    hidden: Mask


@dataclass(frozen=True)
class CleanPlate:
    """What a clean-up has found behind the matte so far.

    Attributes:
        picture: The clean plate.
        seen: (h, w) float32: 1 where a frame since the keyframe showed the pixel.
        age: (h, w) float32, frames since the pixel was last shown.
        trust: (h, w) float32 in 0..1, flow confidence.
        hidden: (h, w) float32, 1 where the matte covers this frame.
    """

    picture: FloatImage
    seen: FloatImage
    age: FloatImage
    trust: FloatImage
    hidden: FloatImage


@dataclass(frozen=True)
class PropagatedFix:
    """A fix on one frame.

    Attributes:
        box: The rectangle of the plate that the arrays cover.
        picture: The fixed picture, to be merged over the frame by `cover`.
        cover: (h, w) float32 in 0..1, the matte of the fix.
        confidence: (h, w) float32 in 0..1.
    """

    box: Box
    picture: FloatImage
    cover: FloatImage
    confidence: FloatImage

    @classmethod
    def nothing(cls, box: Box) -> PropagatedFix:
        """The result for a frame that the fix does not reach."""
        none = np.zeros((box.height, box.width), np.float32)
        return cls(box, np.zeros((*none.shape, 3), np.float32), none, none + 1)

    def within(self, box: Box, beyond: FloatImage | None = None) -> PropagatedFix:
        """The same over another rectangle; outside the old one cover is 0 and confidence 1.

        Args:
            beyond: (h, w, 3), the picture outside; the border pixels repeat when left out.
        """
        if box == self.box:
            return self
        if self.box.empty:
            return PropagatedFix.nothing(box)
        inside = overlap(self.box, box)
        picture = reframe(self.picture, self.box, box)
        if beyond is not None:
            picture = np.where(inside[..., None], picture, beyond).astype(np.float32)
        return PropagatedFix(
            box,
            picture,
            np.where(inside, reframe(self.cover, self.box, box), 0).astype(np.float32),
            np.where(inside, reframe(self.confidence, self.box, box), 1).astype(np.float32),
        )

    @property
    def mean_confidence(self) -> float:
        """The mean confidence over the cover; 1 where nothing is covered."""
        covered = float(self.cover.sum())
        return float((self.confidence * self.cover).sum() / covered) if covered else 1.0


@dataclass(frozen=True)
class FrameState:
    """What one frame hands to the next.

    Attributes:
        correspondence: From this frame to the keyframe.
        propagated: The fix on this frame.
        clean_plate: For a clean-up, what has been found behind the matte; None where a change is propagated.
    """

    correspondence: Correspondence
    propagated: PropagatedFix
    clean_plate: CleanPlate | None

    def within(self, frame: FramePatch) -> FrameState:
        """The same over the rectangle of `frame`, which is this very frame; its pixels fill what is new."""
        old, new = self.correspondence.box, frame.box
        if old == new:
            return self
        inside = overlap(old, new)

        def moved(values: FloatImage, beyond: FloatImage | float) -> FloatImage:
            mask = inside[..., None] if values.ndim == 3 else inside
            return np.where(mask, reframe(values, old, new), beyond).astype(np.float32)

        clean_plate = self.clean_plate and CleanPlate(
            moved(self.clean_plate.picture, frame.base),
            moved(self.clean_plate.seen, 1),
            moved(self.clean_plate.age, 0),
            moved(self.clean_plate.trust, 1),
            moved(self.clean_plate.hidden, 0),
        )
        return FrameState(
            self.correspondence.within(new), self.propagated.within(new, frame.base), clean_plate
        )


@dataclass(frozen=True)
class PropagationOptions:
    """How a fix is propagated.

    Attributes:
        weights: Of the guides.
        synthesis: Options of the patch synthesis.
        everywhere: Synthesise the whole fix, and not only where flow confidence is low.
        preview: Warp the keyframe by flow, without synthesis.
        extent_px: The plate's longer edge.
    """

    weights: GuideWeights
    synthesis: SynthesisOptions
    everywhere: bool
    preview: bool
    extent_px: float


@dataclass(frozen=True)
class FrameStep:
    """The inputs of one frame.

    Attributes:
        key: The keyframe.
        frame: The frame.
        before: The state of the previous frame, over the frame's box.
        motion: From the frame to the previous one.
        correspondence: From the frame to the keyframe.
        options: How the fix is propagated.
    """

    key: Keyframe
    frame: FramePatch
    before: FrameState
    motion: Motion
    correspondence: Correspondence
    options: PropagationOptions
