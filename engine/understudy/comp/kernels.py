"""The loops over pixels that numpy cannot fuse; the only user of numba here.

Every kernel runs on one thread and in a fixed order, so that its sums have the same bits on every machine
with the same number format, whatever the thread count. They are compiled once and cached beside this file.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from understudy.image.frame import FloatImage


@numba.njit(cache=True, nogil=True)
def moments(face: FloatImage, plate: FloatImage, matte: FloatImage) -> NDArray[np.float64]:
    """Weighted sums of two pictures over the pixels that are finite in both.

    Args:
        face: (H, W, 3) float32.
        plate: The same shape.
        matte: (H, W) float32, the weights; values that are not above 0 are left out.
    Returns:
        (19,) float64: the weights' sum; then for face and plate each 3 sums of x and 6 of x·xᵀ
        (rr, rg, rb, gg, gb, bb).
    """
    total = np.zeros(19)
    for y in range(matte.shape[0]):
        for x in range(matte.shape[1]):
            weight = np.float64(matte[y, x])
            if not (weight > 0.0 and math.isfinite(weight)):
                continue
            finite = True
            for c in range(3):
                finite = finite and math.isfinite(face[y, x, c]) and math.isfinite(plate[y, x, c])
            if not finite:
                continue
            total[0] += weight
            for k in range(2):
                image = face if k == 0 else plate
                at = 1 + 9 * k
                r, g, b = np.float64(image[y, x, 0]), np.float64(image[y, x, 1]), np.float64(image[y, x, 2])
                total[at] += weight * r
                total[at + 1] += weight * g
                total[at + 2] += weight * b
                total[at + 3] += weight * r * r
                total[at + 4] += weight * r * g
                total[at + 5] += weight * r * b
                total[at + 6] += weight * g * g
                total[at + 7] += weight * g * b
                total[at + 8] += weight * b * b
    return total


@numba.njit(cache=True, nogil=True)
def blend_into(out: FloatImage, face: FloatImage, matte: FloatImage) -> None:
    """Write plate + matte·(face − plate) into `out`, which holds the plate, where the matte is above 0.

    A plate pixel that is not finite gives way to the face; a face pixel that is not finite leaves the plate.
    A matte of 1 or more is the face exactly.
    """
    channels = out.shape[2]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            weight = matte[y, x]
            if not weight > 0.0:
                continue
            face_finite, plate_finite = True, True
            for c in range(channels):
                face_finite = face_finite and math.isfinite(face[y, x, c])
                plate_finite = plate_finite and math.isfinite(out[y, x, c])
            if not face_finite:
                continue
            for c in range(channels):
                if weight >= 1.0 or not plate_finite:
                    out[y, x, c] = face[y, x, c]
                else:
                    out[y, x, c] = out[y, x, c] + weight * (face[y, x, c] - out[y, x, c])


@numba.njit(cache=True, nogil=True)
def resample_cubic(image: FloatImage, inverse: NDArray[np.float64], out: FloatImage) -> None:
    """Sample (H, W, C) `image` at inverse·(x, y, 1) for every pixel of `out`, Catmull-Rom, edges repeated."""
    height, width, channels = image.shape
    wx, wy = np.empty(4, np.float32), np.empty(4, np.float32)
    columns = np.empty(4, np.int64)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            u = min(max(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2], -1.0), np.float64(width))
            v = min(max(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2], -1.0), np.float64(height))
            left, top = int(math.floor(u)), int(math.floor(v))
            t, s = np.float32(u - left), np.float32(v - top)
            for weights, f in ((wx, t), (wy, s)):
                weights[0] = ((np.float32(-0.5) * f + np.float32(1.0)) * f - np.float32(0.5)) * f
                weights[1] = (np.float32(1.5) * f - np.float32(2.5)) * f * f + np.float32(1.0)
                weights[2] = ((np.float32(-1.5) * f + np.float32(2.0)) * f + np.float32(0.5)) * f
                weights[3] = (np.float32(0.5) * f - np.float32(0.5)) * f * f
            for i in range(4):
                columns[i] = min(max(left - 1 + i, 0), width - 1)
            for c in range(channels):
                out[y, x, c] = 0.0
            for j in range(4):
                row = min(max(top - 1 + j, 0), height - 1)
                for i in range(4):
                    weight = wy[j] * wx[i]
                    for c in range(channels):
                        out[y, x, c] += weight * image[row, columns[i], c]


@numba.njit(cache=True, nogil=True)
def resample_linear(image: FloatImage, inverse: NDArray[np.float64], out: FloatImage) -> None:
    """Sample (H, W, C) `image` at inverse·(x, y, 1) for every pixel of `out`, bilinear, 0 outside."""
    height, width, channels = image.shape
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            u = min(max(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2], -1.0), np.float64(width))
            v = min(max(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2], -1.0), np.float64(height))
            left, top = int(math.floor(u)), int(math.floor(v))
            t, s = np.float32(u - left), np.float32(v - top)
            for c in range(channels):
                out[y, x, c] = 0.0
            for j in range(2):
                row = top + j
                if row < 0 or row >= height:
                    continue
                for i in range(2):
                    column = left + i
                    if column < 0 or column >= width:
                        continue
                    weight = (s if j else np.float32(1.0) - s) * (t if i else np.float32(1.0) - t)
                    for c in range(channels):
                        out[y, x, c] += weight * image[row, column, c]
