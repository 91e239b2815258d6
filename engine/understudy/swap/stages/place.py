"""Place: the artist's own move of the new face."""

from __future__ import annotations

from typing import Annotated

from understudy.jobs.keyframes import moving
from understudy.swap.declare import Parameters, SignedOfFace, Stage
from understudy.swap.stages import predict


class PlaceParameters(Parameters):
    """How the new face is moved."""

    face_scale_percent: Annotated[float, moving(50, 200, "percent")] = 100.0
    """Size of the new face about its centre."""
    face_shift_x_percent: SignedOfFace = 0.0
    """Moves the new face to the right."""
    face_shift_y_percent: SignedOfFace = 0.0
    """Moves the new face down."""
    face_turn_degrees: Annotated[float, moving(-45, 45, "degrees")] = 0.0
    """Turns the new face clockwise about its centre."""


STAGE = Stage(
    name="place",
    sentence="The new face is scaled, turned and shifted.",
    parameters=PlaceParameters,
    tab="Face",
    after=(predict.STAGE,),
)
