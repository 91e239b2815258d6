"""Multiband merge: every band of detail crosses the matte's edge over its own width."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.comp.checks import require_fit
from understudy.comp.merge.membrane import membrane
from understudy.image.frame import FloatImage

# Where the matte is below this the merged picture gives way to the plate: bands reach further than the
# matte, and outside of it the plate must not change.
_SUPPORT = np.float32(0.15)
# The coarsest band is about this many pixels.
_COARSEST_PX = 12


def multiband(plate: FloatImage, face: FloatImage, matte: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Blend the Laplacian pyramids of face and plate by the Gaussian pyramid of the matte.

    Args:
        plate: (H, W, 3) float32, encoded space, the face's rectangle of the plate.
        face: The same shape and space.
        matte: (H, W) float32 in 0..1.

    Returns:
        The merged colours (H, W, 3), encoded, not clipped, and the matte (H, W) to lay them over the plate
        with, 0 wherever the given one is.

    Raises:
        PlateError: the shapes differ.
    Source:
        Burt & Adelson 1983, A Multiresolution Spline with Application to Image Mosaics.
    """
    require_fit(matte, plate=plate, face=face)
    support = _smooth_step(np.asarray(matte, np.float32) / _SUPPORT)
    below, above = _finite_pair(plate, face)
    cover = np.ascontiguousarray(np.clip(np.nan_to_num(matte), 0, 1), np.float32)
    # Only the difference crosses the edge: blending is linear, and the plate's own pyramid cancels out. What
    # the network predicts beyond the matte, hair and walls, must not come in through the coarse bands.
    apart = above - below
    beyond = membrane(apart, cover)
    apart = beyond + support[..., None] * (apart - beyond)
    crossed = _merge_difference(np.asarray(apart, np.float32), cover)
    return np.asarray(below + crossed, np.float32), support


def _merge_difference(apart: FloatImage, matte: FloatImage) -> FloatImage:
    """The pyramid of matte · difference, collapsed."""
    height, width = matte.shape
    if min(height, width) < 2 * _COARSEST_PX:
        return np.asarray(matte[..., None] * apart, np.float32)
    coarse = np.asarray(cv2.pyrDown(apart), np.float32)
    fine = apart - _up(coarse, width, height)
    below = _merge_difference(coarse, np.asarray(cv2.pyrDown(matte), np.float32))
    return np.asarray(matte[..., None] * fine + _up(below, width, height), np.float32)


def _up(image: FloatImage, width: int, height: int) -> FloatImage:
    return np.asarray(cv2.pyrUp(image, dstsize=(width, height)), np.float32)


def _smooth_step(value: FloatImage) -> FloatImage:
    clipped = np.clip(np.nan_to_num(value), 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), np.float32)


def _finite_pair(plate: FloatImage, face: FloatImage) -> tuple[FloatImage, FloatImage]:
    """Both pictures with what is not finite taken from the other, or 0: nothing may spread through bands."""
    seen, given = np.isfinite(plate), np.isfinite(face)
    if seen.all() and given.all():
        return np.asarray(plate, np.float32), np.asarray(face, np.float32)
    filled = np.where(seen, plate, np.where(given, face, 0)).astype(np.float32)
    return filled, np.where(given, face, filled).astype(np.float32)
