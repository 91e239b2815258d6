"""How the new face's colours change: match, light and grade, in parts that a host can weigh again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.comp.colour.illumination import Light
from understudy.comp.colour.matrix import ColourMatch, Matrix
from understudy.image.frame import Box, FloatImage


@dataclass(frozen=True, eq=False)
class ColourTransform:
    """What turns the predicted face's colours into those that are laid over the plate; encoded space.

    Attributes:
        match: The colour match at its full strength.
        strength: How far it goes, 0..1.
        light: Low frequencies of face and plate; None where no light is added.
        light_strength: How far the plate's replace the matched face's, 0..1.
        grade: (3, 4) the artist's own grade, after both.
    """

    match: ColourMatch
    strength: float
    light: Light | None
    light_strength: float
    grade: Matrix

    def undo(self, part: FloatImage, at: Box, size: int) -> FloatImage:
        """What match and light turn into these colours: how the plate's own get into the new face.

        Args:
            part: (h, w, 3) float32, encoded.
            at: Where it lies on the face.
            size: The face's edge in pixels.
        """
        solved = self.match.at_strength(self.strength)
        if self.light is not None and self.light_strength > 0:
            lit = self.light.lacking(solved, (size, size))[at.slices(Box(0, 0, size, size))]
            part = part - lit * np.float32(self.light_strength)
        return solved.undo(part)

    def apply(self, rgb: FloatImage) -> FloatImage:
        """Change a face, (H, W, 3) float32 encoded; the light's picture is stretched over it."""
        solved = self.match.at_strength(self.strength)
        # The grade is linear but for its shift, so that light can be graded by itself and added after it.
        matched = solved.then(self.grade).apply(rgb)
        if self.light is None or self.light_strength == 0:
            return matched
        lit = self.light.lacking(solved, rgb.shape[:2]) * np.float32(self.light_strength)
        if not np.array_equal(self.grade, np.eye(3, 4)):
            lit = lit @ self.grade[:, :3].T
        return np.asarray(matched + lit, np.float32)
