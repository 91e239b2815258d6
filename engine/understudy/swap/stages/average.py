"""Average: what is measured on a frame and its neighbours, as one, so that a match does not flicker."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from understudy.jobs.fields import unit
from understudy.swap.declare import Parameters, Reads, Stage
from understudy.swap.stages import measure


class AverageParameters(Parameters):
    """Over how many frames is averaged."""

    temporal_window: Annotated[int, Field(ge=0, le=25, json_schema_extra=unit("frames"))] = 0
    """Frames on each side that colour and light are averaged with; never across a cut."""

    @property
    def reach(self) -> int:
        """Frames on each side that are read."""
        return self.temporal_window


STAGE = Stage(
    name="average",
    sentence="What is measured is averaged over neighbouring frames, up to a cut.",
    parameters=AverageParameters,
    tab="Colour",
    after=(measure.STAGE,),
    reads=frozenset({Reads.PLATE, Reads.TRACK, Reads.ROTO}),
    reach=lambda parameters: int(parameters.reach),
)
