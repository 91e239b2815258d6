"""A membrane: the smoothest field through the values that are known.

Gradient-domain merging and the spreading of colours beyond a matte's edge are both this one solve.
"""

from __future__ import annotations

import cv2
import numpy as np

from understudy.comp import kernels
from understudy.comp.checks import finite_cover, require_fit
from understudy.comp.mattes.matte import erode
from understudy.core.errors import PlateError
from understudy.image.frame import FloatImage

# A membrane is smooth: it is solved at this size, and larger levels only refine the result.
_LARGEST_SOLVED_PX = 160
_SWEEPS, _SETTLING_SWEEPS = 14, 2
_BEYOND, _NOT_BEYOND = np.float32(1.7), np.float32(1.0)
# Width of the ring inside the matte's edge that a gradient merge takes the plate's colours from, as a share
# of the picture's longer edge.
_RING = 0.02


def membrane(data: FloatImage, weight: FloatImage) -> FloatImage:
    """Minimise Σ|∇v|² + Σ weight·|v − data|² over v.

    Args:
        data: (H, W, 3) float32; not looked at where the weight is 0.
        weight: (H, W) float32 of at least 0.

    Returns:
        (H, W, 3) float32; zeros where no weight is above 0. Not clipped.

    Raises:
        PlateError: the shapes differ.
    Source:
        Bornemann & Deuflhard 1996, The Cascadic Multigrid Method: from the coarsest grid up, each level's
        answer is the next one's first guess.
    """
    if data.ndim != 3 or data.shape[2] != 3 or weight.shape != data.shape[:2]:
        raise PlateError(f"Values {data.shape} and weights {weight.shape} do not fit each other.")
    sure = finite_cover(weight, data)
    if not sure.any():
        return np.zeros(data.shape, np.float32)
    return _cascade(np.where(np.isfinite(data).all(axis=2, keepdims=True), data, 0).astype(np.float32), sure)


def _cascade(data: FloatImage, weight: FloatImage) -> FloatImage:
    """Solve from the coarsest level up; levels above the largest solved size are only enlarged."""
    height, width = weight.shape
    if max(height, width) <= 2:
        mean = (data * weight[..., None]).sum(axis=(0, 1)) / weight.sum()
        return np.broadcast_to(mean, data.shape).astype(np.float32)
    # Means of blocks for the data, sums for the weight: the gradients' share is the same at every level.
    small = (max(1, (width + 1) // 2), max(1, (height + 1) // 2))
    share = np.asarray(cv2.resize(weight, small, interpolation=cv2.INTER_AREA), np.float32)
    total = cv2.resize(data * weight[..., None], small, interpolation=cv2.INTER_AREA)
    mean = np.asarray(total, np.float32) / np.maximum(share, 1e-12)[..., None]
    blocks = np.float32(width * height / (small[0] * small[1]))
    coarse = _cascade(np.ascontiguousarray(mean, np.float32), share * blocks)
    guess = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    values = np.ascontiguousarray(guess, np.float32)
    solved = max(height, width) <= _LARGEST_SOLVED_PX
    if solved:
        kernels.relax(values, data, weight, _SWEEPS, _BEYOND)
    kernels.relax(values, data, weight, _SETTLING_SWEEPS, _NOT_BEYOND)
    return values


def gradient(plate: FloatImage, face: FloatImage, matte: FloatImage) -> FloatImage:
    """Keep the face's gradients and move its edge to the plate's colours, as Poisson editing does.

    In the encoded space, which is a logarithm, the membrane is a change of exposure and balance that varies
    smoothly over the face, and a highlight stays a highlight.

    Args:
        plate: (H, W, 3) float32, encoded space, the face's rectangle of the plate.
        face: The same shape and space.
        matte: (H, W) float32 in 0..1; the plate's colours are taken just inside its edge.

    Returns:
        The face moved, (H, W, 3) float32, to be laid over the plate with the same matte.

    Raises:
        PlateError: the shapes differ.
    Source:
        Pérez et al. 2003, Poisson Image Editing; as a membrane: Farbman et al. 2009, Coordinates for Instant
        Image Cloning.
    """
    require_fit(matte, plate=plate, face=face)
    width = max(1.0, _RING * max(matte.shape))
    ring = np.clip(4 * np.nan_to_num(matte), 0, 1) - erode(np.asarray(matte, np.float32), width)
    moved = membrane(np.asarray(plate - face, np.float32), np.clip(ring, 0, 1).astype(np.float32))
    return np.asarray(face + moved, np.float32)
