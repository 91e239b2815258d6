"""Measure: what one frame's face and plate are like in colour and in broad light, under the matte."""

from __future__ import annotations

from typing import Annotated, Literal

from understudy.jobs.keyframes import moving, stepping
from understudy.swap.declare import FACE, Parameters, Stage
from understudy.swap.stages import mattes

ColourMethod = Literal[
    "none",
    "mean",
    "mean_std",
    "reinhard",
    "linear",
    "monge_kantorovich",
    "histogram",
    "iterative",
    "sliced",
]


class ColourMethodParameter(Parameters):
    """The colour method, which says what is measured and how the match is solved."""

    colour_method: Annotated[ColourMethod, stepping()] = "mean"
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
