"""Grain: the plate's grain on the new face, added before it is laid over the plate."""

from __future__ import annotations

from typing import Annotated

from understudy.jobs.keyframes import moving
from understudy.swap.declare import Parameters, Reads, SeedParameter, Stage, live
from understudy.swap.stages import merge


class GrainParameters(SeedParameter, Parameters):
    """How much grain the new face gets."""

    grain: Annotated[float, moving(0, 200, "percent"), live(0.0)] = 0.0
    """Gives the new face the grain measured in the plate; 100 is as much as the plate has."""


STAGE = Stage(
    name="grain",
    sentence="The new face gets the plate's grain.",
    parameters=GrainParameters,
    tab="Detail",
    after=(merge.STAGE,),
    reads=frozenset({Reads.PLATE}),
    in_face_pass=False,
)
