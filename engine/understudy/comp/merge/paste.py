"""Merge: place the face in the plate and lay it over, touching only the face's rectangle.

Convention:
    `aligned_to_plate` is a (2, 3) matrix that maps pixel centres (integers) of the aligned face to pixel
    centres of the plate, in the coordinates of the boxes given with it.
"""

from __future__ import annotations

import math
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp import kernels
from understudy.comp.checks import require_fit
from understudy.core.errors import FaceError, JobError, PlateError
from understudy.image.frame import Box, FloatImage
from understudy.image.strips import in_strips

_NO_BLUR_PX, _SAME_SPAN = 0.05, 1e-6


def over(plate_rgb: FloatImage, face_rgb: FloatImage, matte: FloatImage) -> FloatImage:
    """Lay the face over the plate: plate + matte · (face − plate).

    Where the matte is 0 (or NaN) the plate's bits come through, whatever they are. Where it is 1 the face
    comes out exactly. Where it is above 0, a plate pixel that is not finite gives way to the face, and a face
    pixel that is not finite leaves the plate.

    Args:
        plate_rgb: (H, W, C) float32, the plate's own space, scene-linear for linear plates.
        face_rgb: The same shape and space, unpremultiplied.
        matte: (H, W) float32 in 0..1.

    Returns:
        (H, W, C) float32, a new array.

    Raises:
        PlateError: the shapes differ.
    """
    require_fit(matte, plate=plate_rgb, face=face_rgb)
    out = np.array(plate_rgb, np.float32, order="C", copy=True)
    face, weight = np.asarray(face_rgb, np.float32), np.asarray(matte, np.float32)
    in_strips(partial(kernels.blend_into, out, face, weight), len(out))
    return out


def paste(
    plate_rgb: FloatImage, face_rgb: FloatImage, matte: FloatImage, *, box: Box, window: Box
) -> FloatImage:
    """Lay a face over its rectangle of the plate; every other pixel is copied.

    Args:
        plate_rgb: (H, W, C) float32, the pixels of `window`.
        face_rgb: (h, w, C) float32, the pixels of `box`.
        matte: (h, w) float32 in 0..1.
        box: The face's rectangle, inside `window`; an empty one gives the plate.
        window: Where the plate's pixels lie.

    Returns:
        (H, W, C) float32, a new array.

    Raises:
        PlateError: the shapes differ, or the box reaches outside the window.
    """
    out = np.array(plate_rgb, np.float32, order="C", copy=True)
    if box.empty:
        return out
    if box.intersect(window) != box:
        raise PlateError(f"The face's rectangle {box} reaches outside the plate's {window}.")
    slices = box.slices(window)
    out[slices] = over(out[slices], face_rgb, matte)
    return out


def paste_box(aligned_to_plate: NDArray[np.float64], area: Box, bounds: Box) -> Box:
    """The whole pixels of the plate that a part of an aligned face can reach.

    Args:
        aligned_to_plate: (2, 3) matrix.
        area: The part, in pixels of the aligned face.
        bounds: The plate's data window, or any other limit.

    Returns:
        A box inside `bounds`; an empty one when the part is empty or lies outside.

    Raises:
        FaceError: the matrix is not finite, or maps the face to nothing.
    """
    matrix = _checked(aligned_to_plate)
    if area.empty:
        return Box(bounds.x0, bounds.y0, bounds.x0, bounds.y0)
    x, y = (area.x0 - 0.5, area.x1 - 0.5), (area.y0 - 0.5, area.y1 - 0.5)
    corners = np.array([[x[0], y[0], 1], [x[1], y[0], 1], [x[0], y[1], 1], [x[1], y[1], 1]])
    points = np.clip(corners @ matrix.T, -1e9, 1e9)
    x0, y0 = np.floor(points.min(axis=0)).astype(int)
    x1, y1 = np.ceil(points.max(axis=0)).astype(int) + 1
    return Box(int(x0), int(y0), int(x1), int(y1)).intersect(bounds)


def covered(matte: FloatImage, *, margin: int = 0) -> Box:
    """The part of an (H, W) matte that holds all of it above 0, and a margin, within the matte's raster."""
    rows, columns = np.flatnonzero(matte.any(axis=1)), np.flatnonzero(matte.any(axis=0))
    if not len(rows):
        return Box(0, 0, 0, 0)
    part = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return part.grow(margin).intersect(Box(0, 0, matte.shape[1], matte.shape[0]))


def reach_px(aligned_to_plate: NDArray[np.float64], size: int) -> int:
    """How many pixels of the aligned face, of that edge, a warp may spread it by."""
    return 2 + math.ceil(3 * max(_prefilter_px(_checked(aligned_to_plate), size)))


