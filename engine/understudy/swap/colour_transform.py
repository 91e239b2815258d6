"""How the new face's colours change: match, light and grade, in parts that a host can weigh again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from understudy.comp.colour.illumination import Light
from understudy.comp.colour.matrix import ColourMatch, Matrix
from understudy.comp.colour.whites import WhitesMatch
from understudy.comp.merge import paste
from understudy.image.frame import Box, FloatImage


@dataclass(frozen=True, eq=False)
class ColourTransform:
    """What turns the predicted face's colours into those that are laid over the plate; encoded space.

    Attributes:
        match: The colour match at its full strength.
        strength: How far it goes, 0..1.
        whites: What eyes and the inside of the mouth get in its place; None where they get the same.
        light: Low frequencies of face and plate; None where no light is added.
        light_strength: How far the plate's replace the matched face's, 0..1.
        grade: (3, 4) the artist's own grade, after both.
    """

    match: ColourMatch
    strength: float
    whites: WhitesMatch | None
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
        solved, inside = self.match.at_strength(self.strength), at.slices(Box(0, 0, size, size))
        if self.light is not None and self.light_strength > 0:
            part = part - self.light.lacking(solved, (size, size))[inside] * np.float32(self.light_strength)
        undone = solved.undo(part)
        if self.whites is None:
            return undone
        # In the soft border the way back lies between both: exact for shifts, near it where contrast changes.
        own = part - np.asarray(self.strength * self.whites.shift, np.float32)
        return np.asarray(undone + self.whites.matte[inside][..., None] * (own - undone), np.float32)

    def matched(self, rgb: FloatImage, grade: Matrix | None = None) -> FloatImage:
        """(W, W, 3) the face matched at the match's strength, and graded."""
        after = np.eye(3, 4) if grade is None else grade
        out = self.match.at_strength(self.strength).then(after).apply(rgb)
        if self.whites is None:
            return out
        box = paste.covered(self.whites.matte)
        if box.empty:
            return out
        inside = box.slices(Box(0, 0, *rgb.shape[1::-1]))
        shift = np.column_stack([np.eye(3), self.strength * self.whites.shift])
        own = ColourMatch(shift).then(after).apply(rgb[inside])
        out[inside] += self.whites.matte[inside][..., None] * (own - out[inside])
        return out

    def beside_the_match(self, rgb: FloatImage) -> FloatImage:
        """(W, W, 3) what the match at full strength gives, less what its matrix alone gives."""
        return np.asarray(replace(self, strength=1.0).matched(rgb) - self.match.apply(rgb), np.float32)

    def beside_the_match_of(self, detail: FloatImage) -> FloatImage:
        """The same of a difference of two faces, (W, W, 3): whites are linear but for their shift."""
        both = self.beside_the_match(detail) - self.beside_the_match(np.zeros_like(detail))
        return np.asarray(both, np.float32)

    def apply(self, rgb: FloatImage) -> FloatImage:
        """Change a face, (W, W, 3) float32 encoded; the light's picture is stretched over it."""
        # The grade is linear but for its shift, so that light can be graded by itself and added after it.
        matched = self.matched(rgb, self.grade)
        if self.light is None or self.light_strength == 0:
            return matched
        solved = self.match.at_strength(self.strength)
        lit = self.light.lacking(solved, rgb.shape[:2]) * np.float32(self.light_strength)
        if not np.array_equal(self.grade, np.eye(3, 4)):
            lit = lit @ self.grade[:, :3].T
        return np.asarray(matched + lit, np.float32)
