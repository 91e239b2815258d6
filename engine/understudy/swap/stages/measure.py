"""Measure: what one frame's face and plate are like in colour and in broad light, under the matte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from understudy.comp.colour import illumination, matrix, methods, table
from understudy.comp.colour.robust_weights import robust_weights
from understudy.comp.colour.skin_mask import skin_mask
from understudy.image.frame import FloatImage
from understudy.jobs.keyframes import moving, stepping
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.declare import FACE, Parameters, Stage
from understudy.swap.stages import mattes


def _known(name: str) -> str:
    if name not in methods.BUILT_IN and name not in methods.names():
        raise ValueError(f"there is no colour method {name!r}; use one of {', '.join(methods.names())}")
    return name


ColourMethodName = Annotated[
    str,
    AfterValidator(_known),
    Field(json_schema_extra={"enum": list(methods.BUILT_IN), "entry_points": methods.GROUP}),
]


class ColourMethodParameter(Parameters):
    """The colour method, which says what is measured and how the match is solved."""

    colour_method: Annotated[ColourMethodName, stepping()] = "mean"
    """How the face's colour is matched to the plate."""


class LightRadiusParameter(Parameters):
    """What counts as light."""

    light_radius_percent: Annotated[float, moving(1, 50, FACE)] = 20.0
    """Width of what counts as light and not as detail: the standard deviation of the blur between them."""


class MeasureParameters(ColourMethodParameter, LightRadiusParameter, Parameters):
    """What is measured of one frame."""


STAGE = Stage(
    name="measure",
    sentence="Colours and broad light of face and plate are measured under the matte.",
    parameters=MeasureParameters,
    tab="Colour",
    after=(mattes.STAGE,),
)


def measure(
    parameters: MeasureParameters,
    face: FloatImage,
    plate: FloatImage,
    matte: FloatImage,
    features: Sequence[FloatImage],
) -> ColourStatistics | None:
    """What one frame's face and plate are like where they are alike: beards and fringes count little.

    Args:
        parameters: What is measured.
        face: (S, S, 3) float32, encoded, the predicted face.
        plate: The same shape and space, the plate's.
        matte: (S, S) the final matte at that size.
        features: (68, 2) pixels at that size, of the plate's face and of one that acts by itself.

    Returns:
        None where too little is covered to measure.
    """
    if float(matte.sum()) < 1.0:
        return None
    skin = np.minimum.reduce([skin_mask(one, len(face)) for one in features])
    weights = robust_weights(face, plate, matte, skin=skin)
    if not weights.any():
        return None
    wants_samples = methods.find(parameters.colour_method).needs_samples
    radius = parameters.light_radius_percent / 100 * face.shape[0]
    return ColourStatistics(
        *matrix.measure(face, plate, weights),
        table.sample(face, plate, weights) if wants_samples else None,
        illumination.measure(face, plate, weights, radius_px=radius),
    )
