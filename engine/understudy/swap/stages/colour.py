"""Colour: the match that moves the new face's colours to the plate's."""

from __future__ import annotations

from typing import Annotated

from understudy.swap.declare import Parameters, SeedParameter, Share, Stage, live
from understudy.swap.stages import average
from understudy.swap.stages.measure import ColourMethodParameter


class ColourParameters(ColourMethodParameter, SeedParameter, Parameters):
    """How colours are matched, and how far."""

    colour_strength: Annotated[Share, live(100.0)] = 100.0
    """How far the colour match goes."""


STAGE = Stage(
    name="colour",
    sentence="The new face's colours are matched to the plate's, by a matrix in the encoded space.",
    parameters=ColourParameters,
    tab="Colour",
    after=(average.STAGE,),
)
