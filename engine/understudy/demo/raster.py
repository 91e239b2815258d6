"""The z-buffer: numba kernels that find which triangle each sample sees.

Convention:
    Screen x is right, y is down, sample centres lie on integers. The third screen coordinate grows
    towards the viewer (1 / distance for the camera, height along the ray for a shadow map) and is linear
    on the screen.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]

_BAND = 32


@nb.njit(cache=True, inline="always")
def sample(texture: Floats, layer: int, u: float, v: float) -> float:
    """Bilinear look-up of one layer of (L, H, W); u and v run from 0 to 1 between the outer texels."""
    height, width = texture.shape[1], texture.shape[2]
    fx = min(max(u, 0.0), 1.0) * (width - 1)
    fy = min(max(v, 0.0), 1.0) * (height - 1)
    x0 = min(int(fx), width - 2)
    y0 = min(int(fy), height - 2)
    ax, ay = fx - x0, fy - y0
    top = texture[layer, y0, x0] * (1.0 - ax) + texture[layer, y0, x0 + 1] * ax
    low = texture[layer, y0 + 1, x0] * (1.0 - ax) + texture[layer, y0 + 1, x0 + 1] * ax
    return top * (1.0 - ay) + low * ay  # type: ignore[no-any-return]


@nb.njit(cache=True, parallel=True)
def rasterise(
    screen: Floats,
    uv: Floats,
    triangles: Ints,
    cut_layer: Ints,
    cut_level: Floats,
    cuts: Floats,
    height: int,
    width: int,
) -> tuple[Ints, Floats]:
    """Find the nearest triangle at every sample.

    Args:
        screen: (N, 3) float32, x, y and nearness of the vertices.
        uv: (N, 2) texture coordinates.
        triangles: (M, 3) int32.
        cut_layer: (M,) layer of `cuts` that can hole the triangle, -1 for none.
        cut_level: (M,) a sample is dropped where the layer is below this.
        cuts: (L, H, W) cut-out textures.
        height, width: Samples.

    Returns:
        (height, width) int32 triangle or -1, and float32 nearness; free of the number of threads, as
        each band of rows is filled by one thread in the triangles' order.
    """
    owner = np.full((height, width), -1, np.int32)
    near = np.full((height, width), -1e30, np.float32)
    bands = (height + _BAND - 1) // _BAND
    count = triangles.shape[0]
    lows, highs = np.empty(count, np.float32), np.empty(count, np.float32)
    for t in nb.prange(count):
        ya, yb, yc = screen[triangles[t, 0], 1], screen[triangles[t, 1], 1], screen[triangles[t, 2], 1]
        lows[t], highs[t] = min(ya, yb, yc), max(ya, yb, yc)
    for band in nb.prange(bands):
        top, bottom = band * _BAND, min(height, (band + 1) * _BAND) - 1
        for t in range(count):
            low, high = lows[t], highs[t]
            if high < top or low > bottom:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ay, by, cy = screen[a, 1], screen[b, 1], screen[c, 1]
            ax, bx, cx = screen[a, 0], screen[b, 0], screen[c, 0]
            x0 = max(0, int(np.ceil(min(ax, bx, cx))))
            x1 = min(width - 1, int(np.floor(max(ax, bx, cx))))
            y0 = max(top, int(np.ceil(low)))
            y1 = min(bottom, int(np.floor(high)))
            area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
            if x0 > x1 or y0 > y1 or abs(area) < 1e-9:
                continue
            inverse = 1.0 / area
            for y in range(y0, y1 + 1):
                for x in range(x0, x1 + 1):
                    wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inverse
                    wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inverse
                    wa = 1.0 - wb - wc
                    if wa < 0.0 or wb < 0.0 or wc < 0.0:
                        continue
                    z = wa * screen[a, 2] + wb * screen[b, 2] + wc * screen[c, 2]
                    if z <= near[y, x]:
                        continue
                    if cut_layer[t] >= 0:
                        u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
                        v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
                        if sample(cuts, cut_layer[t], u, v) < cut_level[t]:
                            continue
                    near[y, x] = z
                    owner[y, x] = t
    return owner, near
