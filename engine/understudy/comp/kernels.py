"""The loops over pixels that numpy cannot fuse; the only user of numba here.

Kernels that sum run on one thread and in a fixed order, so that their results have the same bits whatever the
thread count; the others take rows, for `strips`. They are compiled once and cached beside this file.
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
def median_apart(face: FloatImage, plate: FloatImage, weight: FloatImage) -> float:
    """The weighted median of plate − face in lightness; 0 where nothing counts.

    Args:
        face: (H, W, 3) float32.
        plate: The same shape.
        weight: (H, W) float32; pixels that are not above 0, or not finite in both pictures, do not count.
    """
    # Read off a fine histogram: sorting would cost ten times as much.
    bins, low, high = 8192, -1.0, 1.0
    counts = np.zeros(bins)
    total = 0.0
    for y in range(weight.shape[0]):
        for x in range(weight.shape[1]):
            apart = _apart(face, plate, y, x)
            if weight[y, x] > 0.0 and math.isfinite(weight[y, x]) and math.isfinite(apart):
                place = (apart - low) / (high - low) * bins
                counts[int(min(max(place, 0.0), bins - 1.0))] += weight[y, x]
                total += weight[y, x]
    reached = 0.0
    for k in range(bins):
        if reached + counts[k] >= total / 2 and counts[k] > 0.0:
            return float(low + (k + (total / 2 - reached) / counts[k]) / bins * (high - low))
        reached += counts[k]
    return 0.0


@numba.njit(cache=True, nogil=True)
def apart_by_cells(
    face: FloatImage, plate: FloatImage, matte: FloatImage, skin: FloatImage, sums: NDArray[np.float64]
) -> float:
    """Add up plate − face in lightness over the cells of a coarse raster.

    Args:
        face: (H, W, 3) float32.
        plate: The same shape.
        matte, skin: (H, W) float32; a pixel counts by their product, and not at all where that is not above 0
            or either picture is not finite.
        sums: (h, w, 2) of zeros, written: what counts in each cell, and the sum of what is apart there.

    Returns:
        What the matte alone would count.
    """
    height, width = matte.shape
    total = 0.0
    for y in range(height):
        row = y * sums.shape[0] // height
        for x in range(width):
            weight, apart = matte[y, x], _apart(face, plate, y, x)
            if weight > 0.0 and math.isfinite(weight) and math.isfinite(apart):
                total += weight
                weight *= skin[y, x]
                if weight > 0.0:
                    column = x * sums.shape[1] // width
                    sums[row, column, 0] += weight
                    sums[row, column, 1] += weight * apart
    return total


@numba.njit(cache=True, nogil=True)
def trust_common(
    face: FloatImage,
    plate: FloatImage,
    matte: FloatImage,
    plane: NDArray[np.float64],
    usual: float,
    out: FloatImage,
) -> None:
    """Write matte · exp(−((d − m)/usual)²): d is plate − face in lightness, m what it mostly is there.

    Args:
        face: (H, W, 3) float32.
        plate: The same shape.
        matte: (H, W) float32; pixels that are not above 0, or not finite in both pictures, get 0.
        plane: (3,) m in the middle of the picture, and what it gains from there to the right and lower edge.
        usual: How far d may lie from m.
        out: (H, W) float32, written.
    """
    height, width = matte.shape
    for y in range(height):
        down = (2.0 * y + 1.0) / height - 1.0
        for x in range(width):
            across = (2.0 * x + 1.0) / width - 1.0
            weight, apart = matte[y, x], _apart(face, plate, y, x)
            if weight > 0.0 and math.isfinite(weight) and math.isfinite(apart):
                away = (apart - plane[0] - plane[1] * across - plane[2] * down) / usual
                out[y, x] = np.float32(weight * math.exp(-away * away))
            else:
                out[y, x] = np.float32(0.0)


@numba.njit(cache=True, nogil=True)
def _apart(face: FloatImage, plate: FloatImage, y: int, x: int) -> float:
    """Plate − face in lightness at a pixel; not finite where either of them is not."""
    apart = np.float64(0.0)
    for c in range(3):
        apart += np.float64(plate[y, x, c]) - np.float64(face[y, x, c])
    return float(apart / 3.0)


@numba.njit(cache=True, nogil=True)
def fill_convex(edges: NDArray[np.float64], out: FloatImage) -> None:
    """Coverage of a convex shape: the distance to its nearest edge, clamped over one pixel.

    Args:
        edges: (N, 3) float64 half-planes (a, b, c), a² + b² = 1: a·x + b·y + c is the distance inwards.
        out: (H, W) float32 of zeros, written where the shape covers.
    """
    width = out.shape[1]
    for y in range(out.shape[0]):
        low, high = 0.0, width - 1.0  # the row's span with any coverage
        full_low, full_high = 0.0, width - 1.0  # and the span with all of it
        for k in range(edges.shape[0]):
            slope, at = edges[k, 0], edges[k, 1] * y + edges[k, 2] + 0.5
            if slope > 1e-12:
                low, full_low = max(low, -at / slope), max(full_low, (1.0 - at) / slope)
            elif slope < -1e-12:
                high, full_high = min(high, -at / slope), min(full_high, (1.0 - at) / slope)
            else:
                high = high if at > 0.0 else -1.0
                full_high = full_high if at >= 1.0 else -1.0
        for x in range(math.ceil(low), math.floor(high) + 1):
            nearest = 1.0
            if x < full_low or x > full_high:
                for k in range(edges.shape[0]):
                    nearest = min(nearest, edges[k, 0] * x + edges[k, 1] * y + edges[k, 2] + 0.5)
            out[y, x] = max(nearest, 0.0)


@numba.njit(cache=True, nogil=True)
def blend_into(out: FloatImage, face: FloatImage, matte: FloatImage, first: int, last: int) -> None:
    """Write plate + matte·(face − plate) into rows of `out`, the plate, where the matte is above 0.

    A plate pixel that is not finite gives way to the face; a face pixel that is not finite leaves the plate.
    A matte of 1 or more is the face exactly.
    """
    channels = out.shape[2]
    for y in range(first, last):
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
def _cubic_weights(f: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Catmull-Rom weights of the four neighbours of a position `f` past the second; they sum to 1."""
    half, one = np.float32(0.5), np.float32(1.0)
    first = -half * f * (one - f) * (one - f)
    fourth = -half * f * f * (one - f)
    third = f + first - fourth - fourth
    return first, one - first - third - fourth, third, fourth


