"""The search and the vote for one pixel, and their loops on the CPU. Compiled once and cached.

`cuda` compiles the functions of one pixel for the GPU. No pixel reads what another writes in the same pass,
and sums run in a fixed order, so that the result has the same bits in any order and on any number of threads.

Convention:
    `nnf`, the nearest-neighbour field, is (H, W, 2) int32: the (row, column) of the centre of the source
    patch that matches each target pixel. A patch lies whole inside the source. Guides are (H, W, C) float32,
    each channel already multiplied by the root of its weight. They stand in three groups: channels that
    always count, channels weighted by the first value of the target pixel's `validity`, and channels weighted
    by the second. `widths` gives the number of channels of each group.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from understudy.image.frame import FloatImage

Nnf = NDArray[np.int32]
Widths = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Three tuples, each as long as its group has channels; their content does not matter. The compiler knows the
length of a tuple and unrolls the loops over channels, which halves their time."""


def widths_of(groups: tuple[int, int], channels: int) -> Widths:
    """The widths of the three groups of channels that two indices (`Guides.groups`) cut."""
    return (0,) * groups[0], (0,) * (groups[1] - groups[0]), (0,) * (channels - groups[1])


@register_jitable
def product(first: Any, second: Any) -> Any:
    """A product, rounded; `cuda` overloads it, because a GPU would fuse it with the sum that follows."""
    return first * second


@register_jitable
def within(low: int, value: int, high: int) -> Any:
    """A value clamped to bounds; without `min` and `max`, which numba 0.68 cannot compile for a GPU."""
    if value < low:
        return low
    return high if value > high else value


@numba.njit(cache=True, nogil=True)
def random_bits(seed: int, y: int, x: int, salt: int) -> Any:
    """64 random bits, hashed from a position; every operand is uint64, as mixed integers become floats.

    Source:
        Steele, Lea & Flood 2014, Fast Splittable Pseudorandom Number Generators (SplitMix64).
    """
    z = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt) * np.uint64(0xD1B54A32D192ED03)
    z += np.uint64(y) * np.uint64(0x8CB92BA72F3D8DD7) + np.uint64(x) * np.uint64(0xA24BAED4963EE407)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def energy(
    target: FloatImage,
    source: FloatImage,
    validity: FloatImage,
    widths: Widths,
    radius: int,
    y: int,
    x: int,
    row: int,
    column: int,
    limit: float,
) -> Any:
    """Sum of squared differences of two patches, over the part that lies inside the target.

    Args:
        limit: The sum stops as soon as it is above this. It only grows, so that no smaller sum is missed.

    Source:
        Fišer et al. 2016, StyLit; Jamriška et al. 2019, Stylizing Video by Example.
    """
    free, plates = len(widths[0]), len(widths[0]) + len(widths[1])
    total = np.float32(0)
    top, bottom = within(0, y - radius, y), within(y, y + radius, target.shape[0] - 1)
    left, right = within(0, x - radius, x), within(x, x + radius, target.shape[1] - 1)
    for ty in range(top, bottom + 1):
        for tx in range(left, right + 1):
            # An unsigned index saves numba's test for negative ones.
            at = np.uint64(ty), np.uint64(tx)
            here, valid = target[at], validity[at]
            there = source[np.uint64(row + ty - y), np.uint64(column + tx - x)]
            for c in range(free):
                apart = here[c] - there[c]
                total += product(apart, apart)
            first, second = np.float32(0), np.float32(0)
            for c in range(free, plates):
                apart = here[c] - there[c]
                first += product(apart, apart)
            for c in range(plates, plates + len(widths[2])):
                apart = here[c] - there[c]
                second += product(apart, apart)
            total += product(first, valid[0]) + product(second, valid[1])
            if total > limit:
                return total
    return total


@numba.njit(cache=True, nogil=True)
def measure(
    nnf: Nnf,
    costs: FloatImage,
    target: FloatImage,
    source: FloatImage,
    validity: FloatImage,
    occurrence: FloatImage,
    widths: Widths,
    radius: int,
    y: int,
    x: int,
) -> None:
    """Write the cost of a pixel's match: the energy of the two patches plus the source patch's penalty."""
    row, column = nnf[y, x, 0], nnf[y, x, 1]
    cost = energy(target, source, validity, widths, radius, y, x, row, column, np.inf)
    costs[y, x] = cost + occurrence[row, column]


