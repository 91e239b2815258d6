"""Where a prop stands: the face's own axes on the picture, and the light that falls on it.

Convention:
    Face coordinates are centimetres from the middle between the eyes, x right and y down in the picture,
    turned with the head's roll. Directions of light are the renderer's: x right, y up, z to the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.demo import materials as rows
from understudy.demo.template import Floats

_EYES_TO_CHIN_CM = 11.6


@dataclass(frozen=True)
class Place:
    """A face on its picture, and its light."""

    size: int
    """Edge of the square picture in pixels."""
    landmarks: Floats
    """(68, 2) pixels."""
    look: Floats
    """(LOOK_ROWS, 3) of `lighting.look_table`."""
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]

    @property
    def eyes(self) -> Floats:
        """(2, 2) middles of both eyes, the left of the picture first."""
        marks = self.landmarks
        return np.stack([marks[36:42].mean(0), marks[42:48].mean(0)])

    @property
    def unit_px(self) -> float:
        """Pixels of one centimetre, from the eyes to the chin, which turning does not shorten."""
        return float(np.linalg.norm(self.landmarks[8] - self.eyes.mean(0))) / _EYES_TO_CHIN_CM

    @property
    def down(self) -> Floats:
        """(2,) unit direction from the eyes to the chin."""
        way = self.landmarks[8] - self.eyes.mean(0)
        return np.asarray(way / np.linalg.norm(way))

    def pixel(self, x_cm: float | Floats, y_cm: float | Floats) -> Floats:
        """Face coordinates to (…, 2) pixels."""
        down = self.down
        right = np.array([down[1], -down[0]])
        x, y = np.asarray(x_cm)[..., None], np.asarray(y_cm)[..., None]
        return np.asarray(self.eyes.mean(0) + self.unit_px * (x * right + y * down))

    @property
    def light_xy(self) -> tuple[float, float]:
        """The key light's direction on the picture, y down."""
        key = self.look[rows.KEY_DIR]
        return float(key[0]), float(-key[1])


def lit(
    place: Place,
    albedo: Floats,
    normal: Floats,
    *,
    gloss: float = 0.0,
    power: float = 20.0,
    soft: float = 0.15,
) -> Floats:
    """Light a surface as the renderer's materials are lit.

    Args:
        place: Whose light.
        albedo: (…, 3) scene-linear.
        normal: (…, 3) unit, x right, y up, z to the camera.
        gloss: Strength of the highlight.
        power: Its sharpness.
        soft: How far light wraps round the edge to the dark side.

    Returns:
        (…, 3) float32 scene-linear radiance.
    """
    look = place.look
    key = np.clip((normal @ look[rows.KEY_DIR] + soft) / (1.0 + soft), 0.0, None)[..., None]
    fill = np.clip((normal @ look[rows.FILL_DIR] + 0.5) / 1.5, 0.0, None)[..., None]
    rim = np.clip(normal @ look[rows.RIM_DIR], 0.0, None)[..., None]
    sky = (0.5 + 0.5 * normal[..., 1])[..., None]
    light = key * look[rows.KEY] + fill * look[rows.FILL] + 0.5 * rim * look[rows.RIM]
    light = light + look[rows.GROUND] + (look[rows.SKY] - look[rows.GROUND]) * sky
    colour = albedo * light
    if gloss > 0:
        half = look[rows.KEY_DIR] + np.array([0.0, 0.0, 1.0], np.float32)
        half = half / np.linalg.norm(half)
        shine = np.clip(normal @ half, 0.0, None) ** power * (power + 8.0) * 0.04
        colour = colour + gloss * shine[..., None] * look[rows.KEY]
    return np.asarray(colour, dtype=np.float32)