@numba.njit(cache=True, nogil=True)
def resample_cubic(
    image: FloatImage, inverse: NDArray[np.float64], out: FloatImage, first: int, last: int
) -> None:
    """Sample (H, W, 3) `image` at inverse·(x, y, 1) for rows of `out`, Catmull-Rom, edges repeated."""
    height, width = image.shape[0], image.shape[1]
    zero = np.float32(0.0)
    for y in range(first, last):
        for x in range(out.shape[1]):
            u = min(max(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2], -1.0), np.float64(width))
            v = min(max(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2], -1.0), np.float64(height))
            left, top = math.floor(u), math.floor(v)
            across, down = _cubic_weights(np.float32(u - left)), _cubic_weights(np.float32(v - top))
            c0, c1 = min(max(left - 1, 0), width - 1), min(max(left, 0), width - 1)
            c2, c3 = min(max(left + 1, 0), width - 1), min(max(left + 2, 0), width - 1)
            red, green, blue = zero, zero, zero
            for j in range(4):
                line = image[min(max(top - 1 + j, 0), height - 1)]
                a, b, c, d = line[c0], line[c1], line[c2], line[c3]
                weight = down[j]
                red += weight * (across[0] * a[0] + across[1] * b[0] + across[2] * c[0] + across[3] * d[0])
                green += weight * (across[0] * a[1] + across[1] * b[1] + across[2] * c[1] + across[3] * d[1])
                blue += weight * (across[0] * a[2] + across[1] * b[2] + across[2] * c[2] + across[3] * d[2])
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = red, green, blue


