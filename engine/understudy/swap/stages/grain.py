"""Grain: the plate's grain on the new face, added before it is laid over the plate."""

from __future__ import annotations

from typing import Annotated

from understudy.comp.detail import grain
from understudy.image.frame import FloatImage
from understudy.jobs.keyframes import moving
from understudy.swap.declare import Parameters, Reads, SeedParameter, Stage, live
from understudy.swap.stages import merge


class GrainParameters(SeedParameter, Parameters):
    """How much grain the new face gets."""

    grain: Annotated[float, moving(0, 200, "percent"), live(0.0)] = 0.0
    """Gives the new face the grain measured in the plate; 100 is as much as the plate has."""

    @property
    def needs_plate(self) -> bool:
        """Whether the plate's grain is measured."""
        return self.grain > 0


STAGE = Stage(
    name="grain",
    sentence="The new face gets the plate's grain.",
    parameters=GrainParameters,
    tab="Detail",
    after=(merge.STAGE,),
    reads=frozenset({Reads.PLATE}),
    in_face_pass=False,
)


def apply(
    parameters: GrainParameters, face: FloatImage, plate: FloatImage, coverage: FloatImage, number: int
) -> FloatImage:
    """The face with the plate's grain.

    Args:
        parameters: How much, and the pattern's seed.
        face, plate: (h, w, 3) float32, encoded, the rectangle that the matte covers.
        coverage: (h, w) the matte there, under which grain is measured.
        number: The frame's number: every frame has its own pattern.
    """
    if not parameters.needs_plate:
        return face
    seen = grain.measure(plate, coverage)
    return grain.add(face, seen, amount=parameters.grain / 100, seed=parameters.seed, frame=number)
