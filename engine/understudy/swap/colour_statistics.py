"""What frames say about colour, and the match and light that follow from it.

One frame's evidence is small: statistics, drawn pixels, and low frequencies. Averaged over neighbouring
frames it makes a match that does not flicker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from understudy.comp.colour import grade, matrix, skin_mask, table
from understudy.comp.colour.illumination import Light
from understudy.comp.colour.illumination import measure as measure_light
from understudy.comp.colour.matrix import ColourMatch, Matrix, Statistics
from understudy.image.frame import Box, FloatImage
from understudy.swap.job import SwapJob

# Encoded units, three quarters of a stop: two frames whose faces differ by more in their broad colours are of
# two takes, or between them somebody switched a light.
_CUT = 0.043


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one frame, or several, say about the colours of face and plate, in encoded units.

    Attributes:
        face, plate: Mean and covariance.
        samples: Drawn pixels, for the methods that move whole distributions; None for others.
        light: Low frequencies; None where nobody asks.
    """

    face: Statistics
    plate: Statistics
    samples: table.Samples | None
    light: Light | None

    @property
    def nbytes(self) -> int:
        """Bytes it holds, about."""
        drawn = 0 if self.samples is None else 2 * self.samples.face.nbytes
        return 2000 + drawn + (0 if self.light is None else 2 * self.light.face.nbytes)


def gather(
    job: SwapJob, face: FloatImage, plate: FloatImage, shape: FloatImage, landmarks: FloatImage
) -> Evidence | None:
    """What one frame says.

    Args:
        job: As it is on this frame.
        face, plate: (S, S, 3) encoded.
        shape: (S, S) the final matte at that size.
        landmarks: (68, 2) of the plate's face, pixels at that size.

    Returns:
        None where colour is left alone, or where too little is covered to measure.
    """
    lit = job.light_strength > 0 or job.temporal_window > 0
    if (job.colour_method == "none" and not lit) or float(shape.sum()) < 1.0:
        return None
    common = matrix.trusted(face, plate, shape, bare=skin_mask.bare(landmarks, len(face)))
    if not common.any():
        return None
    samples = table.draw(face, plate, common) if job.colour_method in table.METHODS else None
    radius = job.light_radius_percent / 100 * face.shape[0]
    light = measure_light(face, plate, common, radius_px=radius) if lit else None
    return Evidence(*matrix.measure(face, plate, common), samples, light)


def apart(before: Evidence, after: Evidence) -> bool:
    """Whether two neighbouring frames do not belong together: the light on the plate's face changes at once.

    Frames that were measured for different methods do not either.
    """
    if (before.samples is None) != (after.samples is None) or before.light is None or after.light is None:
        return True
    return float(np.abs(before.light.plate - after.light.plate).mean()) > _CUT


def pooled(evidence: Sequence[Evidence], weights: Sequence[float]) -> Evidence:
    """Several frames' evidence as one."""
    if len(evidence) == 1:
        return evidence[0]
    shares = np.asarray(weights, np.float64) / np.sum(weights)

    def statistics(of: Sequence[Statistics]) -> Statistics:
        means, covariances = (np.stack([getattr(one, name) for one in of]) for name in ("mean", "covariance"))
        return Statistics(np.tensordot(shares, means, 1), np.tensordot(shares, covariances, 1))

    samples = [one.samples for one in evidence if one.samples is not None]
    lights = [one.light for one in evidence if one.light is not None]
    return Evidence(
        statistics([one.face for one in evidence]),
        statistics([one.plate for one in evidence]),
        table.Samples.together(samples, shares) if samples else None,
        Light.mean(lights, shares) if lights else None,
    )


@dataclass(frozen=True, eq=False)
class Colour:
    """How the new face's colours change, in its parts, so that a host can weigh them again.

    Attributes:
        match: The colour match at its full strength.
        strength: How far it goes, 0..1.
        light: Low frequencies of face and plate; None where no light is added.
        light_strength: How far the plate's replace the matched face's own, 0..1.
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
            part: (h, w, 3), encoded.
            at: Where it lies on the face.
            size: The face's edge.
        """
        solved = self.match.at_strength(self.strength)
        if self.light is not None and self.light_strength > 0:
            lit = self.light.lacking(solved, (size, size))[at.slices(Box(0, 0, size, size))]
            part = part - lit * np.float32(self.light_strength)
        return solved.undo(part)

    def apply(self, rgb: FloatImage) -> FloatImage:
        """Change a face (H, W, 3), encoded; the light's picture is stretched over it."""
        solved = self.match.at_strength(self.strength)
        # The grade is linear but for its shift, so that light can be graded by itself and added after it.
        matched = solved.then(self.grade).apply(rgb)
        if self.light is None or self.light_strength == 0:
            return matched
        lit = self.light.lacking(solved, rgb.shape[:2]) * np.float32(self.light_strength)
        if not np.array_equal(self.grade, np.eye(3, 4)):
            lit = lit @ self.grade[:, :3].T
        return np.asarray(matched + lit, np.float32)


def solve(job: SwapJob, seen: Evidence | None) -> Colour:
    """The colour match, the light and the artist's grade of one frame.

    Args:
        job: As it is on this frame.
        seen: What is to be matched; None leaves the face's colours to the grade alone.
    """
    graded = grade.matrix(
        gain_stops=job.grade_gain_stops,
        gamma=job.grade_gamma,
        lift=job.grade_lift_percent / 100,
        saturation=job.grade_saturation_percent / 100,
        hue_degrees=job.grade_hue_degrees,
    )
    strength, light_strength = job.colour_strength / 100, job.light_strength / 100
    if seen is None:
        return Colour(ColourMatch.identity(), strength, None, light_strength, graded)
    light = seen.light if light_strength > 0 else None
    return Colour(_match(job, seen), strength, light, light_strength, graded)


def _match(job: SwapJob, seen: Evidence) -> ColourMatch:
    if seen.samples is None:
        return matrix.solve_statistics(job.colour_method, seen.face, seen.plate)
    return table.solve_samples(job.colour_method, seen.face, seen.plate, seen.samples, seed=job.seed)
