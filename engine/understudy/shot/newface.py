"""What the network and the recipe made of one frame, and how it gets into the plate's rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.comp import match, merge
from understudy.face import canonical
from understudy.image.frame import Box, FloatImage


@dataclass(frozen=True)
class NewFace:
    """A new face, aligned, at its working size W.

    Attributes:
        rgb: (W, W, 3) encoded, before its colour match.
        match: The colour match.
        light: (W, W, 3) what to add after the match, encoded; None where nothing is added.
        learned, hull: (W, W) the two mattes as they came.
        matte: (W, W) the final matte, without the opacity.
        opacity: 0..1.
        plate_to_aligned: (2, 3) matrix at W, the artist's own move included.
    """

    rgb: FloatImage
    match: match.ColourMatch
    light: FloatImage | None
    learned: FloatImage
    hull: FloatImage
    matte: FloatImage
    opacity: float
    plate_to_aligned: np.ndarray

    @property
    def size(self) -> int:
        """W."""
        return int(self.rgb.shape[0])

    def finished(self) -> FloatImage:
        """(W, W, 3) encoded, matched and lit."""
        matched = self.match.apply(self.rgb)
        return matched if self.light is None else np.asarray(matched + self.light, np.float32)

    def warp_colours(self, window: Box, *encoded: FloatImage) -> tuple[Box, list[FloatImage]]:
        """The face's rectangle of the plate within `window`, and aligned pictures warped into it."""
        to_plate = canonical.invert(self.plate_to_aligned)
        box = merge.paste_box(to_plate, self.size, window)
        return box, [merge.warp_to_box(one, to_plate, box, "cubic") for one in encoded]

    def warp_matte(self, aligned: FloatImage, box: Box) -> FloatImage:
        """An aligned matte warped into the rectangle."""
        return merge.warp_to_box(aligned, canonical.invert(self.plate_to_aligned), box, "linear")
