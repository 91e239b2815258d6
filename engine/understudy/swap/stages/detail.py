"""Detail: the new face denoised, sharpened or softened, and degraded."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from understudy.comp.detail import grain, sharpness
from understudy.image.frame import FloatImage
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
    """Lowers the resolution of the new face, for soft plates."""
    denoise: Share = 0.0
    """Smooths small differences in the new face and keeps its edges."""

    @property
    def needs_plate(self) -> bool:
        """Whether the plate's own sharpness is measured."""
        return self.match_sharpness > 0


STAGE = Stage(
    name="detail",
    sentence="The new face is denoised, sharpened or softened, and degraded.",
    parameters=DetailParameters,
    tab="Detail",
    after=(mattes.STAGE,),
    reads=frozenset({Reads.PLATE}),
)


def apply(
    parameters: DetailParameters, rgb: FloatImage, plate: FloatImage | None, matte: FloatImage
) -> FloatImage:
    """The new face with its detail changed.

    Args:
        parameters: How.
        rgb: (W, W, 3) float32, encoded.
        plate: The plate's own face, the same shape and space; None unless `needs_plate`.
        matte: (W, W) the final matte.
    """
    radius = parameters.sharpness_radius_percent / 100 * rgb.shape[0]
    amount = parameters.sharpness
    if plate is not None:
        seen = grain.measure(plate, matte)
        wanted = sharpness.matching_sharpness(rgb, plate, matte, radius, grain=seen.mean)
        amount = float(np.clip(amount + parameters.match_sharpness / 100 * wanted, -100, 100))
    if parameters.denoise > 0:
        rgb = sharpness.denoise(rgb, parameters.denoise, radius)
    if amount != 0:
        rgb = sharpness.sharpen(rgb, amount, radius)
    return sharpness.degrade(rgb, parameters.degrade) if parameters.degrade > 0 else rgb
