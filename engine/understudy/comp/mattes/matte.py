"""Mattes: the hull of the landmarks, and shrinking, softening and combining what covers the plate.

Convention:
    A matte is (H, W) float32 in 0..1. There is no coverage outside the raster: shrinking and feathering
    work inwards from its border too. Work on mattes in the aligned crop, whose border is the crop's; a
    matte that was cut by the plate's border would shrink away from the picture's edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.comp import kernels
from understudy.core.errors import FaceError, JobError, PlateError
from understudy.image.frame import FloatImage

Points = NDArray[np.float64]

SIDES = ("top", "bottom", "left", "right")

FOREHEAD = 0.2
"""How far the hull rises above the brows, as a share of the height from the chin to the nose bridge."""

_CHIN, _BRIDGE = 8, 27
_JAW_ENDS, _TEMPLE_SHARES = (0, 1, 2, 3), (0.10, 0.09, 0.06, 0.03)
_JAW_AND_BROWS = slice(0, 27)
_BROWS = slice(17, 27)
# The share of square steps that makes a regular octagon of squares and diamonds: √2 − 1.
_SQUARE_SHARE = math.sqrt(2.0) - 1.0


def hull(landmarks: FloatImage, size: int | tuple[int, int], *, grow: float = FOREHEAD) -> FloatImage:
    """Cover the face: the convex hull of its landmarks, with a forehead, antialiased.

    The forehead rises along the face's own up axis (chin to nose bridge), so that a rolled head and a
    profile get theirs in the right place. Coverage moves smoothly with sub-pixel movements.

    Args:
        landmarks: (68, 2) pixels of the raster, x right, y down, pixel centres at integers.
        size: Edge of a square raster, or (height, width).
        grow: Rise above the brows as a share of the height from the chin to the nose bridge.

    Returns:
        (H, W) float32 in 0..1.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.
    """
    edges = _half_planes(outline(landmarks, grow=grow))
    matte = _blank(size)
    if len(edges):
        kernels.fill_convex(edges, matte)
    return matte


def outline(landmarks: FloatImage, *, grow: float = FOREHEAD) -> Points:
    """The edge of what `hull` covers: a convex polygon, its corners rounded.

    Args:
        landmarks, grow: As for `hull`.

    Returns:
        (N, 2) float64 pixels, as the landmarks; N differs from face to face.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.
    """
    points = _without_temples(face_points(landmarks))
    corners = cv2.convexHull(np.concatenate([points, _forehead(points, grow)]).astype(np.float32))[:, 0]
    return _rounded(corners.astype(np.float64))


def rectangle(
    landmarks: FloatImage, size: int | tuple[int, int], *, padding_px: float = 0.0, grow: float = FOREHEAD
) -> FloatImage:
    """Cover the upright rectangle around the landmarks and the forehead above them, antialiased.

    Args:
        landmarks, size, grow: As for `hull`.
        padding_px: Room on every side; negative values move the sides inwards, down to nothing.

    Returns:
        (H, W) float32 in 0..1.

    Raises:
        FaceError: the landmarks have another shape, or are not finite.
        JobError: padding_px is not finite.
    """
    points = face_points(landmarks)
    if not math.isfinite(padding_px):
        raise JobError(f"The padding of a box cannot be {padding_px} pixels.", fix="give a number of pixels")
    points = np.concatenate([points, _forehead(points, grow)])
    x0, y0 = points.min(axis=0) - padding_px
    x1, y1 = points.max(axis=0) + padding_px
    matte = _blank(size)
    if x0 < x1 and y0 < y1:
        sides = np.array([[1, 0, -x0], [-1, 0, x1], [0, 1, -y0], [0, -1, y1]], np.float64)
        kernels.fill_convex(sides, matte)
    return matte


def face_points(landmarks: FloatImage) -> Points:
    """A face's landmarks as (68, 2) float64.

    Raises:
        FaceError: they have another shape, or are not finite.
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise FaceError(
            f"A matte of the face needs 68 finite landmarks, not an array of shape {points.shape}.",
            fix="track the face in this frame again, or set its landmarks by hand",
        )
    return points


def _blank(size: int | tuple[int, int]) -> FloatImage:
    return np.zeros((size, size) if isinstance(size, int) else size, np.float32)


def _without_temples(points: Points) -> Points:
    """The jaw's upper ends, moved towards the nose: ears and sideburns begin there."""
    inner = points.copy()
    for ends in (_JAW_ENDS, tuple(16 - end for end in _JAW_ENDS)):
        for index, share in zip(ends, _TEMPLE_SHARES, strict=True):
            inner[index] += share * (points[_BRIDGE] - points[index])
    return inner


def _forehead(points: Points, grow: float) -> Points:
    """The brows raised along the face's up axis into a cap that is round across the visible face.

    Measured across what is seen, the cap falls off towards the silhouette, so that it neither takes in hair
    at the temples nor background beside a profile.
    """
    up = points[_BRIDGE] - points[_CHIN]
    height = np.hypot(*up)
    if height < 1e-6:
        return points[_BROWS]
    across = points[_JAW_AND_BROWS] @ (np.array([-up[1], up[0]]) / height)
    middle, half = (across.max() + across.min()) / 2, max((across.max() - across.min()) / 2, 1e-6)
    rise = np.clip(1 - ((across[_BROWS] - middle) / half) ** 2, 0, 1) ** 0.75
    return np.asarray(points[_BROWS] + grow * 1.1 * rise[:, None] * up, np.float64)


