"""Colours that things are made in, and an object's own axes."""

from __future__ import annotations

import numpy as np

from understudy.demo.props.place import Place, lit
from understudy.demo.template import Floats

Colour = tuple[float, float, float]
_BRIGHT: tuple[Colour, ...] = (
    (0.55, 0.05, 0.04),
    (0.05, 0.16, 0.50),
    (0.65, 0.50, 0.05),
    (0.06, 0.30, 0.10),
    (0.70, 0.70, 0.68),
    (0.04, 0.04, 0.045),
    (0.55, 0.20, 0.38),
    (0.35, 0.18, 0.08),
)


def bright(rng: np.random.Generator) -> Colour:
    """A colour that things are made in."""
    return _BRIGHT[int(rng.integers(len(_BRIGHT)))]


def dyed(rng: np.random.Generator) -> Colour:
    """A colour that cloth is dyed in: mostly muted."""
    red, green, blue = np.array(bright(rng)) * (1.0 - (mix := rng.uniform(0.1, 0.8))) + mix * rng.uniform(
        0.02, 0.5
    )
    return float(red), float(green), float(blue)


def axis(place: Place, at_cm: tuple[float, float], angle: float) -> tuple[Floats, Floats, Floats]:
    """A point, and steps of 1 cm along an object (at 0 degrees down the face) and across it, in pixels."""
    origin = place.pixel(*at_cm)
    down = place.down
    right = np.array([down[1], -down[0]])
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return origin, place.unit_px * (c * down + s * right), place.unit_px * (c * right - s * down)


def local(place: Place, at_cm: tuple[float, float], angle: float) -> tuple[Floats, Floats]:
    """Every pixel's centimetres along and across an object."""
    origin, along, across = axis(place, at_cm, angle)
    y, x = np.mgrid[0 : place.size, 0 : place.size].astype(np.float32)
    scale = place.unit_px**2
    px, py = x - origin[0], y - origin[1]
    return (
        np.asarray((px * along[0] + py * along[1]) / scale, np.float32),
        np.asarray((px * across[0] + py * across[1]) / scale, np.float32),
    )


def edge(inside_cm: Floats, place: Place) -> Floats:
    """Matte from signed centimetres inside an outline."""
    return np.asarray(np.clip(inside_cm * place.unit_px + 0.5, 0.0, 1.0), np.float32)


def metal(place: Place, normal: Floats, tint: Colour, rough: float = 0.0) -> Floats:
    """Polished metal: it mirrors a room of bright and dark bands."""
    bands = 0.30 + 0.45 * np.sin(3.2 * normal[..., 1] + 1.2) + 0.30 * np.sin(7.0 * normal[..., 0] + 0.5)
    bands = np.clip(bands + 0.15 * np.sin(13.0 * normal[..., 1]), 0.04, 1.2) * (1.0 - rough) + 0.4 * rough
    base = np.array(tint, np.float32) * bands[..., None]
    return lit(place, base, normal, gloss=0.7 - 0.5 * rough, power=90.0, soft=0.6)
