"""Grade: the artist's own grade of the new face, after match and light."""

from __future__ import annotations

from typing import Annotated

from understudy.comp.colour import grade
from understudy.comp.colour.matrix import Matrix
from understudy.jobs.keyframes import moving
from understudy.swap.declare import Parameters, Stage, live


class GradeParameters(Parameters):
    """The artist's own grade."""

    grade_gain_stops: Annotated[float, moving(-4, 4, "stops"), live(0.0)] = 0.0
    """Your own exposure of the new face, after match and light."""
    grade_gamma: Annotated[float, moving(0.25, 4, "a factor"), live(1.0)] = 1.0
    """Lowers the new face's contrast about mid grey above 1, and raises it below."""
    grade_lift_percent: Annotated[float, moving(-50, 50, "percent"), live(0.0)] = 0.0
    """Raises the blacks of the new face and leaves its white."""
    grade_saturation_percent: Annotated[float, moving(0, 200, "percent"), live(100.0)] = 100.0
    """Saturation of the new face; 0 is grey."""
    grade_hue_degrees: Annotated[float, moving(-180, 180, "degrees"), live(0.0)] = 0.0
    """Rotates the new face's hues about the grey axis."""


STAGE = Stage(
    name="grade",
    sentence="Your own grade of the new face: gain, gamma, lift, saturation, hue.",
    parameters=GradeParameters,
    tab="Colour",
)


def matrix(parameters: GradeParameters) -> Matrix:
    """(3, 4) float64, in the encoded space."""
    return grade.matrix(
        gain_stops=parameters.grade_gain_stops,
        gamma=parameters.grade_gamma,
        lift=parameters.grade_lift_percent / 100,
        saturation=parameters.grade_saturation_percent / 100,
        hue_degrees=parameters.grade_hue_degrees,
    )
