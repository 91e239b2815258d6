"""Mouth: the plate's own teeth and tongue between the new face's lips."""

from __future__ import annotations

from understudy.swap.declare import Parameters, Reads, Share, Stage
from understudy.swap.stages import detail, light


class MouthParameters(Parameters):
    """How much of the plate's mouth shows."""

    plate_mouth: Share = 0.0
    """How far the plate's own teeth and tongue show between the new face's lips."""


STAGE = Stage(
    name="mouth",
    sentence="The plate's own teeth and tongue show between the new lips.",
    parameters=MouthParameters,
    tab="Face",
    after=(detail.STAGE, light.STAGE),
    reads=frozenset({Reads.PLATE}),
)
