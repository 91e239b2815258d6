"""Motion: the new face's path while the shutter is open."""

from __future__ import annotations

from understudy.swap.declare import Parameters, Reads, Share, Stage
from understudy.swap.stages import place


class MotionParameters(Parameters):
    """How long the shutter is open."""

    motion_blur: Share = 0.0
    """Blurs the new face along its track, by the share of a frame that the shutter is open."""


STAGE = Stage(
    name="motion",
    sentence="The new face is blurred along its track.",
    parameters=MotionParameters,
    tab="Detail",
    after=(place.STAGE,),
    reads=frozenset({Reads.TRACK}),
    reach=lambda parameters: int(parameters.motion_blur > 0),
    crosses_cuts=True,
)
