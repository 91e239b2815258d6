"""Measure: what one frame's face and plate are like in colour and in broad light, under the matte."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from understudy.comp.colour import illumination, matrix, methods, table, whites
from understudy.comp.colour.robust_weights import robust_weights
from understudy.comp.colour.skin_mask import skin_mask
from understudy.comp.colour.slope import without_slope
from understudy.image.frame import FloatImage
from understudy.jobs.keyframes import moving, stepping
from understudy.swap.colour_statistics import ColourStatistics
from understudy.swap.declare import FACE, Parameters, Stage
from understudy.swap.frame_data import Prediction
from understudy.swap.resize import resize
from understudy.swap.stages import mattes

# A smaller share of the matte does not represent it: a face that the frame cuts below the eyes.
_ENOUGH_SKIN = 0.1
# Edge of the raster on which face and plate are matched roughly.
_ROUGH_PX = 64


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

    colour_method: Annotated[ColourMethodName, stepping()] = methods.AUTO
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
    prediction: Prediction,
    matte: FloatImage,
) -> ColourStatistics | None:
    """What one frame's face and plate are like where they are alike: beards and fringes count little.

    Args:
        parameters: What is measured.
        prediction: Of the frame.
        matte: (S, S) the final matte at the prediction's size.

    Returns:
        None where too little is covered to measure.
    """
    face, plate, size = prediction.face, prediction.plate, prediction.size
    if float(matte.sum()) < 1.0:
        return None
    features = prediction.features(prediction.plate_to_aligned)
    bare = np.minimum.reduce([skin_mask(one, size) for one in features]) * matte
    on_skin = float(bare.sum()) > _ENOUGH_SKIN * float(matte.sum())
    if not on_skin:
        bare = matte
    alike = _roughly_matched(face, plate, bare)
    weights = robust_weights(alike, plate, matte, skin=bare if on_skin else None)
    skin = weights * bare if on_skin else weights
    if not skin.any():
        return None
    flat = without_slope(face, skin), without_slope(plate, skin)
    wants_samples = methods.find(parameters.colour_method).needs_samples
    return ColourStatistics(
        *matrix.measure(*flat, skin),
        on_skin=float(on_skin),
        samples=table.sample(*flat, skin) if wants_samples else None,
        whites=whites.measure(
            face,
            plate,
            matte,
            face_landmarks=prediction.predicted_landmarks,
            plate_landmarks=features[0],
        ),
        light=illumination.measure(
            face, plate, weights, radius_px=parameters.light_radius_percent / 100 * size
        ),
    )


def _roughly_matched(face: FloatImage, plate: FloatImage, skin: FloatImage) -> FloatImage:
    """The face in the plate's tone and contrast: what differs then differs by more than the two skins do."""
    if not skin.any():
        return face
    # It need not be exact: a quarter of the pixels, and fewer, say it as well.
    of_face, of_plate, of_skin = (resize(one, min(len(skin), _ROUGH_PX)) for one in (face, plate, skin))
    flat = without_slope(of_face, of_skin), without_slope(of_plate, of_skin)
    return methods.solve("contrast", *flat, of_skin).apply(face)
