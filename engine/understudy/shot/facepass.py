"""The face pass: the new face in the plate's rectangle with its mattes and maps, to finish in the host."""

from __future__ import annotations

import numpy as np

from understudy.comp import match
from understudy.face import canonical
from understudy.image import colour
from understudy.image.frame import Box, FloatImage, Frame
from understudy.shot.crop import shifted
from understudy.shot.newface import NewFace

_ALWAYS = ("R", "G", "B", "A", "matte_final.A", "matte_learned.A", "matte_hull.A", "uv.R", "uv.G")


def layers(frame: Frame, made: NewFace) -> Frame:
    """The face before its colour match and merge.

    `light`, in encoded units, and `matte_occlusion` are there where they were asked for.
    """
    box = made.box(frame.data_window)
    inside = made.warp_matte(np.ones((made.size, made.size), np.float32), box)
    # A matrix is left to the host; a table, which its nodes cannot read, is baked.
    baked = made.match.table is not None
    unmatched = made.match.apply(made.rgb) if baked else made.rgb
    left = match.ColourMatch.identity() if baked else made.match
    rgb = colour.decode(made.warp_colours(unmatched, box), frame.colour_space) * inside[..., None]
    planes = {
        "R": rgb[..., 0],
        "G": rgb[..., 1],
        "B": rgb[..., 2],
        "A": inside,
        "matte_final.A": made.warp_matte(made.shape.final, box) * np.float32(made.opacity),
        "matte_learned.A": made.warp_matte(made.shape.single["learned"], box),
        "matte_hull.A": made.warp_matte(made.shape.single["hull"], box),
        **_uv(shifted(made.plate_to_aligned, box.x0, box.y0), box, made.size),
    }
    if "occlusion" in made.shape.single:
        planes["matte_occlusion.A"] = made.warp_matte(made.shape.single["occlusion"], box)
    if made.light is not None:
        lit = made.warp_colours(made.light, box) * inside[..., None]
        planes |= {f"light.{name}": lit[..., index] for index, name in enumerate("RGB")}
    metadata: dict[str, str | int | float | tuple[float, ...] | tuple[int, ...]] = {
        "understudy:colour_match": left.as_metadata(),
        "understudy:plate_to_aligned": tuple(float(v) for v in made.plate_to_aligned.ravel()),
        "understudy:aligned_size": made.size,
        "understudy:encoding": colour.ENCODED,
    }
    return Frame(
        np.ascontiguousarray(np.stack(list(planes.values()), axis=-1), np.float32),
        tuple(planes),
        box,
        frame.display_window,
        frame.colour_space,
        premultiplied=True,
        pixel_aspect=frame.pixel_aspect,
        metadata=metadata,
        storage="float",
    )


def empty(frame: Frame) -> Frame:
    """A face pass without a face: one transparent pixel, so that the sequence has no gap."""
    left, top = frame.display_window.x0, frame.display_window.y0
    nothing = np.zeros((1, 1, len(_ALWAYS)), np.float32)
    corner = Box(left, top, left + 1, top + 1)
    return Frame(nothing, _ALWAYS, corner, frame.display_window, frame.colour_space, storage="float")


def _uv(to_box: np.ndarray, box: Box, size: int) -> dict[str, FloatImage]:
    """Where each of the box's pixels lies on the aligned face: 0..1, x right, y up as STMap wants it."""
    x, y = np.meshgrid(np.arange(box.width, dtype=np.float64), np.arange(box.height, dtype=np.float64))
    aligned = canonical.transform(np.stack([x.ravel(), y.ravel()], axis=1), to_box)
    share = ((aligned + 0.5) / size).reshape(box.height, box.width, 2).astype(np.float32)
    return {"uv.R": share[..., 0], "uv.G": 1.0 - share[..., 1]}
