"""Mattes: where the new face covers the plate, combined, eroded and feathered."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from understudy.comp.mattes import matte, occlusion
from understudy.face import align
from understudy.face.crop import cut_matte
from understudy.image.frame import Box, FloatImage, Frame
from understudy.jobs.fields import reads
from understudy.jobs.keyframes import moving, stepping
from understudy.swap.declare import MATTE, Parameters, Reads, SignedOfFace, Stage, Switch, live_matte
from understudy.swap.frame_data import MatteSet, Prediction
from understudy.swap.resize import resize
from understudy.swap.stages import predict

Mode = Literal["product", "minimum", "maximum", "difference"]
Unit = Literal["percent", "pixels"]
Erosion = Annotated[float, moving(-200, 200, MATTE)]
Softness = Annotated[float, moving(0, 200, MATTE)]
LiveSwitch = Annotated[Switch, live_matte()]


class MatteParameters(Parameters):
    """Which mattes there are, how they are combined, and their edge."""

    matte_learned: LiveSwitch = True
    """Covers the plate where the model's matte says the new face is."""
    matte_destination: Switch = False
    """Covers the plate where the model's matte says the plate's own face is."""
    matte_hull: LiveSwitch = False
    """Covers the plate inside the hull of its own face's landmarks: limits a longer or wider new face."""
    matte_occlusion: Switch = False
    """Leaves out what is in front of the plate's face: where the plate differs from its reconstruction."""
    matte_box: Switch = False
    """Covers the plate inside the rectangle around the landmarks."""
    box_padding_percent: SignedOfFace = 0.0
    """Room between the landmarks and the sides of the box matte; negative values make the box smaller."""
    matte_roto: Annotated[
        str | None, reads("sequence"), Field(json_schema_extra={"formerly": ["matte_external"]})
    ] = None
    """Your own matte in the plate's raster, such as roto.%04d.exr: alpha or first channel, used as is."""
    matte_combine: Annotated[Mode, stepping(), live_matte()] = "product"
    """How the chosen mattes are combined; difference subtracts the later ones from the first."""
    matte_unit: Annotated[Unit, stepping(), live_matte()] = "percent"
    """Unit of erode and feather: percent of the aligned face's edge, or pixels of the plate."""
    erode: Annotated[Erosion, live_matte()] = -2.0
    """Shrinks the matte; negative values grow it."""
    erode_top: Erosion = 0.0
    """Shrinks the matte from the forehead; negative values grow it."""
    erode_bottom: Erosion = 0.0
    """Shrinks the matte from the chin; negative values grow it."""
    erode_left: Erosion = 0.0
    """Shrinks the matte from the picture's left side of the face; negative values grow it."""
    erode_right: Erosion = 0.0
    """Shrinks the matte from the picture's right side of the face; negative values grow it."""
    feather: Annotated[Softness, live_matte()] = 5.0
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


LARGEST_WORKING_PX = 1024


def working_size(to_network: np.ndarray, network_size: int) -> int:
    """Edge to work at: the aligned square's longer edge in plate pixels, at least the network's own.

    A matte made at the network's size would show its pixels.
    """
    wanted = round(network_size / max(min(align.magnifications(to_network)), 1e-6))
    return int(np.clip(wanted, network_size, LARGEST_WORKING_PX))


def build(parameters: MatteParameters, prediction: Prediction, roto: Frame | None, window: Box) -> MatteSet:
    """Every matte of one frame, and the chosen ones combined, eroded and feathered.

    The artist's own matte joins last, and its edge is used as it is. Where neither is chosen, the whole
    aligned square is covered, as a host does it live: a face pass holds the single mattes in any case, and
    its host may combine those.

    Args:
        parameters: Which mattes, how combined, their edge.
        prediction: Of this frame.
        roto: The artist's own matte in the plate's raster; None where there is none.
        window: The plate's data window.
    """
    working = working_size(prediction.plate_to_aligned, prediction.size)
    to_working = align.rescale(prediction.plate_to_aligned, prediction.size, working)
    single = _single(parameters, prediction, to_working, working)
    chosen = tuple(name for name in single if getattr(parameters, f"matte_{name}"))
    if roto is not None:
        single["roto"] = cut_matte(roto, to_working, working, window)
    artists = [single["roto"]] if "roto" in single else []
    everywhere = [np.ones((working, working), np.float32)]
    used = [single[name] for name in chosen] or artists or everywhere
    combined = final = matte.combine(parameters.matte_combine, used)
    if chosen or not artists:
        unit = working / 100 if parameters.matte_unit == "percent" else align.magnification(to_working)
        edged = _with_edge(parameters, combined, unit)
        final = matte.combine(parameters.matte_combine, [edged, *artists])
        sides_only = parameters.model_copy(update={"erode": 0.0, "feather": 0.0})
        combined = _with_edge(sides_only, combined, unit)
    return MatteSet(single, final, to_working, combined, chosen, parameters.matte_combine)


def _single(
    parameters: MatteParameters, prediction: Prediction, to_working: np.ndarray, working: int
) -> dict[str, FloatImage]:
    # A new face that acts by itself reaches where the plate's does not, and the plate's stays to be covered.
    several = prediction.features(to_working)
    hulls = [matte.hull(one, working) for one in several]
    found = {
        "learned": resize(prediction.matte, working),
        "hull": np.maximum.reduce(hulls),
    }
    if parameters.matte_destination:
        found["destination"] = resize(prediction.destination_matte, working)
    if parameters.matte_occlusion:
        expected = prediction.destination_matte * resize(hulls[0], prediction.size)
        seen = occlusion.visible(prediction.plate, prediction.reconstruction, expected)
        found["occlusion"] = resize(seen, working)
    if parameters.matte_box:
        padding = parameters.box_padding_percent / 100 * working
        boxes = [matte.rectangle(one, working, padding_px=padding) for one in several]
        found["box"] = np.maximum.reduce(boxes)
    return found


def _with_edge(parameters: MatteParameters, combined: FloatImage, unit: float) -> FloatImage:
    """Eroded and feathered, from all sides and then from single ones; `unit` is in pixels of the raster."""
    final = matte.erode(combined, parameters.erode * unit)
    sides = {side: getattr(parameters, f"erode_{side}") * unit for side in matte.SIDES}
    if any(sides.values()):
        final = matte.trim(final, **sides)
    final = matte.feather(final, parameters.feather * unit)
    sides = {side: getattr(parameters, f"feather_{side}") * unit for side in matte.SIDES}
    if any(sides.values()):
        final = matte.feather_sides(final, **sides)
    return final
