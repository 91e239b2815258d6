"""The lights of one frame as the table that the shading kernel reads, and the key light's shadow map."""

from __future__ import annotations

import numpy as np

from understudy.demo import materials as rows
from understudy.demo.identity import Identity
from understudy.demo.mesh import Soup
from understudy.demo.performance import Light
from understudy.demo.raster import rasterise
from understudy.demo.template import Floats

_SHADOW_SIZE = 384
_SHADOW_HALF_CM = 22.0
_SHADOW_CENTRE = np.array([0.0, -4.0, -8.0])


def look_table(identity: Identity, face: Identity, light: Light) -> Floats:
    """Directions and colours for `shade`.

    Args:
        identity: Whose skin tone, hair and shirt.
        face: Whose irises.
        light: The frame's light.

    Returns:
        (LOOK_ROWS, 3) float32.
    """
    table = np.zeros((rows.LOOK_ROWS, 3))
    warm = np.array([1.0 + 0.16 * light.warmth, 1.0, 1.0 - 0.24 * light.warmth])
    cool = np.array([1.0 - 0.08 * light.warmth, 1.0, 1.0 + 0.12 * light.warmth])
    level = 2.0**light.exposure
    table[rows.KEY_DIR] = _direction(light.azimuth, light.elevation)
    table[rows.FILL_DIR] = _direction(-0.9 * light.azimuth - np.sign(light.azimuth) * 18.0, 8.0)
    table[rows.RIM_DIR] = _direction(-np.sign(light.azimuth) * 142.0, 28.0)
    table[rows.KEY] = 1.22 * level * warm * (1.05, 1.0, 0.93)
    table[rows.FILL] = 1.22 * level * light.fill * 0.62 * cool
    table[rows.RIM] = 1.22 * level * light.rim * 1.1 * cool
    table[rows.SKY] = level * (0.10 + 0.22 * light.fill) * np.array([0.95, 1.0, 1.08])
    table[rows.GROUND] = level * (0.09 + 0.16 * light.fill) * np.array([1.08, 1.0, 0.92])
    table[rows.TONE] = identity.skin
    table[rows.HAIR_TONE] = identity.hair
    table[rows.IRIS] = face.iris
    table[rows.SHIRT_TONE] = identity.shirt
    table[rows.MOUTH_TONE] = (0.34, 0.10, 0.09)
    return table.astype(np.float32)


def _direction(azimuth: float, elevation: float) -> Floats:
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


def shadow_map(soup: Soup, cuts: Floats, look: Floats) -> tuple[Floats, Floats]:
    """Heights towards the key light.

    Args:
        soup: The scene.
        cuts: Cut-out textures.
        look: From `look_table`.

    Returns:
        (S, S) float32 heights in centimetres, and the (3, 4) float32 map from the world to texel x, y
        and height.
    """
    towards = look[rows.KEY_DIR].astype(float)
    right = np.cross([0.0, 1.0, 0.0], towards)
    right /= np.linalg.norm(right)
    above = np.cross(towards, right)
    scale = 0.5 * _SHADOW_SIZE / _SHADOW_HALF_CM
    axes = np.stack([scale * right, -scale * above, towards])
    offset = np.array([0.5 * _SHADOW_SIZE, 0.5 * _SHADOW_SIZE, 0.0]) - axes @ _SHADOW_CENTRE
    frame = np.concatenate([axes, offset[:, None]], 1).astype(np.float32)
    screen = soup.points @ frame[:, :3].T + frame[:, 3]
    _, near = rasterise(
        screen.astype(np.float32),
        soup.uv,
        soup.triangles,
        soup.cut_layer,
        soup.cut_level,
        cuts,
        _SHADOW_SIZE,
        _SHADOW_SIZE,
    )
    return near, frame
