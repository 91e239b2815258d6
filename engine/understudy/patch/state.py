"""What patch propagation works on: keyframes, frames to fix, fixes, and what a frame leaves to the next.

Convention:
    Pictures are (h, w, 3) float32 in the encoded space. Every array covers a rectangle of the plate, the
    `box` of what it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import Box, FloatImage
from understudy.patch.carry import Carried, overlap, placed
from understudy.patch.flow import Motion
from understudy.patch.guides import Weights
from understudy.patch.synthesis import Options

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Key:
    """A painted keyframe.

    Attributes:
        number: Its frame.
        box: The rectangle of the plate that the arrays cover.
        style: The painting.
        base: What was painted on.
        plate: What was photographed; the same array as `base` where that was painted on.
        cover: (h, w) float32 in 0..1, where the fix lies.
        gain: (h, w) float32 in 0..1, how far the painting follows what lies under it.
    """

    number: int
    box: Box
    style: FloatImage
    base: FloatImage
    plate: FloatImage
    cover: FloatImage
    gain: FloatImage


@dataclass(frozen=True)
class Under:
    """A frame to fix.

    Attributes:
        number: Its frame.
        box: The rectangle of the plate that the arrays cover.
        base: What is to be fixed.
        plate: What was photographed; the same array as `base` where that is to be fixed.
        matte: (h, w) float32 in 0..1, what has to go; None where a change is carried.
        hidden: (h, w) bool, where the matte, with a border, hides what is to be followed.
    """

    number: int
    box: Box
    base: FloatImage
    plate: FloatImage
    matte: FloatImage | None
    hidden: Mask


@dataclass(frozen=True)
class Behind:
    """What a clean-up knows of what lies behind the matte.

    Attributes:
        picture: What is seen, or was last seen, there.
        seen: (h, w) float32: 1 where some frame since the keyframe has seen it.
        age: (h, w) float32, frames since it was last sure.
        trust: (h, w) float32 in 0..1.
        hidden: (h, w) float32, 1 where the matte hid the frame itself.
    """

    picture: FloatImage
    seen: FloatImage
    age: FloatImage
    trust: FloatImage
    hidden: FloatImage


@dataclass(frozen=True)
class Fixed:
    """A frame's fix.

    Attributes:
        box: The rectangle that the arrays cover.
        picture: The fix, to be laid over the frame by `cover`.
        cover: (h, w) float32 in 0..1.
        confidence: (h, w) float32 in 0..1.
    """

    box: Box
    picture: FloatImage
    cover: FloatImage
    confidence: FloatImage

    @classmethod
    def nothing(cls, box: Box) -> Fixed:
        """A frame that the fix does not reach."""
        none = np.zeros((box.height, box.width), np.float32)
        return cls(box, np.zeros((*none.shape, 3), np.float32), none, none + 1)

    def within(self, box: Box, beyond: FloatImage | None = None) -> Fixed:
        """The same over another rectangle: beyond its own nothing is covered.

        Args:
            beyond: (h, w, 3), the picture there; its own border continued when left out.
        """
        if box == self.box:
            return self
        if self.box.empty:
            return Fixed.nothing(box)
        inside = overlap(self.box, box)
        picture = placed(self.picture, self.box, box)
        if beyond is not None:
            picture = np.where(inside[..., None], picture, beyond).astype(np.float32)
        return Fixed(
            box,
            picture,
            np.where(inside, placed(self.cover, self.box, box), 0).astype(np.float32),
            np.where(inside, placed(self.confidence, self.box, box), 1).astype(np.float32),
        )

    @property
    def mean_confidence(self) -> float:
        """Over what is covered; 1 where nothing is."""
        covered = float(self.cover.sum())
        return float((self.confidence * self.cover).sum() / covered) if covered else 1.0


@dataclass(frozen=True)
class State:
    """What a frame leaves to the next: the keyframe as it sees it, its fix, what lies behind its matte."""

    carried: Carried
    fixed: Fixed
    behind: Behind | None

    def within(self, under: Under) -> State:
        """The same over another rectangle: that of `under`, this frame itself; beyond, it is as it is."""
        old, new = self.carried.box, under.box
        if old == new:
            return self
        inside = overlap(old, new)

        def moved(values: FloatImage, beyond: FloatImage | float) -> FloatImage:
            mask = inside[..., None] if values.ndim == 3 else inside
            return np.where(mask, placed(values, old, new), beyond).astype(np.float32)

        behind = self.behind and Behind(
            moved(self.behind.picture, under.base),
            moved(self.behind.seen, 1),
            moved(self.behind.age, 0),
            moved(self.behind.trust, 1),
            moved(self.behind.hidden, 0),
        )
        return State(self.carried.within(new), self.fixed.within(new, under.base), behind)


@dataclass(frozen=True)
class Manner:
    """How frames are made.

    Attributes:
        weights: Of the guides.
        options: Of the synthesis.
        everywhere: Synthesise all of the fix, not only where flow cannot be trusted.
        preview: Only move the keyframe along.
        extent_px: The plate's longer edge.
    """

    weights: Weights
    options: Options
    everywhere: bool
    preview: bool
    extent_px: float


@dataclass(frozen=True)
class Step:
    """All that a frame is made from.

    Attributes:
        key: The keyframe.
        under: The frame.
        before: What the frame between them left, over the frame's box.
        motion: From the frame to that one.
        carried: The keyframe as the frame sees it.
        manner: How.
    """

    key: Key
    under: Under
    before: State
    motion: Motion
    carried: Carried
    manner: Manner
