"""Average: what is measured on a frame and its neighbours, as one, so that a match does not flicker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from understudy.comp.colour.illumination import Light
from understudy.comp.colour.matrix import Statistics
from understudy.comp.colour.table import Samples
from understudy.comp.colour.whites import Whites
from understudy.jobs.fields import unit
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.declare import Parameters, Reads, Stage
from understudy.swap.stages import measure


class AverageParameters(Parameters):
    """Over how many frames is averaged."""

    temporal_window: Annotated[int, Field(ge=0, le=25, json_schema_extra=unit("frames"))] = 0
    """Frames on each side that colour and light are averaged with; never across a cut."""


STAGE = Stage(
    name="average",
    sentence="What is measured is averaged over neighbouring frames, up to a cut.",
    parameters=AverageParameters,
    tab="Colour",
    after=(measure.STAGE,),
    reads=frozenset({Reads.PLATE, Reads.TRACK, Reads.ROTO}),
    reach=lambda parameters: int(parameters.temporal_window),
)


# Encoded units, three quarters of a stop: two frames whose faces differ by more in their broad colours are of
# two takes, or between them somebody switched a light.
_CUT = 0.043


def is_break(before: ColourStatistics, after: ColourStatistics) -> bool:
    """Whether two neighbouring frames are not averaged: the light on the plate's face changes at once.

    Frames that were measured otherwise, for another method or radius, are not averaged either.
    """
    first, second = before.light.plate, after.light.plate
    if (before.samples is None) != (after.samples is None) or first.shape != second.shape:
        return True
    return float(np.abs(first - second).mean()) > _CUT


def average(several: Sequence[ColourStatistics], weights: Sequence[float]) -> ColourStatistics:
    """Several frames' statistics as one, by weight; of one frame they are that frame's."""
    if len(several) == 1:
        return several[0]
    shares = np.asarray(weights, np.float64) / np.sum(weights)

    def mean(of: Sequence[Statistics]) -> Statistics:
        means, covariances = (np.stack([getattr(one, name) for one in of]) for name in ("mean", "covariance"))
        return Statistics(np.tensordot(shares, means, 1), np.tensordot(shares, covariances, 1))

    samples = [one.samples for one in several if one.samples is not None]
    return ColourStatistics(
        mean([one.face for one in several]),
        mean([one.plate for one in several]),
        on_skin=float(shares @ [one.on_skin for one in several]),
        samples=Samples.together(samples, shares) if samples else None,
        whites=Whites.mean([one.whites for one in several], shares),
        light=Light.mean([one.light for one in several], shares),
    )
