"""Place: the artist's own move of the new face."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from understudy.face.crop import Matrix
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
    """Rotates the new face clockwise about its centre."""


STAGE = Stage(
    name="place",
    sentence="The new face is scaled, turned and shifted.",
    parameters=PlaceParameters,
    tab="Face",
    after=(predict.STAGE,),
)


def moved(parameters: PlaceParameters, plate_to_aligned: Matrix, size: int) -> Matrix:
    """The (2, 3) placement after the face is scaled and turned clockwise about its centre, and shifted.

    Args:
        parameters: How it is moved; shifts are in shares of the aligned face's edge.
        plate_to_aligned: (2, 3) as tracked.
        size: Edge of the aligned face in pixels.
    """
    scale = parameters.face_scale_percent / 100
    shift = (parameters.face_shift_x_percent / 100, parameters.face_shift_y_percent / 100)
    if scale == 1 and parameters.face_turn_degrees == 0 and shift == (0, 0):
        return plate_to_aligned
    angle, centre = np.deg2rad(parameters.face_turn_degrees), np.full(2, (size - 1) / 2)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # The face's point p goes to linear·(p − centre) + centre + shift; the plate's pixel asks the way back.
    back = np.linalg.inv(linear)
    offset = centre - back @ (centre + np.asarray(shift) * size)
    return np.column_stack([back @ plate_to_aligned[:, :2], back @ plate_to_aligned[:, 2] + offset])
