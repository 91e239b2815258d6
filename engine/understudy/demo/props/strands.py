"""Hair that falls over a face: fringes, loose locks and single strands."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.demo import materials as rows
from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place
from understudy.demo.props.texture import spline
from understudy.demo.template import Floats
from understudy.face import regions

_FINE = 4
"""Strands are drawn this many times as large, for they are thinner than a pixel."""


def _paint(
    place: Place, rng: np.random.Generator, curves: list[Floats], width_cm: tuple[float, float]
) -> Layer:
    """Draw strands from root to tip, each in its own brightness, with a band of highlight."""
    size, unit = place.size * _FINE, place.unit_px * _FINE
    tone = np.array(place.hair, np.float32)
    light = (place.look[rows.KEY] * 0.5 + place.look[rows.FILL] * 0.6 + place.look[rows.SKY]) * tone
    shine = place.look[rows.KEY] * (0.03 + 0.35 * tone)
    planes = np.zeros((size, size, 3), np.float32)
    alpha = np.zeros((size, size), np.float32)
    band, wide = rng.uniform(0.2, 0.6), rng.uniform(0.08, 0.25)
    for curve in curves:
        points = np.round(curve * _FINE * 16).astype(np.int32)
        level = float(np.clip(rng.normal(1.0, 0.35), 0.3, 2.2))
        root = rng.uniform(*width_cm) * unit
        steps = len(points) - 1
        for k in range(steps):
            t = k / steps
            thick = max(1, round(root * (1.0 - 0.75 * t)))
            glow = float(np.exp(-(((t - band) / wide) ** 2)))
            colour = level * (light + glow * shine)
            a, b = tuple(map(int, points[k])), tuple(map(int, points[k + 1]))
            cv2.line(planes, a, b, tuple(map(float, colour)), thick, cv2.LINE_8, 4)
            cv2.line(alpha, a, b, 1.0, thick, cv2.LINE_8, 4)
    both = cv2.resize(np.dstack([planes, alpha]), (place.size, place.size), interpolation=cv2.INTER_AREA)
    colour = both[..., :3] / np.maximum(both[..., 3:], 1e-3)
    return Layer(
        colour.astype(np.float32), np.clip(both[..., 3], 0, 1).astype(np.float32), regions.HAIR, shadow=0.3
    )


def fringe(place: Place, rng: np.random.Generator) -> list[Layer]:
    """Hair from the hairline down over the forehead, at times into the eyes."""
    count = int(rng.integers(60, 220))
    end = float(rng.uniform(-2.8, 1.2))
    sweep = float(rng.uniform(-4.0, 4.0))
    left, right = sorted(rng.uniform(-7.2, 7.2, 2))
    left, right = min(left, -2.0), max(right, 2.0)
    if rng.random() < 0.25:  # a curtain over one side of the face
        count, end = 2 * count, float(rng.uniform(3.0, 12.0))
        left, right = sorted(rng.choice((-1, 1)) * np.array([rng.uniform(0.5, 4.0), 7.8]))
    locks = rng.uniform(left, right, 14)
    curves = []
    for _ in range(count):
        x = float(rng.uniform(left, right))
        lock = float(locks[np.argmin(np.abs(locks - x))])
        root = (0.9 * x, -7.6 - 0.8 * np.cos(x / 5.0) + rng.normal(0, 0.3))
        tip = (
            x + 0.55 * (lock - x) + sweep + rng.normal(0, 0.3),
            end + 0.35 * abs(x) ** 1.1 * 0.3 + rng.normal(0, 0.6),
        )
        middle = (
            0.5 * (root[0] + tip[0]) - 0.2 * sweep + rng.normal(0, 0.12),
            0.5 * (root[1] + tip[1]) - 0.6,
        )
        known = np.array([root, middle, tip])
        curves.append(spline(place.pixel(known[:, 0], known[:, 1]), 12))
    return [_paint(place, rng, curves, (0.10, 0.28))]


def locks(place: Place, rng: np.random.Generator) -> list[Layer]:
    """One to five loose locks across the face, or a few single hairs."""
    curves, single = [], rng.random() < 0.35
    for _ in range(int(rng.integers(1, 6))):
        start = np.array([rng.uniform(-7, 7), rng.uniform(-8.5, -5.0)])
        length = rng.uniform(4, 17)
        lean = rng.uniform(-0.7, 0.7) - 0.05 * start[0] * rng.choice((-1, 1))
        wave, phase = rng.uniform(0.1, 0.9), rng.uniform(0, 6)
        t = np.linspace(0, 1, 7)
        body = np.stack(
            [start[0] + length * lean * t + wave * np.sin(5 * t + phase), start[1] + length * t], -1
        )
        for _ in range(1 if single else int(rng.integers(8, 45))):
            spread = rng.normal(0, 0.35) * (0.5 + 1.2 * np.sin(np.pi * t)) + rng.normal(0, 0.05, 7)
            hair = body + np.stack([spread, rng.normal(0, 0.1, 7)], -1)
            hair = hair[: int(rng.integers(5, 8))]
            curves.append(spline(place.pixel(hair[:, 0], hair[:, 1]), 16))
    return [_paint(place, rng, curves, (0.06, 0.12) if single else (0.05, 0.16))]