@numba.njit(cache=True, nogil=True)
def resample_linear(
    image: FloatImage, inverse: NDArray[np.float64], out: FloatImage, first: int, last: int
) -> None:
    """Sample (H, W) `image` at inverse·(x, y, 1) for rows of `out`, bilinear, 0 outside."""
    height, width = image.shape
    zero = np.float32(0.0)
    for y in range(first, last):
        for x in range(out.shape[1]):
            u = min(max(inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2], -1.0), np.float64(width))
            v = min(max(inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2], -1.0), np.float64(height))
            left, top = math.floor(u), math.floor(v)
            s, t = np.float32(v - top), np.float32(u - left)
            value = zero
            for j in range(2):
                row = top + j
                if 0 <= row < height:
                    a = image[row, left] if left >= 0 and left < width else zero
                    b = image[row, left + 1] if left + 1 < width else zero
                    value += (s if j else np.float32(1.0) - s) * (a + t * (b - a))
            out[y, x] = value


@numba.njit(cache=True, nogil=True)
def relax(values: FloatImage, data: FloatImage, weight: FloatImage, sweeps: int, beyond: np.float32) -> None:
    """Over-relaxation of Σ|∇v|² + Σ weight·|v − data|², in place; nothing flows across the border.

    Args:
        values: (H, W, 3) float32, the first guess; the result.
        data: (H, W, 3) float32, the target of the values.
        weight: (H, W) float32 of at least 0, how strongly.
        sweeps: Times every pixel is visited, rows in turn downwards and upwards.
        beyond: 1 goes to each pixel's own best value, up to 2 goes past it and so gets there sooner.
    """
    height, width = weight.shape
    for sweep in range(sweeps):
        for row in range(height):
            y = row if sweep % 2 == 0 else height - 1 - row
            for column in range(width):
                x = column if sweep % 2 == 0 else width - 1 - column
                pull = weight[y, x]
                red, green, blue = pull * data[y, x, 0], pull * data[y, x, 1], pull * data[y, x, 2]
                count = pull
                for step in range(4):
                    v = y + (step == 0) - (step == 1)
                    u = x + (step == 2) - (step == 3)
                    if 0 <= v < height and 0 <= u < width:
                        red += values[v, u, 0]
                        green += values[v, u, 1]
                        blue += values[v, u, 2]
                        count += np.float32(1.0)
                if count > 0:
                    values[y, x, 0] += beyond * (red / count - values[y, x, 0])
                    values[y, x, 1] += beyond * (green / count - values[y, x, 1])
                    values[y, x, 2] += beyond * (blue / count - values[y, x, 2])


@numba.njit(cache=True, nogil=True)
def add_from_table(
    out: FloatImage,
    places: FloatImage,
    values: FloatImage,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None:
    """Add to (N, 1, 3) `out` what a table (E, E, E, 3) holds at each of `places`, trilinear, faces repeated.

    A place that is not finite adds nothing.
    """
    last = values.shape[0] - 1
    cell, share = np.zeros(3, np.int64), np.zeros(3)
    for n in range(out.shape[0]):
        finite = True
        for c in range(3):
            finite = finite and math.isfinite(places[n, 0, c])
        if not finite:
            continue
        for c in range(3):
            at = (places[n, 0, c] - low[c]) / (high[c] - low[c]) * last
            at = min(max(at, 0.0), np.float64(last))
            cell[c] = min(int(at), last - 1)
            share[c] = at - cell[c]
        for corner in range(8):
            weight = 1.0
            for c in range(3):
                weight *= share[c] if (corner >> c) & 1 else 1.0 - share[c]
            if weight > 0.0:
                entry = values[cell[0] + (corner & 1), cell[1] + ((corner >> 1) & 1), cell[2] + (corner >> 2)]
                for c in range(3):
                    out[n, 0, c] += np.float32(weight) * entry[c]
