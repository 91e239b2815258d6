"""Detail: the new face denoised, sharpened or softened, and degraded."""

from __future__ import annotations

from typing import Annotated

from understudy.jobs.keyframes import moving
from understudy.swap.declare import FACE, Parameters, Reads, Share, SignedShare, Stage, live
from understudy.swap.stages import mattes


class DetailParameters(Parameters):
    """How the new face's detail changes."""

    sharpness: Annotated[SignedShare, live(0.0)] = 0.0
    """Sharpens the new face; negative values soften it."""
    sharpness_radius_percent: Annotated[float, moving(0.1, 10, FACE)] = 1.0
    """Width of the detail that sharpness changes."""
    match_sharpness: Share = 0.0
    """How far the new face takes on the plate's own sharpness, as measured on its face."""
    degrade: Share = 0.0
    """Throws resolution of the new face away, for soft plates."""
    denoise: Share = 0.0
    """Smooths small differences in the new face and keeps its edges."""


STAGE = Stage(
    name="detail",
    sentence="The new face is denoised, sharpened or softened, and degraded.",
    parameters=DetailParameters,
    tab="Detail",
    after=(mattes.STAGE,),
    reads=frozenset({Reads.PLATE}),
)
