"""The face pass: the new face in the plate's rectangle with its mattes and maps, to finish in the host."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from understudy.comp.colour.illumination import Light
from understudy.comp.colour.matrix import ColourMatch, Matrix, numbers
from understudy.comp.detail import grain
from understudy.face import align
from understudy.face.crop import shifted, straight_within
from understudy.image import colour
from understudy.image.frame import Box, FloatImage, Frame, MetadataValue
from understudy.swap.colour_transform import ColourTransform
from understudy.swap.frame_data import SwappedFace
from understudy.swap.resize import resize

_ALWAYS = (
    "R", "G", "B", "A", "uv.R", "uv.G",
    "matte_final.A", "matte_combined.A", "matte_learned.A", "matte_hull.A",
)  # fmt: skip


def layers(frame: Frame, swapped: SwappedFace) -> Frame:
    """The face before its colours change, what changes them, and its mattes, opacity left out.

    Beside those, where there is something to tell: `skin`, the skin bank's detail at its full strength, with
    `skin_confidence`; `whites` and `skin_whites`, what eyes and teeth and their detail get beside a match at
    its full strength that is left to the host; `light` and `face_light`; the mattes of the destination, the
    occlusion, the box and the roto where they were asked for. All these layers of colours are in
    encoded units.
    """
    box = swapped.box(frame.data_window)
    inside = swapped.warp_matte(np.ones((swapped.size, swapped.size), np.float32), box)
    rgb, skin, colours = _left_to_the_host(swapped)
    face = colour.decode(swapped.warp_colours(rgb, box), frame.colour_space) * inside[..., None]
    planes = {
        **_named("", face),
        "A": inside,
        "matte_final.A": swapped.warp_matte(swapped.mattes.final, box),
        "matte_combined.A": swapped.warp_matte(swapped.mattes.combined, box),
        **{f"matte_{name}.A": swapped.warp_matte(one, box) for name, one in swapped.mattes.single.items()},
        **_uv(shifted(swapped.plate_to_aligned, box.x0, box.y0), box, swapped.size),
    }
    if colours.whites is not None:
        planes |= _named("whites.", swapped.warp_colours(colours.beside_the_match(rgb), box))
    if skin is not None and swapped.confidence is not None:
        planes |= _named("skin.", swapped.warp_colours(skin, box))
        planes |= {"skin_confidence.A": swapped.warp_matte(swapped.confidence, box)}
        if colours.whites is not None:
            planes |= _named("skin_whites.", swapped.warp_colours(colours.beside_the_match_of(skin), box))
    if colours.light is not None:
        for name, small in (("light", colours.light.plate), ("face_light", colours.light.face)):
            planes |= _named(f"{name}.", swapped.warp_colours(resize(small, swapped.size), box))
    return Frame(
        np.ascontiguousarray(np.stack(list(planes.values()), axis=-1), np.float32),
        tuple(planes),
        box,
        frame.display_window,
        frame.colour_space,
        premultiplied=True,
        pixel_aspect=frame.pixel_aspect,
        metadata=_metadata(frame, swapped, colours) | _grain(frame, box, planes["matte_final.A"]),
        storage="float",
    )


def _left_to_the_host(swapped: SwappedFace) -> tuple[FloatImage, FloatImage | None, ColourTransform]:
    """The face, the skin bank's detail, and the colours left to the host; a table, unread there, is baked."""
    colours, rgb, skin = swapped.colours, swapped.rgb, swapped.skin
    if colours.match.table is None:
        return rgb, skin, colours
    solved, light = colours.match.at_strength(colours.strength), colours.light
    baked = None if light is None else Light(solved.apply(light.face), light.plate)
    left = replace(colours, match=ColourMatch.identity(), whites=None, light=baked)
    matched = colours.matched(rgb)
    return matched, None if skin is None else colours.matched(rgb + skin) - matched, left


def _named(beginning: str, picture: FloatImage) -> dict[str, FloatImage]:
    return {f"{beginning}{name}": picture[..., index] for index, name in enumerate("RGB")}


def _metadata(frame: Frame, swapped: SwappedFace, colours: ColourTransform) -> dict[str, MetadataValue]:
    """Numbers as text: hosts differ in what they make of arrays in a header."""
    found = colour.linear_to_encoded(frame.colour_space)
    return {
        "understudy:colour_match": colours.match.as_text(),
        "understudy:colour_strength": float(colours.strength),
        "understudy:light_strength": float(colours.light_strength if colours.light is not None else 0),
        "understudy:grade": numbers(colours.grade),
        "understudy:opacity": float(swapped.opacity),
        **({} if swapped.skin is None else {"understudy:skin": float(swapped.skin_strength)}),
        "understudy:plate_to_aligned": numbers(swapped.plate_to_aligned),
        "understudy:aligned_size": swapped.size,
        "understudy:encoding": colour.ENCODED,
        "understudy:mattes": " ".join(swapped.mattes.used),
        "understudy:matte_combine": swapped.mattes.mode,
        "understudy:plate_alpha": int(frame.premultiplied and frame.alpha_channel is not None),
        **({} if found is None else _curves_apart(found)),
    }


def _grain(frame: Frame, box: Box, covered: FloatImage) -> dict[str, MetadataValue]:
    """The plate's grain under the matte, mean deviation by channel, for a host that adds it by itself."""
    rows, columns = box.slices(frame.data_window)
    plate = colour.encode(straight_within(frame, rows, columns), frame.colour_space)
    return {"understudy:grain": numbers(grain.measure(plate, covered).mean)}


def _curves_apart(matrix: Matrix) -> dict[str, MetadataValue]:
    """What stands before and after the encoded space's curve, for a host that has nodes for both."""
    return {
        "understudy:linear_to_encoded": numbers(matrix),
        "understudy:encoded_to_linear": numbers(np.asarray(np.linalg.inv(matrix), np.float64)),
    }


def empty(frame: Frame) -> Frame:
    """A face pass without a face: one transparent pixel, so that the sequence has no gap."""
    left, top = frame.display_window.x0, frame.display_window.y0
    nothing = np.zeros((1, 1, len(_ALWAYS)), np.float32)
    corner = Box(left, top, left + 1, top + 1)
    return Frame(
        nothing,
        _ALWAYS,
        corner,
        frame.display_window,
        frame.colour_space,
        pixel_aspect=frame.pixel_aspect,
        storage="float",
    )


def _uv(to_box: np.ndarray, box: Box, size: int) -> dict[str, FloatImage]:
    """Where each of the box's pixels lies on the aligned face: 0..1, x right, y up as STMap wants it."""
    x, y = np.meshgrid(np.arange(box.width, dtype=np.float64), np.arange(box.height, dtype=np.float64))
    aligned = align.transform(np.stack([x.ravel(), y.ravel()], axis=1), to_box)
    share = ((aligned + 0.5) / size).reshape(box.height, box.width, 2).astype(np.float32)
    return {"uv.R": share[..., 0], "uv.G": 1.0 - share[..., 1]}
