"""Colour: the match that moves the new face's colours to the plate's."""

from __future__ import annotations

from typing import Annotated

from understudy.comp.colour import methods
from understudy.comp.colour.matrix import ColourMatch
from understudy.swap.colour_statistics import ColourStatistics
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


def solve(parameters: ColourParameters, statistics: ColourStatistics | None) -> ColourMatch:
    """The colour match at its full strength; the identity where nothing was measured."""
    if statistics is None:
        return ColourMatch.identity()
    method = methods.find(parameters.colour_method)
    return method.solve(statistics.face, statistics.plate, statistics.samples, parameters.seed)
