"""Light: the plate's broad light and shade on the new face."""

from __future__ import annotations

from typing import Annotated

from understudy.comp.colour.illumination import Light
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.declare import Parameters, Share, Stage, live
from understudy.swap.stages import colour
from understudy.swap.stages.measure import LightRadiusParameter


class LightParameters(LightRadiusParameter, Parameters):
    """How much of the plate's light the new face gets."""

    light_strength: Annotated[Share, live(100.0)] = 100.0
    """How far the plate's broad light and shade replace the new face's own."""


STAGE = Stage(
    name="light",
    sentence="The plate's broad light and shade replace the matched face's own.",
    parameters=LightParameters,
    tab="Colour",
    after=(colour.STAGE,),
)


def chosen(parameters: LightParameters, statistics: ColourStatistics | None) -> Light | None:
    """The low frequencies that are matched; None where light is left alone or nothing was measured."""
    if statistics is None or parameters.light_strength == 0:
        return None
    return statistics.light
