"""Mattes: where the new face covers the plate, combined, eroded and feathered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from understudy.jobs.fields import affects
from understudy.jobs.keyframes import moving, stepping
from understudy.swap.declare import MATTE, Parameters, Reads, SignedOfFace, Stage, Switch, live_matte
from understudy.swap.stages import predict

Mode = Literal["product", "minimum", "maximum", "difference"]
Unit = Literal["percent", "pixels"]
Erosion = Annotated[float, moving(-200, 200, MATTE), live_matte()]
Softness = Annotated[float, moving(0, 200, MATTE), live_matte()]
LiveSwitch = Annotated[Switch, live_matte()]


class MatteParameters(Parameters):
    """Which mattes there are, how they are combined, and their edge."""

    matte_learned: LiveSwitch = True
    """Covers the plate where the model's matte says the new face is."""
    matte_destination: Switch = False
    """Covers the plate where the model's matte says the plate's own face is."""
    matte_hull: LiveSwitch = False
    """Covers the plate inside the hull of its own face's landmarks: limits a longer or wider new face."""
    matte_occlusion: LiveSwitch = False
    """Leaves out what is in front of the plate's face: where the plate differs from its reconstruction."""
    matte_box: Switch = False
    """Covers the plate inside the rectangle around the landmarks."""
    box_padding_percent: SignedOfFace = 0.0
    """Room between the landmarks and the sides of the box matte; negative values make the box smaller."""
    matte_roto: Annotated[
        str | None, affects("input"), Field(json_schema_extra={"formerly": ["matte_external"]})
    ] = None
    """Your own matte in the plate's raster, such as roto.%04d.exr: alpha or first channel, used as is."""
    matte_combine: Annotated[Mode, stepping(), live_matte()] = "product"
    """How the chosen mattes are combined; difference subtracts the later ones from the first."""
    matte_unit: Annotated[Unit, stepping(), live_matte()] = "percent"
    """Unit of erode and feather: percent of the aligned face's edge, or pixels of the plate."""
    erode: Erosion = -2.0
    """Shrinks the matte; negative values grow it."""
    erode_top: Erosion = 0.0
    """Shrinks the matte from the forehead; negative values grow it."""
    erode_bottom: Erosion = 0.0
    """Shrinks the matte from the chin; negative values grow it."""
    erode_left: Erosion = 0.0
    """Shrinks the matte from the picture's left side of the face; negative values grow it."""
    erode_right: Erosion = 0.0
    """Shrinks the matte from the picture's right side of the face; negative values grow it."""
    feather: Softness = 5.0
    """Width of the matte's soft edge, inwards."""
    feather_top: Softness = 0.0
    """Width of a longer soft edge at the forehead."""
    feather_bottom: Softness = 0.0
    """Width of a longer soft edge at the chin."""
    feather_left: Softness = 0.0
    """Width of a longer soft edge on the picture's left side of the face."""
    feather_right: Softness = 0.0
    """Width of a longer soft edge on the picture's right side of the face."""


STAGE = Stage(
    name="mattes",
    sentence="The mattes of the new face are combined, eroded and feathered; your roto joins last.",
    parameters=MatteParameters,
    tab="Mask",
    after=(predict.STAGE,),
    reads=frozenset({Reads.ROTO}),
)
