"""Lights every sample of the z-buffer by its material.

Convention:
    Scene-linear radiance, Rec.709 primaries, never clipped. World axes: x right, y up, z to the camera.
    A numba cache does not see changes in the modules it calls: touch this file after a change in
    `materials` or `raster`.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from understudy.demo.materials import (
    FILL,
    KEY,
    MOUTH_TONE,
    SHIRT_TONE,
    Floats,
    dot,
    eye_light,
    hair_light,
    hashed,
    key_share,
    plain_light,
    skin_light,
    teeth_light,
)

Ints = NDArray[np.int32]


@nb.njit(cache=True, parallel=True, fastmath=True, error_model="numpy")
def shade(
    owner: Ints,
    near: Floats,
    screen: Floats,
    points: Floats,
    normals: Floats,
    uv: Floats,
    open_: Floats,
    up: Floats,
    triangles: Ints,
    material: Ints,
    skin: Floats,
    strand: Floats,
    look: Floats,
    camera: Floats,
    shadow: Floats,
    light_frame: Floats,
) -> Floats:
    """Light every sample of the z-buffer.

    Args:
        owner, near: What `rasterise` found.
        screen, points, normals, uv, open_: Vertex arrays.
        up: (3,) the head's up.
        triangles, material: Triangle arrays.
        skin: (8, S, S) of `skin.skin_layers`.
        strand: (3, S, S) of `hair.Hair`.
        look: (LOOK_ROWS, 3) lights and colours.
        camera: (3,) position.
        shadow: (T, T) heights along the key light.
        light_frame: (3, 4) world to shadow texel and height.

    Returns:
        (H, W, 6) float32: colour, head, facial skin in the region, all that a swap may change.
    """
    height, width = owner.shape
    result = np.zeros((height, width, 6), np.float32)
    for y in nb.prange(height):
        n, v, p = np.empty(3), np.empty(3), np.empty(3)
        out = np.zeros(3)
        for x in range(width):
            t = owner[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            ax, ay = screen[a, 0], screen[a, 1]
            bx, by, cx, cy = screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
            inverse = 1.0 / ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
            wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inverse * screen[b, 2]
            wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inverse * screen[c, 2]
            depth = near[y, x]
            wb, wc = wb / depth, wc / depth
            wa = 1.0 - wb - wc
            for k in range(3):
                p[k] = wa * points[a, k] + wb * points[b, k] + wc * points[c, k]
                n[k] = wa * normals[a, k] + wb * normals[b, k] + wc * normals[c, k]
                v[k] = camera[k] - p[k]
            s = 1.0 / np.sqrt(dot(v, v))
            q = 1.0 / np.sqrt(dot(n, n) + 1e-12)
            for k in range(3):
                v[k] *= s
                n[k] *= q
            u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
            w = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
            kind = material[t]
            light = wa * open_[a] + wb * open_[b] + wc * open_[c]
            if kind == 0 and dot(n, v) < -0.2:
                # The skin's inside: dark behind the lips, moist and pink in the corner of an eye.
                kind, light = 3, (0.08 if w > 0.5 else 0.9)
            if kind != 0 and dot(n, v) < 0.0:
                for k in range(3):
                    n[k] = -n[k]
            turn = 6.2831853 * hashed(x, y)
            lit = key_share(
                shadow, light_frame, p[0] + 0.12 * n[0], p[1] + 0.12 * n[1], p[2] + 0.12 * n[2], turn, 7.0
            )
            face, change = 0.0, 0.0
            if kind == 0:
                region = skin_light(skin, look, n, v, up, u, w, light, lit, out)
                face = min(1.0, max(0.0, (region - 0.35) / 0.3))
                change = 1.0 if region > 0.004 else 0.0
            elif kind == 1:
                eye_light(look, n, v, u, w, light, lit, out)
            elif kind == 2:
                teeth_light(look, n, v, u, w, light, lit, out)
            elif kind == 3:
                plain_light(look, n, v, MOUTH_TONE, light, 0.4 + 0.6 * lit, 0.03, out)
            elif kind == 4:
                hair_light(strand, look, n, v, up, u, w, light, lit, out)
            elif kind == 5:
                plain_light(look, n, v, SHIRT_TONE, light, lit, 0.0, out)
            else:
                for k in range(3):
                    out[k] = 0.012 * (look[KEY, k] * 0.4 + look[FILL, k])
            if kind == 1 or kind == 2 or kind == 3 or kind == 6:
                face, change = 1.0, 1.0
            for k in range(3):
                result[y, x, k] = out[k]
            result[y, x, 3] = 0.0 if kind == 5 else 1.0
            result[y, x, 4] = face
            result[y, x, 5] = change
    return result