def warp_to_box(
    image: FloatImage, aligned_to_plate: NDArray[np.float64], box: Box, interpolation: str = "cubic"
) -> FloatImage:
    """Warp an aligned face or matte into a rectangle of the plate.

    Positions are exact, not rounded to fractions of a pixel as OpenCV's warps are, so that a slow move does
    not stutter. A face that gets smaller is smoothed first, and so does not alias.

    Args:
        image: (S, S, C) float32, or (S, S) for a matte.
        aligned_to_plate: (2, 3) matrix.
        box: The rectangle to fill, in the matrix's plate coordinates.
        interpolation: "cubic" for colour: Catmull-Rom, the image's edge repeats outside it. "linear" for
            coverage: bilinear, 0 outside the image.

    Returns:
        (h, w, C) or (h, w) float32.

    Raises:
        FaceError: the matrix is not finite, or maps the face to nothing.
        JobError: the interpolation is unknown.
        PlateError: the image has no pixels.
    Source:
        Keys 1981, Cubic Convolution Interpolation, a = −1/2.
    """
    if interpolation not in ("cubic", "linear"):
        raise JobError(f"There is no interpolation {interpolation!r}.", fix="use cubic or linear")
    if image.ndim not in (2, 3) or image.size == 0:
        raise PlateError(f"There is nothing to warp in an image of the shape {image.shape}.")
    cubic = interpolation == "cubic"
    matrix = _checked(aligned_to_plate)
    pixels = np.ascontiguousarray(image, np.float32).reshape(*image.shape[:2], -1)
    pixels = _prefilter(pixels, matrix, cv2.BORDER_REPLICATE if cubic else cv2.BORDER_CONSTANT)
    inverse = np.ascontiguousarray(_inverse(matrix - np.array([[0, 0, box.x0], [0, 0, box.y0]])))
    out = np.empty((box.height, box.width, pixels.shape[2]), np.float32)
    if cubic:
        _cubic(pixels, inverse, out)
    else:
        for channel in range(pixels.shape[2]):
            plane = np.empty((box.height, box.width), np.float32)
            one = np.ascontiguousarray(pixels[..., channel])
            in_strips(partial(kernels.resample_linear, one, inverse, plane), box.height)
            out[..., channel] = plane
    return out.reshape(box.height, box.width) if image.ndim == 2 else out


def _cubic(pixels: FloatImage, inverse: NDArray[np.float64], out: FloatImage) -> None:
    """Resample three channels at a time, the kernel's unit; a rest is filled up by repeating a channel."""
    count = pixels.shape[2]
    if count == 3:
        in_strips(partial(kernels.resample_cubic, pixels, inverse, out), len(out))
        return
    three = np.empty((*out.shape[:2], 3), np.float32)
    for first in range(0, count, 3):
        index = [min(first + k, count - 1) for k in range(3)]
        chosen = np.ascontiguousarray(pixels[..., index])
        in_strips(partial(kernels.resample_cubic, chosen, inverse, three), len(out))
        out[..., first : first + 3] = three[..., : count - first]


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def _checked(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    checked = np.asarray(matrix, np.float64)
    if checked.shape != (2, 3) or not np.isfinite(checked).all():
        raise FaceError("The face's placement is not a 2 by 3 matrix of finite numbers.")
    if abs(np.linalg.det(checked[:, :2])) < 1e-12:
        raise FaceError("The face's placement has no size.", fix="track the face in this frame again")
    return checked


def _prefilter(pixels: FloatImage, matrix: NDArray[np.float64], border: int) -> FloatImage:
    """Smooth as much as a smaller copy cannot show: the Gaussian widens continuously from scale 1 down."""
    sigmas = _prefilter_px(matrix, max(pixels.shape[:2]))
    if max(sigmas) == 0:
        return pixels
    # OpenCV derives the deviation from the window if it is 0; one this small blurs nothing.
    x, y = (max(sigma, _NO_BLUR_PX) for sigma in sigmas)
    window = (2 * math.ceil(3 * x) + 1, 2 * math.ceil(3 * y) + 1)
    return np.asarray(
        cv2.GaussianBlur(pixels, window, sigmaX=x, sigmaY=y, borderType=border), np.float32
    ).reshape(pixels.shape)


def _prefilter_px(matrix: NDArray[np.float64], size: int) -> tuple[float, float]:
    """Deviations along the aligned face's x and y; they differ where the plate's pixels are not square."""
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    back = np.linalg.inv(matrix[:, :2])
    spans = [float(length) for length in np.hypot(*back.T)]  # of a plate's pixel, in pixels of the face
    if abs(spans[0] - spans[1]) <= _SAME_SPAN * max(spans):
        spans = [1 / scale, 1 / scale]
    across, down = (0.0 if span <= 1 else 0.5 * math.sqrt(min(span, size) ** 2 - 1) for span in spans)
    return across, down
