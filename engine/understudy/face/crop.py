"""Cut an aligned face out of a frame, touching only the pixels it needs.

Convention:
    A matrix is (2, 3) and named by its direction; it maps pixel centres (integers) to pixel centres. A
    plate coordinate counts from the display window's first pixel; the frame's data window may begin
    elsewhere, and pixels outside it repeat its border.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.face import align
from understudy.image import colour, grey
from understudy.image.frame import Box, FloatImage, Frame

Matrix = NDArray[np.float64]
# Cubic resampling reaches two pixels past the face's corners; area averaging of large faces a few more.
_MARGIN_PX = 8
_LARGEST_HALF = 65504.0
# Below this share of cover a division by alpha brings up rounding and nothing else.
_COVERED = 1 / 256
_ALPHA = ("A", "a", "alpha", "Alpha")


def shifted(matrix: Matrix, x: float, y: float) -> Matrix:
    """The matrix for points counted from (x, y): what `matrix` makes of `point + (x, y)`."""
    moved = np.array(matrix, np.float64)
    moved[:, 2] += moved[:, :2] @ np.array([x, y], np.float64)
    return moved


def face_box(plate_to_aligned: Matrix, size: int, window: Box) -> Box:
    """The plate's pixels that an aligned face covers, within `window`."""
    edge = size - 0.5
    corners = np.array([[-0.5, -0.5], [edge, -0.5], [edge, edge], [-0.5, edge]])
    on_plate = align.transform(corners, align.invert(plate_to_aligned))
    x0, y0 = np.floor(on_plate.min(0)).astype(int)
    x1, y1 = np.ceil(on_plate.max(0)).astype(int) + 1
    return Box(int(x0), int(y0), int(x1), int(y1)).grow(_MARGIN_PX).intersect(window)


def finite(rgb: FloatImage) -> FloatImage:
    """NaN as black, infinity as the largest half float: what a network may see."""
    if np.isfinite(rgb).all():
        return rgb
    return np.nan_to_num(rgb, nan=0.0, posinf=_LARGEST_HALF, neginf=-_LARGEST_HALF)


def rgb_within(frame: Frame, rows: slice, columns: slice) -> FloatImage:
    """A contiguous copy of some of a frame's pixels, (h, w, 3)."""
    part, index = frame.pixels[rows, columns], list(frame.rgb_index)
    ordered = index == list(range(index[0], index[0] + 3))
    # A slice of channels is copied four times as fast as a list of them.
    return np.array(
        part[..., index[0] : index[0] + 3] if ordered else part[..., index], np.float32, order="C"
    )


def encoded_within(frame: Frame, rows: slice, columns: slice) -> FloatImage:
    """Some of a frame's pixels (h, w, 3) in the encoded space, finite."""
    return colour.encode(finite(rgb_within(frame, rows, columns)), frame.colour_space)


def straight_within(frame: Frame, rows: slice, columns: slice) -> FloatImage:
    """Some of a frame's pixels (h, w, 3), finite, with colours that are not multiplied by alpha.

    A network and a colour match are to see the picture, not how much of it is covered. Where next to nothing
    is covered colours stay as they are.
    """
    rgb = finite(rgb_within(frame, rows, columns))
    alpha = alpha_within(frame, rows, columns)
    if alpha is None or (alpha == 1).all():
        return rgb
    return np.asarray(rgb / np.where(alpha > _COVERED, alpha, np.float32(1))[..., None], np.float32)


def alpha_within(frame: Frame, rows: slice, columns: slice) -> FloatImage | None:
    """The alpha (h, w) by which a frame's colours are multiplied; None where they are by none."""
    if frame.alpha_channel is None or not frame.premultiplied:
        return None
    return frame.pixels[rows, columns, frame.channels.index(frame.alpha_channel)]


def cut(frame: Frame, plate_to_aligned: Matrix, size: int) -> FloatImage:
    """The aligned face (size, size, 3) float32 in the encoded space; black where it misses the frame.

    Its colours are not multiplied by the frame's alpha.
    """
    box = face_box(plate_to_aligned, size, frame.data_window)
    if box.empty:
        return np.zeros((size, size, 3), np.float32)
    rows, columns = box.slices(frame.data_window)
    encoded = colour.encode(straight_within(frame, rows, columns), frame.colour_space)
    to_part = shifted(plate_to_aligned, box.x0, box.y0)
    return align.warp(encoded, to_part, size, interpolation=cv2.INTER_CUBIC, pixel_aspect=frame.pixel_aspect)


def matte_within(frame: Frame, box: Box) -> FloatImage:
    """A matte's pixels (h, w) in 0..1 in a rectangle of its data window: its alpha, or its first channel."""
    rows, columns = box.slices(frame.data_window)
    alpha = [place for place, name in enumerate(frame.channels) if name.split(".")[-1] in _ALPHA]
    channel = frame.channels.index("A") if "A" in frame.channels else (*alpha, 0)[0]
    return np.ascontiguousarray(np.clip(finite(frame.pixels[rows, columns, channel]), 0, 1))


def with_rgb_within(frame: Frame, box: Box, rgb: FloatImage) -> Frame:
    """The frame with other colours (h, w, 3) in a rectangle of its data window; all else is untouched.

    A grey frame gets their luminance.
    """
    pixels = frame.pixels.copy()
    if not box.empty:
        rows, columns = box.slices(frame.data_window)
        new = grey.without_colour(rgb, frame.colour_space) if frame.grey else rgb
        for index, channel in enumerate(frame.rgb_index):
            pixels[rows, columns, channel] = new[..., index]
    return replace(frame, pixels=pixels)


def cut_matte(frame: Frame, plate_to_aligned: Matrix, size: int, window: Box) -> FloatImage:
    """The aligned part (size, size) of a matte in the plate's raster: its alpha, or its first channel.

    A matte is 0 outside its data window. Only beyond the picture, where no pixel of the plate is, does its
    border go on, so that the picture's own border gets what the matte says there.

    Args:
        frame: The matte.
        plate_to_aligned: (2, 3) matrix.
        size: Edge of the aligned face.
        window: The plate's data window, in the matte's coordinates.
    """
    canvas = window.union(frame.display_window)
    box = face_box(plate_to_aligned, size, canvas)
    if box.empty:
        return np.zeros((size, size), np.float32)
    part, inside = np.zeros((box.height, box.width), np.float32), frame.data_window.intersect(box)
    if not inside.empty:
        part[inside.slices(box)] = matte_within(frame, inside)
    to_part = shifted(plate_to_aligned, box.x0, box.y0)
    cropped = align.warp(part, to_part, size, pixel_aspect=frame.pixel_aspect)
    return np.asarray(np.clip(cropped, 0, 1), np.float32)
