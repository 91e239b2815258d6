"""Merge: the new face joins the plate under its matte."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from understudy.comp.merge import membrane, multiband, paste
from understudy.image.frame import FloatImage
from understudy.jobs.keyframes import stepping
from understudy.swap.declare import Parameters, Reads, Share, Stage, live, on_tab, told_in_face_pass
from understudy.swap.stages import grade, motion, mouth

Mode = Literal["over", "multiband", "gradient"]


class MergeParameters(Parameters):
    """How the new face joins the plate."""

    merge: Annotated[Mode, stepping()] = "over"
    """How the face joins the plate: over, multiband (a seam for each band), or gradient (Poisson)."""
    opacity: Annotated[Share, live(100.0), told_in_face_pass(), on_tab("Mask")] = 100.0
    """Opacity of the new face; at 0 the plate comes out bit for bit."""

    @property
    def needs_plate(self) -> bool:
        """Whether the face is joined to the encoded plate before it is laid over."""
        return self.merge != "over"


STAGE = Stage(
    name="merge",
    sentence="The new face joins the plate under its matte.",
    parameters=MergeParameters,
    tab="Face",
    after=(mouth.STAGE, grade.STAGE, motion.STAGE),
    reads=frozenset({Reads.PLATE}),
    in_face_pass=False,
)


def join(
    parameters: MergeParameters, face: FloatImage, plate: FloatImage, coverage: FloatImage
) -> tuple[FloatImage, FloatImage]:
    """The face and its matte as the merge mode has them; `over` leaves both.

    Args:
        parameters: Which mode.
        face, plate: (h, w, 3) float32, encoded, the rectangle that the matte covers.
        coverage: (h, w) the matte there.
    """
    if parameters.merge == "over" or not coverage.any():
        return face, coverage
    if parameters.merge == "multiband":
        return multiband.multiband(plate, face, coverage)
    return membrane.gradient(plate, face, coverage), coverage


def lay_over(
    parameters: MergeParameters,
    face: FloatImage,
    plate: FloatImage,
    alpha: FloatImage | None,
    coverage: FloatImage,
) -> FloatImage:
    """The face over the plate under its matte, in the plate's own space.

    Args:
        parameters: How opaque.
        face: (h, w, 3) float32, unpremultiplied.
        plate: The same shape and space; its bits come through where the matte is 0.
        alpha: (h, w) of a premultiplied plate, which holds colour × alpha; None for all others.
        coverage: (h, w) the matte.
    """
    premultiplied = face if alpha is None else face * alpha[..., None]
    return paste.over(plate, premultiplied, coverage * np.float32(parameters.opacity / 100))
