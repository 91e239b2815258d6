"""Soft things before a face: smoke, steam, flares, another head."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.demo import materials as rows
from understudy.demo.props.layer import Layer, Picture
from understudy.demo.props.place import Place
from understudy.demo.props.texture import smoke_noise
from understudy.face import regions


def smoke(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A drifting cloud, dense in places, thin in others."""
    size, unit = place.size, place.unit_px
    still = smoke_noise(rng, size, rng.uniform(4.0, 9.0) * unit)
    warp = 2.0 * unit * np.dstack([smoke_noise(rng, size, 5 * unit, 3), smoke_noise(rng, size, 5 * unit, 3)])
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    turbulent = cv2.remap(
        still, x + warp[..., 0], y + warp[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    at = place.pixel(rng.uniform(-8, 8), rng.uniform(-8, 12))
    spread = rng.uniform(4.0, 12.0) * unit
    reach = np.exp(-(((x - at[0]) / spread) ** 2) - ((y - at[1]) / (spread * rng.uniform(0.6, 1.8))) ** 2)
    dense = np.clip(0.35 + 0.35 * turbulent, 0, 1) * reach * rng.uniform(0.8, 1.8)
    alpha = np.clip(1.0 - np.exp(-1.3 * dense), 0, 0.95).astype(np.float32)
    tone = np.array(
        ((0.55, 0.56, 0.58), (0.30, 0.31, 0.33), (0.75, 0.74, 0.72))[int(rng.integers(3))], np.float32
    )
    light = place.look[rows.KEY] * 0.45 + place.look[rows.FILL] * 0.4 + place.look[rows.SKY]
    shade = np.clip(0.85 + 0.15 * cv2.GaussianBlur(turbulent, (0, 0), 0.5 * unit), 0.4, 1.3)
    return [Layer((tone * light * shade[..., None]).astype(np.float32), alpha, regions.FRONT)]


def other_head(place: Place, rng: np.random.Generator, other: Picture) -> list[Layer]:
    """Another performer's head, moved in front of a part of this one."""
    alpha = 1.0 - other.mattes[..., regions.BACKGROUND]
    way, far = rng.uniform(0, 2 * np.pi), rng.uniform(9.0, 14.0) * place.unit_px
    scale = float(rng.uniform(0.95, 1.5))
    half = 0.5 * (place.size - 1)
    shift = np.array([far * np.cos(way), abs(far * np.sin(way)) * 0.6])
    if abs(shift[0]) < 6.0 * place.unit_px:
        shift[1] = rng.uniform(11, 15) * place.unit_px
    offset = half + shift - scale * half
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]], np.float64)
    both = np.dstack([other.pixels * alpha[..., None], alpha]).astype(np.float32)
    seen = cv2.warpAffine(both, matrix, (place.size, place.size))
    colour = seen[..., :3] / np.maximum(seen[..., 3:], 1e-3)
    return [Layer(colour.astype(np.float32), np.clip(seen[..., 3], 0, 1), regions.FRONT, shadow=0.4)]