def _rounded(polygon: Points) -> Points:
    """Cut the corners of a closed convex polygon twice (Chaikin 1974); it stays convex and inside itself."""
    for _ in range(2):
        following = np.roll(polygon, -1, axis=0)
        near, far = 0.75 * polygon + 0.25 * following, 0.25 * polygon + 0.75 * following
        polygon = np.stack([near, far], axis=1).reshape(-1, 2)
    return polygon


def _half_planes(polygon: Points) -> Points:
    """(N, 3) lines (a, b, c) of a convex polygon's edges, a·x + b·y + c the distance inwards."""
    steps = np.roll(polygon, -1, axis=0) - polygon
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    kept = lengths > 1e-9
    normals = np.stack([-steps[kept, 1], steps[kept, 0]], axis=1) / lengths[kept, None]
    offsets = -np.einsum("ij,ij->i", normals, polygon[kept])
    inwards = np.where(normals @ polygon.mean(axis=0) + offsets < 0, -1.0, 1.0)
    return np.column_stack([normals, offsets]) * inwards[:, None]


def erode(matte: FloatImage, px: float) -> FloatImage:
    """Shrink a matte by `px`; a negative value grows it.

    The size is continuous, so that a keyframed value moves the edge smoothly and not in whole pixels.
    Soft edges move and keep their softness.

    Args:
        matte: (H, W) float32; NaN counts as 0.
        px: Pixels of the raster.

    Returns:
        (H, W) float32 in 0..1, never above the matte for px ≥ 0 and never below it for px ≤ 0.

    Raises:
        PlateError: the matte is not (H, W).
        JobError: px is not finite.
    Source:
        Greyscale morphology with a regular octagon made of squares and diamonds (Soille, Morphological
        Image Analysis, 3.8); between whole radii the two neighbours are blended.
    """
    clean = _clean(matte)
    if not math.isfinite(px):
        raise JobError(f"A matte cannot shrink by {px} pixels.", fix="give a number of pixels")
    radius = min(abs(px), float(max(clean.shape)))
    return _continuous(radius, lambda whole: _octagon(clean, whole, shrink=px > 0))


def _continuous(radius: float, at_whole: Callable[[int], FloatImage]) -> FloatImage:
    """What a whole number of pixels makes, blended between the two neighbours of `radius`."""
    whole = int(radius)
    near = at_whole(whole)
    if radius == whole:
        return near
    return np.asarray(near + np.float32(radius - whole) * (at_whole(whole + 1) - near), np.float32)


def _octagon(matte: FloatImage, radius: int, *, shrink: bool) -> FloatImage:
    """Erode or dilate by an octagon of a whole radius; nothing lies outside the raster."""
    operation = cv2.MORPH_ERODE if shrink else cv2.MORPH_DILATE
    squares = math.floor(radius * _SQUARE_SHARE)
    out = matte
    if squares:
        edge = np.ones((1, 2 * squares + 1), np.uint8)
        for kernel in (edge, edge.T):
            out = _morph(out, operation, kernel)
    done, left = 0, radius - squares
    while left:  # a diamond of radius n is one of radius n−k swept over a cross of radius k ≤ n−k
        step = 1 if done == 0 else min(done, left)
        cross = np.zeros((2 * step + 1, 2 * step + 1), np.uint8)
        cross[step, [0, step, -1]] = cross[[0, -1], step] = 1
        out = _morph(out, operation, cross)
        done, left = done + step, left - step
    return out.copy() if out is matte else out