@numba.njit(cache=True, nogil=True)
def improve(
    before: Nnf,
    costs_before: FloatImage,
    nnf: Nnf,
    costs: FloatImage,
    target: FloatImage,
    source: FloatImage,
    validity: FloatImage,
    occurrence: FloatImage,
    widths: Widths,
    radius: int,
    step: int,
    reach: int,
    seed: int,
    y: int,
    x: int,
) -> None:
    """Try the matches of four pixels `step` away and two random ones within `reach`; keep the cheapest.

    Source:
        Barnes et al. 2009, PatchMatch; with the shrinking steps of Rong & Tan 2006, Jump Flooding in GPU, in
        place of the scan, so that the order of pixels does not matter.
    """
    row, column = before[y, x, 0], before[y, x, 1]
    best_row, best_column, best = row, column, costs_before[y, x]
    last_row, last_column = source.shape[0] - 1 - radius, source.shape[1] - 1 - radius
    for k in range(6):
        if k < 4:
            sign = 2 * (k % 2) - 1
            dy, dx = (sign * step, 0) if k < 2 else (0, sign * step)
            ny, nx = y + dy, x + dx
            if ny < 0 or nx < 0 or ny >= target.shape[0] or nx >= target.shape[1]:
                continue
            try_row, try_column = before[ny, nx, 0] - dy, before[ny, nx, 1] - dx
        else:
            bits = random_bits(seed, y, x, k)
            span = np.uint64(2 * reach + 1)
            try_row = best_row + np.int64(bits % span) - reach
            try_column = best_column + np.int64((bits >> np.uint64(32)) % span) - reach
        try_row = within(radius, try_row, last_row)
        try_column = within(radius, try_column, last_column)
        if try_row == best_row and try_column == best_column:
            continue
        taken = occurrence[try_row, try_column]
        if taken >= best:
            continue
        limit = best - taken
        cost = energy(target, source, validity, widths, radius, y, x, try_row, try_column, limit) + taken
        if cost < best:
            best, best_row, best_column = cost, try_row, try_column
    nnf[y, x, 0], nnf[y, x, 1], costs[y, x] = best_row, best_column, best


@numba.njit(cache=True, nogil=True)
def vote(
    picture: FloatImage,
    nnf: Nnf,
    costs: FloatImage,
    style: FloatImage,
    key_base: FloatImage,
    gain: FloatImage,
    frame_base: FloatImage,
    radius: int,
    scale: float,
    y: int,
    x: int,
) -> None:
    """Write a pixel as the mean of the votes of all patches over it, weighted by 1 / (1 + scale · cost).

    A vote is style + gain · (frame_base − key_base): the style's colour, plus the difference of the two
    pictures below the fix as far as the style follows it.

    Source:
        Wexler, Shechtman & Irani 2007, Space-Time Completion of Video, for the vote.
    """
    weights = np.float32(0)
    red, green, blue = np.float32(0), np.float32(0), np.float32(0)
    top, bottom = within(0, y - radius, y), within(y, y + radius, picture.shape[0] - 1)
    left, right = within(0, x - radius, x), within(x, x + radius, picture.shape[1] - 1)
    for ty in range(top, bottom + 1):
        for tx in range(left, right + 1):
            sy, sx = nnf[ty, tx, 0] + y - ty, nnf[ty, tx, 1] + x - tx
            weight = np.float32(1) / (np.float32(1) + product(np.float32(scale), costs[ty, tx]))
            moved = gain[sy, sx]
            frame_pixel, key_pixel, painted = frame_base[y, x], key_base[sy, sx], style[sy, sx]
            red += product(weight, painted[0] + product(moved, frame_pixel[0] - key_pixel[0]))
            green += product(weight, painted[1] + product(moved, frame_pixel[1] - key_pixel[1]))
            blue += product(weight, painted[2] + product(moved, frame_pixel[2] - key_pixel[2]))
            weights += weight
    picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = red / weights, green / weights, blue / weights


@numba.njit(cache=True, nogil=True)
def measure_rows(
    pixels: NDArray[np.int32],
    nnf: Nnf,
    costs: FloatImage,
    target: FloatImage,
    source: FloatImage,
    validity: FloatImage,
    occurrence: FloatImage,
    widths: Widths,
    radius: int,
    first: int,
    last: int,
) -> None:
    """`measure` for some of `pixels`, (N, 2) rows and columns."""
    for index in range(first, last):
        y, x = pixels[index, 0], pixels[index, 1]
        measure(nnf, costs, target, source, validity, occurrence, widths, radius, y, x)


@numba.njit(cache=True, nogil=True)
def improve_rows(
    pixels: NDArray[np.int32],
    before: Nnf,
    costs_before: FloatImage,
    nnf: Nnf,
    costs: FloatImage,
    target: FloatImage,
    source: FloatImage,
    validity: FloatImage,
    occurrence: FloatImage,
    widths: Widths,
    radius: int,
    step: int,
    reach: int,
    seed: int,
    first: int,
    last: int,
) -> None:
    """`improve` for some of `pixels`."""
    for index in range(first, last):
        improve(
            before,
            costs_before,
            nnf,
            costs,
            target,
            source,
            validity,
            occurrence,
            widths,
            radius,
            step,
            reach,
            seed,
            pixels[index, 0],
            pixels[index, 1],
        )


@numba.njit(cache=True, nogil=True)
def vote_rows(
    pixels: NDArray[np.int32],
    picture: FloatImage,
    nnf: Nnf,
    costs: FloatImage,
    style: FloatImage,
    key_base: FloatImage,
    gain: FloatImage,
    frame_base: FloatImage,
    radius: int,
    scale: float,
    first: int,
    last: int,
) -> None:
    """`vote` for some of `pixels`."""
    for index in range(first, last):
        y, x = pixels[index, 0], pixels[index, 1]
        vote(picture, nnf, costs, style, key_base, gain, frame_base, radius, scale, y, x)
