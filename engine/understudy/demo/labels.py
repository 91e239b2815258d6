"""What each pixel of a digital performer shows: mattes of the regions of `face.regions`."""

from __future__ import annotations

from functools import lru_cache

import numba as nb
import numpy as np
from numpy.typing import NDArray

from understudy.demo import mesh
from understudy.demo.hair import scalp_shade
from understudy.demo.identity import Identity
from understudy.demo.mesh import Soup
from understudy.demo.raster import sample
from understudy.demo.skin import painted_regions, to_texture
from understudy.demo.template import Floats, smoothstep, template
from understudy.face import regions

Ints = NDArray[np.int32]

_JAW_DEGREES = (0.0, 16.0, 33.0, 48.0, 60.0, 68.0, 73.0, 78.0, 180.0)
_JAW_Y_CM = (-11.9, -11.6, -10.9, -9.9, -8.6, -7.2, -5.5, -4.5, -4.5)
_THROAT_RING = 12.4
_EDGE_CM = 0.15

# The region of each part of the scene; skin is divided by the painted textures.
_REGION_OF_PART = np.zeros(9, np.int32)
_REGION_OF_PART[mesh.SKIN] = regions.SKIN
_REGION_OF_PART[mesh.EYE] = regions.EYES
_REGION_OF_PART[mesh.LASH] = regions.EYES
_REGION_OF_PART[mesh.TEETH] = regions.INNER_MOUTH
_REGION_OF_PART[mesh.MOUTH] = regions.INNER_MOUTH
_REGION_OF_PART[mesh.HAIR] = regions.HAIR
_REGION_OF_PART[mesh.SHIRT] = regions.BACKGROUND
_REGION_OF_PART[mesh.EAR] = regions.EAR
_REGION_OF_PART[mesh.BEARD] = regions.BEARD


@lru_cache(maxsize=1)
def _neck() -> Floats:
    """(SIZE, SIZE) how much of each texel lies below the jaw's edge."""
    base = template()
    jaw = np.interp(np.abs(np.degrees(base.angle)), _JAW_DEGREES, _JAW_Y_CM)
    below = smoothstep(_EDGE_CM, -_EDGE_CM, (base.flat_y - jaw).astype(np.float32))
    under = smoothstep(_THROAT_RING - _EDGE_CM, _THROAT_RING + _EDGE_CM, base.ring)
    return to_texture(np.maximum(below, under))


@lru_cache(maxsize=4)
def _skin_shares(identity: Identity) -> Floats:
    """(4, SIZE, SIZE) float32: brows, lips, hair roots and neck over the head's texture."""
    brows, lips = painted_regions(identity)
    return np.stack([brows, lips, scalp_shade(identity), _neck()]).astype(np.float32)


@nb.njit(cache=True, parallel=True, error_model="numpy")
def _mattes(
    owner: Ints,
    near: Floats,
    screen: Floats,
    uv: Floats,
    triangles: Ints,
    region_of: Ints,
    inside: NDArray[np.bool_],
    shares: Floats,
    count: int,
    oversample: int,
) -> Floats:
    height, width = owner.shape[0] // oversample, owner.shape[1] // oversample
    result = np.zeros((height, width, count), np.float32)
    part = np.float32(1.0 / (oversample * oversample))
    for row in nb.prange(height):
        for column in range(width):
            for k in range(oversample * oversample):
                y, x = row * oversample + k // oversample, column * oversample + k % oversample
                t = owner[y, x]
                if t < 0:
                    result[row, column, 0] += part
                    continue
                region = region_of[t]
                if region != 1:
                    result[row, column, region] += part
                    continue
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                ax, ay = screen[a, 0], screen[a, 1]
                bx, by, cx, cy = screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
                area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
                wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area * screen[b, 2] / near[y, x]
                wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area * screen[c, 2] / near[y, x]
                wa = 1.0 - wb - wc
                u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0]
                v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1]
                if inside[t]:
                    # The skin's inside: behind the lips, or the corner of an eye.
                    result[row, column, 5 if v > 0.5 else 3] += part
                    continue
                left = part
                for layer in range(4):
                    share = min(1.0, max(0.0, sample(shares, layer, u, v))) * left
                    result[row, column, (2, 4, 6, 9)[layer]] += share
                    left -= share
                result[row, column, 1] += left
    return result


def region_mattes(
    identity: Identity, soup: Soup, owner: Ints, near: Floats, screen: Floats, oversample: int
) -> Floats:
    """Label a rasterised scene.

    Args:
        identity: Whose skin is painted on the head.
        soup: The scene.
        owner, near: What `rasterise` found, with `oversample`² samples a pixel.
        screen: (N, 3) vertices on the samples' raster.
        oversample: Samples along a pixel's edge.

    Returns:
        (H, W, REGIONS) float32 mattes that sum to 1.
    """
    a, b, c = (screen[soup.triangles[:, k], :2].astype(np.float64) for k in range(3))
    first, second = b - a, c - a
    # The head's grid runs clockwise on the screen; where it turns its other side, its inside is seen.
    inside = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) > 0
    return np.asarray(
        _mattes(
            owner,
            near,
            screen,
            soup.uv,
            soup.triangles,
            _REGION_OF_PART[soup.part],
            inside & (soup.part == mesh.SKIN),
            _skin_shares(identity),
            len(regions.REGIONS),
            oversample,
        ),
        dtype=np.float32,
    )
