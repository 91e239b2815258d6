"""The recipe in the aligned square: mattes, colour, light and detail. What joins the plate is in `merging`.

Convention:
    The aligned face is worked on at `working` pixels, about the face's own size in the plate: a matte made
    at the network's size would show its pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from understudy.comp import mouth
from understudy.comp.detail import grain, sharpness
from understudy.comp.mattes import matte, occlusion
from understudy.comp.merge import paste
from understudy.face import align
from understudy.face.crop import cut, cut_matte
from understudy.image.frame import Box, FloatImage, Frame
from understudy.swap import colour_statistics
from understudy.swap.colour_statistics import Colour
from understudy.swap.frame_data import Drawn, Moment, NewFace, Shape
from understudy.swap.job import SwapJob
from understudy.swap.placement import replaced, shutter_path

VERSION = 2
"""Counts up with every change of the code that changes a frame's pixels, from the network's faces to the
finished frame: what was made before is then made anew (tests/golden says when that is due)."""

LARGEST_WORKING_PX = 1024


def working_size(to_network: np.ndarray, network_size: int) -> int:
    """Edge to work at: the aligned square's edge in plate pixels, at least the network's own."""
    return int(np.clip(round(network_size / _per_plate_px(to_network)), network_size, LARGEST_WORKING_PX))


def _per_plate_px(plate_to_aligned: np.ndarray) -> float:
    """Pixels of the aligned face to one of the plate."""
    return max(float(np.sqrt(abs(np.linalg.det(plate_to_aligned[:, :2])))), 1e-6)


def shape(job: SwapJob, drawn: Drawn, roto: Frame | None) -> Shape:
    """Every matte of one frame, and the chosen ones as one, eroded and feathered.

    The artist's own matte joins last: a drawn edge is meant as it is.
    """
    working = working_size(drawn.plate_to_aligned, drawn.size)
    to_working = align.rescale(drawn.plate_to_aligned, drawn.size, working)
    single = _mattes(job, drawn, to_working, working)
    chosen = tuple(name for name in single if getattr(job, f"matte_{name}"))
    if roto is not None:
        single["roto"] = cut_matte(roto, to_working, working)
    artists = [single["roto"]] if "roto" in single else []
    combined = matte.combine(job.matte_combine, [single[name] for name in chosen] or artists)
    final = combined
    if chosen:
        unit = working / 100 if job.matte_unit == "percent" else _per_plate_px(to_working)
        edged = _edged(job, combined, unit)
        final = matte.combine(job.matte_combine, [edged, *artists])
        combined = _edged(job.model_copy(update={"erode": 0.0, "feather": 0.0}), combined, unit)
    return Shape(single, final, to_working, combined, chosen, job.matte_combine)


def _mattes(job: SwapJob, drawn: Drawn, to_working: np.ndarray, working: int) -> dict[str, FloatImage]:
    landmarks = align.transform(drawn.landmarks, to_working).astype(np.float32)
    made = {
        "learned": resize(drawn.learned, working),
        "hull": matte.hull(landmarks, working),
    }
    if job.matte_destination:
        made["destination"] = resize(drawn.destination, working)
    if job.matte_occlusion:
        seen = occlusion.visible(
            drawn.plate, drawn.known, drawn.destination * resize(made["hull"], drawn.size)
        )
        made["occlusion"] = resize(seen, working)
    if job.matte_box:
        padding = job.box_padding_percent / 100 * working
        made["box"] = matte.rectangle(landmarks, working, padding_px=padding)
    return made


def _edged(job: SwapJob, final: FloatImage, unit: float) -> FloatImage:
    """Eroded and feathered, from all sides and then from single ones; `unit` is in pixels of the raster."""
    final = matte.erode(final, job.erode * unit)
    sides = {side: getattr(job, f"erode_{side}") * unit for side in matte.SIDES}
    if any(sides.values()):
        final = matte.trim(final, **sides)
    final = matte.feather(final, job.feather * unit)
    sides = {side: getattr(job, f"feather_{side}") * unit for side in matte.SIDES}
    if any(sides.values()):
        final = matte.feather_sides(final, **sides)
    return final


def composite(job: SwapJob, moment: Moment, drawn: Drawn, made: Shape) -> NewFace:
    """Colour, light and detail of the new face."""
    working = made.size
    colour = colour_statistics.solve(job, moment.evidence)
    rgb = sharpen(job, moment, resize(drawn.face, working), made)
    if job.plate_mouth > 0:
        rgb = _with_plates_mouth(job, moment, drawn, made, rgb, colour)
    return NewFace(
        rgb,
        colour,
        made,
        job.opacity / 100,
        replaced(job, made.plate_to_aligned, working),
        shutter_path(job, moment.near, made.plate_to_aligned, working),
    )


def _with_plates_mouth(
    job: SwapJob, moment: Moment, drawn: Drawn, made: Shape, rgb: FloatImage, colour: Colour
) -> FloatImage:
    """The new face with the plate's own teeth and tongue, such that match and light make them the plate's."""
    own = align.transform(drawn.landmarks, made.plate_to_aligned).astype(np.float32)
    larger = made.size / drawn.size
    new = align.transform(drawn.drawn_at, align.resizing(larger, larger)).astype(np.float32)
    shows = mouth.opening(own, new, made.size) * np.float32(job.plate_mouth / 100)
    box = paste.covered(shows)
    if box.empty:
        return rgb
    to_box = align.compose(mouth.carrying(own, new), made.plate_to_aligned)
    to_box[:, 2] -= box.x0, box.y0
    square = cut(moment.frame, to_box, max(box.width, box.height))
    plates = colour.undo(square[: box.height, : box.width], box, made.size)
    laid, inside = rgb.copy(), box.slices(Box(0, 0, made.size, made.size))
    laid[inside] += shows[inside][..., None] * (plates - laid[inside])
    return laid


def sharpen(job: SwapJob, moment: Moment, rgb: FloatImage, made: Shape) -> FloatImage:
    """The new face with its detail changed: denoised, sharpened or softened, degraded."""
    radius = job.sharpness_radius_percent / 100 * rgb.shape[0]
    amount = job.sharpness
    if job.match_sharpness > 0:
        plate = cut(moment.frame, made.plate_to_aligned, rgb.shape[0])
        seen = grain.measure(plate, made.final)
        wanted = sharpness.matching_sharpness(rgb, plate, made.final, radius, grain=seen.mean)
        amount = float(np.clip(amount + job.match_sharpness / 100 * wanted, -100, 100))
    if job.denoise > 0:
        rgb = sharpness.denoise(rgb, job.denoise, radius)
    if amount != 0:
        rgb = sharpness.sharpen(rgb, amount, radius)
    return sharpness.degrade(rgb, job.degrade) if job.degrade > 0 else rgb


def resize(image: FloatImage, size: int) -> FloatImage:
    """(S, S[, 3]) to (size, size[, 3]): cubic up, area down."""
    if image.shape[0] == size:
        return image
    smaller = size < image.shape[0]
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    # A cubic overshoots a matte's edge; colour may overshoot, it has no bounds.
    bounded = resized if image.ndim == 3 else np.clip(resized, 0.0, 1.0)
    return np.asarray(bounded, np.float32)
