"""Backgrounds for crops: gradients, noise, textures, lights out of focus, and rooms.

Convention:
    Scene-linear Rec.709.
"""

from __future__ import annotations

import cv2
import numpy as np

from understudy.demo.props.layer import defocused
from understudy.demo.props.texture import cloud, smoke_noise
from understudy.demo.template import Floats

# Skin and hair stand behind faces as well: walls and wood of their colours, and crowds.
_WARM = ((0.55, 0.36, 0.27), (0.40, 0.23, 0.15), (0.20, 0.11, 0.07), (0.10, 0.05, 0.03), (0.02, 0.016, 0.014))


def _colour(rng: np.random.Generator) -> Floats:
    if rng.random() < 0.3:
        base = np.array(_WARM[int(rng.integers(len(_WARM)))])
        return np.asarray(base * rng.uniform(0.6, 1.5), np.float32)
    level = rng.choice((rng.uniform(0.005, 0.08), rng.uniform(0.05, 0.4), rng.uniform(0.3, 1.1)))
    return np.asarray(level * np.clip(1.0 + 0.4 * rng.normal(size=3), 0.1, 2.0), np.float32)


def background(rng: np.random.Generator, size: int) -> Floats:
    """(size, size, 3) float32: what stands behind a performer."""
    draw = (_gradient, _blobs, _texture, _lines, _room, _lights)[int(rng.integers(6))]
    picture = draw(rng, size)
    if rng.random() < 0.6:
        picture = defocused(picture, float(rng.uniform(0.5, 6.0)))
    return np.asarray(np.clip(picture, 0.001, 8.0), dtype=np.float32)


def _gradient(rng: np.random.Generator, size: int) -> Floats:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = rng.uniform(0, 2 * np.pi)
    t = np.clip(0.5 + (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle), 0, 1)[..., None]
    first, second = _colour(rng), _colour(rng)
    return np.asarray(first + t * (second - first), np.float32)


def _blobs(rng: np.random.Generator, size: int) -> Floats:
    picture = _gradient(rng, size)
    for _ in range(int(rng.integers(3, 14))):
        soft = np.clip(cloud(rng, size, rng.uniform(0.1, 0.6) * size) - rng.uniform(0.0, 1.2), 0, 1)[
            ..., None
        ]
        picture = picture + soft * (_colour(rng) - picture)
    return picture


def _texture(rng: np.random.Generator, size: int) -> Floats:
    noise = smoke_noise(rng, size, rng.uniform(4, 60), octaves=int(rng.integers(2, 7)))
    t = np.clip(0.5 + 0.3 * noise, 0, 1)[..., None]
    first, second = _colour(rng), _colour(rng)
    return np.asarray(first + t * (second - first), np.float32)


def _lines(rng: np.random.Generator, size: int) -> Floats:
    """Bricks, planks, stripes, blinds, railings."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    angle, step = rng.uniform(-0.3, 0.3) + rng.choice((0.0, np.pi / 2)), rng.uniform(6, 60)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    row = np.floor(v / step)
    wall = np.abs((v / step) % 1.0 - 0.5) * 2 > rng.uniform(0.6, 0.95)
    if rng.random() < 0.5:
        wall |= np.abs((u / (step * rng.uniform(1.5, 4)) + 0.5 * (row % 2)) % 1.0 - 0.5) * 2 > 0.93
    shade = 1.0 + 0.3 * np.sin(row * 12.9898) + 0.1 * cloud(rng, size, 3.0)
    first, second = _colour(rng), _colour(rng)
    return np.asarray(np.where(wall[..., None], second, first * shade[..., None]), np.float32)


def _room(rng: np.random.Generator, size: int) -> Floats:
    """Polygons in many colours: furniture, windows, people far away."""
    picture = np.ascontiguousarray(_gradient(rng, size))
    for _ in range(int(rng.integers(6, 30))):
        at, reach = rng.uniform(-0.1, 1.1, 2) * size, rng.uniform(0.05, 0.4) * size
        corners = at + rng.uniform(-1, 1, (int(rng.integers(3, 6)), 2)) * reach
        colour = tuple(map(float, _colour(rng)))
        if rng.random() < 0.4:
            axes = (int(reach * rng.uniform(0.2, 1)) + 1, int(reach * rng.uniform(0.2, 1)) + 1)
            cv2.ellipse(
                picture,
                (int(at[0]), int(at[1])),
                axes,
                float(rng.uniform(0, 180)),
                0,
                360,
                colour,
                -1,
                cv2.LINE_AA,
            )
        else:
            cv2.fillConvexPoly(picture, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA)
    grain = 1.0 + 0.08 * cloud(rng, size, 4.0)
    return np.asarray(picture * grain[..., None], np.float32)


def _lights(rng: np.random.Generator, size: int) -> Floats:
    picture = _gradient(rng, size) * 0.3
    for _ in range(int(rng.integers(8, 40))):
        plane = np.zeros((size, size), np.float32)
        at = (int(rng.integers(0, size)), int(rng.integers(0, size)))
        cv2.circle(plane, at, int(rng.integers(2, max(3, size // 9))), 1.0, -1, cv2.LINE_AA)
        picture = picture + rng.uniform(0.1, 0.7) * plane[..., None] * (_colour(rng) * 2 - picture)
    return np.asarray(picture, np.float32)
