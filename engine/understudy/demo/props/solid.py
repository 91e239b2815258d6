"""Rounded solids seen from the front: capsules with a radius at each end, joined smoothly.

Convention:
    Pixels, x right, y down, pixel centres on integers; z in pixels towards the camera. Normals have y up.
Source:
    Distances to round cones after Quilez 2013; smooth joins by the softmax of heights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numba as nb
import numpy as np
from numpy.typing import NDArray

from understudy.demo.template import Floats

Ints = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Solid:
    """What the camera sees of some capsules. All maps are (H, W) but for the normal."""

    alpha: Floats
    normal: Floats
    """(H, W, 3) unit, y up."""
    along: Floats
    """Where on its capsule a pixel lies: 0 at the first end, 1 at the second."""
    across: Floats
    """-1 to 1 from one side of the capsule to the other."""
    owner: Ints
    """Number of the capsule in front, int32."""
    openness: Floats
    """Light that reaches between the capsules, 0..1."""


@nb.njit(cache=True, error_model="numpy")
def _trace(capsules: Floats, height: int, width: int, blend: float) -> tuple[Floats, Floats, Ints, Floats]:
    shape = np.zeros((height, width, 7), np.float32)
    top = np.full((height, width), -1e6, np.float32)
    owner = np.full((height, width), -1, np.int32)
    total = np.zeros((height, width), np.float32)
    for n in range(capsules.shape[0]):
        ax, ay, az, ar, bx, by, bz, br = capsules[n]
        dx, dy = bx - ax, by - ay
        square = max(dx * dx + dy * dy, 1e-6)
        length = np.sqrt(square)
        reach = max(ar, br) + 1.0
        y0 = max(0, int(min(ay, by) - reach))
        y1 = min(height - 1, int(max(ay, by) + reach) + 1)
        x0 = max(0, int(min(ax, bx) - reach))
        x1 = min(width - 1, int(max(ax, bx) + reach) + 1)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                t = min(1.0, max(0.0, ((x - ax) * dx + (y - ay) * dy) / square))
                px, py = x - ax - t * dx, y - ay - t * dy
                r = ar + (br - ar) * t
                d = np.sqrt(px * px + py * py)
                cover = min(1.0, max(0.0, r - d + 0.5))
                if cover <= 0.0:
                    continue
                shape[y, x, 6] = max(shape[y, x, 6], cover)
                q = min(1.0, d / max(r, 1e-3))
                nz = np.sqrt(max(0.0, 1.0 - q * q))
                z = az + (bz - az) * t + r * nz
                if z > top[y, x]:
                    if top[y, x] > -1e5:
                        keep = np.exp((top[y, x] - z) / blend)
                        for k in range(5):
                            shape[y, x, k] *= keep
                        total[y, x] *= keep
                    top[y, x] = z
                    owner[y, x] = n
                weight = np.exp((z - top[y, x]) / blend) * cover
                scale = q / max(d, 1e-3)
                shape[y, x, 0] += weight * px * scale
                shape[y, x, 1] -= weight * py * scale
                shape[y, x, 2] += weight * (nz + 0.02)
                shape[y, x, 3] += weight * t
                shape[y, x, 4] += weight * (px * dy - py * dx) / length / max(r, 1e-3)
                total[y, x] += weight
    return shape, top, owner, total


def solid(capsules: Floats, size: int, *, blend_px: float, hollow_px: float = 4.0) -> Solid:
    """Draw capsules.

    Args:
        capsules: (N, 8) x, y, z and radius at the first end, then at the second, in pixels.
        size: Edge of the picture.
        blend_px: Over how much height neighbours melt together.
        hollow_px: Reach of the darkening between them.

    Returns:
        The maps; where nothing is drawn alpha is 0 and owner -1.
    """
    shape, top, owner, total = _trace(capsules.astype(np.float32), size, size, blend_px)
    weight = np.maximum(total, 1e-6)[..., None]
    normal = shape[..., :3] / weight
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    normal[total <= 0] = (0.0, 0.0, 1.0)
    floor = float(top[owner >= 0].min()) if (owner >= 0).any() else 0.0
    heights = np.where(owner >= 0, top, floor).astype(np.float32)
    around = cv2.GaussianBlur(heights, (0, 0), hollow_px)
    openness = np.clip(1.0 - 0.55 * np.clip((around - heights) / (1.5 * hollow_px), 0.0, 1.0), 0.0, 1.0)
    return Solid(
        shape[..., 6].copy(),
        normal.astype(np.float32),
        shape[..., 3] / weight[..., 0],
        shape[..., 4] / weight[..., 0],
        owner,
        openness.astype(np.float32),
    )