def _morph(
    matte: FloatImage, operation: int, kernel: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> FloatImage:
    out = cv2.morphologyEx(matte, operation, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=(0.0,))
    return np.asarray(out, np.float32)


def feather(matte: FloatImage, px: float) -> FloatImage:
    """Soften a matte's edge inwards over about `px` pixels.

    The matte is shrunk by half the width and blurred over the same half, so that the ramp ends where the
    matte ended: it never creeps outside, and it never leaves a seam at the raster's border.

    Args:
        matte: (H, W) float32; NaN counts as 0.
        px: Width of the ramp in pixels of the raster, 0 or more.

    Returns:
        (H, W) float32 in 0..1, nowhere above the matte, 0 on the raster's outermost pixels.

    Raises:
        PlateError: the matte is not (H, W).
        JobError: px is negative or not finite.
    """
    clean = _clean(matte)
    if not math.isfinite(px) or px < 0:
        raise JobError(f"A feather cannot be {px} pixels wide.", fix="give 0 or more")
    radius = min(px / 2, max(clean.shape) / 2)
    kernel = _raised_cosine(radius)
    shrunk = erode(clean, radius)
    soft = cv2.sepFilter2D(shrunk, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    out = np.minimum(clean, np.maximum(np.asarray(soft, np.float32), 0))
    out[[0, -1], :] = 0
    out[:, [0, -1]] = 0
    return out


def feather_sides(matte: FloatImage, *, top: float, bottom: float, left: float, right: float) -> FloatImage:
    """Soften a matte's edge inwards from single sides: from there it rises by no more than 1 over the width.

    Args:
        matte: (H, W) float32; NaN counts as 0.
        top, bottom, left, right: Widths of the ramps in pixels of the raster, 0 or more, continuous.

    Returns:
        (H, W) float32 in 0..1, nowhere above the matte.

    Raises:
        PlateError: the matte is not (H, W).
        JobError: a width is negative or not finite.
    """
    out = _clean(matte).copy()
    for px, rows in ((top, out), (bottom, out[::-1]), (left, out.T), (right, out.T[::-1])):
        if not math.isfinite(px) or px < 0:
            raise JobError(f"A feather cannot be {px} pixels wide.", fix="give 0 or more")
        if px <= 1:  # within one pixel every rise is allowed
            continue
        rise, reached = np.float32(1 / px), np.zeros(rows.shape[1], np.float32)
        for row in rows:
            np.minimum(row, reached + rise, out=row)
            reached = row
    return out


def _raised_cosine(radius: float) -> FloatImage:
    """A smooth kernel that vanishes at `radius` and so changes continuously with it."""
    reach = max(0, math.ceil(radius) - 1)
    offsets = np.arange(-reach, reach + 1)
    weights = np.ones(1) if reach == 0 else 1 + np.cos(np.pi * offsets / radius)
    return np.asarray(weights / weights.sum(), np.float32)


def combine(mode: str, mattes: Sequence[FloatImage]) -> FloatImage:
    """Make one matte of several.

    Args:
        mode: "product", "minimum", "maximum", or "difference", the first without the others.
        mattes: One or more (H, W) float32; NaN counts as 0.

    Returns:
        (H, W) float32 in 0..1, a new array.

    Raises:
        JobError: the mode is unknown, or there is no matte.
        PlateError: the shapes differ.
    """
    operations: dict[str, Callable[[FloatImage, FloatImage], FloatImage]] = {
        "product": np.multiply,
        "minimum": np.minimum,
        "maximum": np.maximum,
        "difference": lambda first, second: first * (1 - second),
    }
    if mode not in operations:
        raise JobError(f"There is no matte mode {mode!r}.", fix=f"use one of {', '.join(operations)}")
    if not mattes:
        raise JobError("There is no matte to combine.", fix="use the learned matte, the hull or your own")
    first, *others = (_clean(one) for one in mattes)
    out = first.copy()
    for other in others:
        if other.shape != out.shape:
            raise PlateError(f"Two mattes differ in size: {out.shape} and {other.shape}.")
        out = np.asarray(operations[mode](out, other), np.float32)
    return out


def trim(matte: FloatImage, *, top: float, bottom: float, left: float, right: float) -> FloatImage:
    """Shrink a matte from single sides; negative values grow it there.

    Args:
        matte: (H, W) float32; NaN counts as 0.
        top, bottom, left, right: Pixels of the raster, continuous as for `erode`.

    Returns:
        (H, W) float32 in 0..1.

    Raises:
        JobError: a value is not finite.
    """
    out = _clean(matte)
    for px, axis, direction in ((top, 0, 1), (bottom, 0, -1), (left, 1, 1), (right, 1, -1)):
        if not math.isfinite(px):
            raise JobError(f"A matte cannot be trimmed by {px} pixels.", fix="give a number of pixels")
        step = partial(_one_sided, out, axis=axis, direction=direction, shrink=px > 0)
        out = _continuous(min(abs(px), out.shape[axis]), step)
    return out


def _one_sided(matte: FloatImage, px: int, axis: int, direction: int, *, shrink: bool) -> FloatImage:
    """The least (or greatest) value among a pixel and `px` neighbours on one side of it."""
    if px == 0:
        return matte.copy()
    # A matte shrinks from the side its nothing comes in from, and grows to where its own values go.
    towards = direction if shrink else -direction
    window = np.ones((px + 1, 1) if axis == 0 else (1, px + 1), np.uint8)
    at = px if towards > 0 else 0
    anchor = (0, at) if axis == 0 else (at, 0)
    operation = cv2.MORPH_ERODE if shrink else cv2.MORPH_DILATE
    out = cv2.morphologyEx(
        matte, operation, window, anchor=anchor, borderType=cv2.BORDER_CONSTANT, borderValue=(0.0,)
    )
    return np.asarray(out, np.float32)


def _clean(matte: FloatImage) -> FloatImage:
    """The matte as a contiguous array without NaN, in 0..1."""
    array = np.asarray(matte, np.float32)
    if array.ndim != 2 or 0 in array.shape:
        raise PlateError(f"A matte must be (height, width), not {array.shape}.")
    return np.ascontiguousarray(np.fmin(np.fmax(array, np.float32(0)), np.float32(1)))  # fmax drops NaN
