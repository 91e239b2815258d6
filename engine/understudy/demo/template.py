"""The bare head that every performer shares: rings round the skull, face and neck, without features.

Convention:
    Centimetres; x right in the picture, y up, z towards the camera; y = 0 is the eye line, z = 0 lies
    near the glabella. A grid point (row, column) runs from the crown down, and from the back of the head
    round by the left of the picture, the face (middle column) and the right.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.floating[Any]]

ROWS = 262
COLUMNS = 225

# One line a ring: parameter, front (y, z), side (x, y, z), back (y, z). Sizes after Farkas 1994.
_RINGS = np.array(
    [
        (0.0, 11.9, -8.4, 0.05, 11.9, -8.5, 11.9, -8.6),
        (1.0, 11.3, -5.0, 3.6, 11.3, -8.5, 11.2, -12.0),
        (2.0, 9.7, -2.3, 6.1, 9.4, -8.6, 9.4, -15.2),
        (3.0, 7.2, -0.75, 7.3, 6.4, -8.8, 6.2, -17.4),
        (4.0, 4.6, 0.05, 7.5, 3.6, -8.8, 3.0, -18.2),
        (5.0, 2.2, 0.35, 7.35, 1.4, -8.6, 1.0, -18.2),
        (6.0, 0.3, -0.05, 7.1, -0.3, -8.4, -0.8, -17.9),
        (7.0, -1.8, -0.10, 6.95, -1.9, -8.2, -3.0, -17.0),
        (8.0, -4.6, 0.15, 6.55, -4.0, -8.1, -5.5, -15.6),
        (9.0, -7.1, 0.25, 6.0, -5.9, -8.0, -7.3, -14.6),
        (10.0, -9.0, -0.05, 5.5, -7.1, -7.9, -8.6, -14.2),
        (11.0, -10.4, 0.0, 5.15, -7.9, -7.8, -9.5, -14.1),
        (11.8, -11.4, -0.55, 4.95, -8.4, -7.8, -10.2, -14.1),
        (12.6, -11.95, -1.8, 4.85, -9.1, -7.9, -10.8, -14.1),
        (13.6, -11.9, -3.9, 4.65, -10.1, -8.3, -11.5, -14.2),
        (14.6, -12.4, -5.3, 4.7, -11.5, -8.7, -12.4, -14.4),
        (16.0, -15.0, -5.6, 5.15, -14.2, -9.1, -14.8, -14.8),
        (18.0, -20.0, -5.0, 7.0, -19.0, -9.5, -19.0, -15.5),
    ]
)
# Ring parameter by share of the rows: most rows lie between the brows and the chin.
_ROW_KEYS = (
    (0.0, 0.13, 0.22, 0.42, 0.54, 0.64, 0.80, 0.93, 1.0),
    (0.0, 3.0, 4.6, 6.9, 7.9, 8.7, 11.0, 13.6, 18.0),
)


@dataclass(frozen=True)
class Template:
    """The shared grid. All arrays are (ROWS, COLUMNS) float32, `points` with a last axis of 3."""

    points: Floats
    angle: Floats
    """Radians round the head; 0 is the face's middle, positive to the right of the picture."""
    flat_x: Floats
    """The template's own x, by which features are placed (front half)."""
    flat_y: Floats
    front: Floats
    """1 over the face, 0 behind the ears."""
    ring: Floats
    """Ring parameter of `_RINGS`: 11.4 is about the jaw's edge, 13.6 the throat."""


@lru_cache(maxsize=1)
def template() -> Template:
    """The shared grid, built once."""
    share = np.linspace(0.0, 1.0, ROWS)
    ring = PchipInterpolator(*_ROW_KEYS)(share)
    t = np.linspace(-1.0, 1.0, COLUMNS)
    angle = np.pi * (0.50 * t + 0.50 * t**3)
    curve = PchipInterpolator(_RINGS[:, 0], _RINGS[:, 1:])(ring)
    front_y, front_z, side_x, side_y, side_z, back_y, back_z = (c[:, None] for c in curve.T)
    sine, cosine = np.sin(angle)[None], np.cos(angle)[None]
    ahead = np.clip(cosine, 0.0, None)
    behind = np.clip(-cosine, 0.0, None)
    power = 1.06 + 0.55 * np.exp(-(((ring[:, None] - 11.3) / 1.6) ** 2))
    x = side_x * np.sign(sine) * np.abs(sine) ** 0.98
    z = side_z + (front_z - side_z) * ahead**1.0 + (back_z - side_z) * behind**0.95
    y = side_y + (front_y - side_y) * ahead**power + (back_y - side_y) * behind
    points = np.stack([x, y, z], -1).astype(np.float32)
    front = np.clip((cosine + 0.15) / 0.45, 0.0, 1.0) * np.ones_like(y)
    front = front * front * (3.0 - 2.0 * front)
    return Template(
        points=points,
        angle=np.broadcast_to(angle.astype(np.float32), points.shape[:2]).copy(),
        flat_x=points[..., 0].copy(),
        flat_y=points[..., 1].copy(),
        front=front.astype(np.float32),
        ring=np.broadcast_to(ring.astype(np.float32)[:, None], points.shape[:2]).copy(),
    )


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """0 below `low`, 1 above `high`, smooth between; `low` may exceed `high`."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def bump(x: Floats, y: Floats, cx: float, cy: float, sx: float, sy: float) -> Floats:
    """A smooth hill of height 1 at (cx, cy) that falls to 1/e at the distances sx and sy."""
    return np.asarray(np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2), dtype=np.float32)
