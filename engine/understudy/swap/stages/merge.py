"""Merge: the new face joins the plate under its matte."""

from __future__ import annotations

from typing import Annotated, Literal

from understudy.jobs.keyframes import stepping
from understudy.swap.declare import Parameters, Reads, Share, Stage, live, on_tab
from understudy.swap.stages import grade, motion, mouth

Mode = Literal["over", "multiband", "gradient"]


class MergeParameters(Parameters):
    """How the new face joins the plate."""

    merge: Annotated[Mode, stepping()] = "over"
    """How the face joins the plate: over, multiband (a seam for each band), or gradient (Poisson)."""
    opacity: Annotated[Share, live(100.0), on_tab("Mask")] = 100.0
    """Opacity of the new face; at 0 the plate comes out bit for bit."""


STAGE = Stage(
    name="merge",
    sentence="The new face joins the plate under its matte.",
    parameters=MergeParameters,
    tab="Face",
    after=(mouth.STAGE, grade.STAGE, motion.STAGE),
    reads=frozenset({Reads.PLATE}),
    in_face_pass=False,
)
