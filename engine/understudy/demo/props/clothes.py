"""Scarves, masks and hats: outlines round a head, filled with cloth."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place, lit
from understudy.demo.props.surface import dyed
from understudy.demo.props.texture import cloud, filled, knit, normal_of, spline
from understudy.demo.template import Floats
from understudy.face import regions


def _cloth(place: Place, rng: np.random.Generator, folds: Floats, woven: bool) -> Floats:
    """Lit cloth with folds (height in centimetres) and a knit or a print."""
    size, unit = place.size, place.unit_px
    first, second = np.array(dyed(rng), np.float32), np.array(dyed(rng), np.float32)
    albedo = np.ones((size, size, 3), np.float32) * first
    style = rng.random()
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / unit
    bend = folds * 1.5
    if style < 0.25:
        stripe = np.sin((x * rng.uniform(-1, 1) + y + bend) * rng.uniform(1.5, 5.0)) > rng.uniform(-0.4, 0.6)
        albedo = np.where(stripe[..., None], second, albedo)
    elif style < 0.4:
        plaid = (np.sin(2.4 * (x + bend)) > 0.2).astype(np.float32) + (np.sin(2.4 * (y + bend)) > 0.2)
        albedo = albedo + 0.5 * plaid[..., None] * (second - albedo)
    height = folds.copy()
    if woven:
        pattern = knit(size, max(2.0, rng.uniform(0.35, 0.7) * unit), float(rng.uniform(-0.6, 0.6)))
        albedo = albedo * (0.55 + 0.6 * pattern[..., None])
        height = height + 0.10 * pattern
    albedo = albedo * (1.0 + 0.05 * cloud(rng, size, 0.12 * unit))[..., None]
    normal = normal_of((height * unit).astype(np.float32), 1.2)
    dark = np.clip(1.0 - 0.9 * (cv2.GaussianBlur(folds, (0, 0), 0.5 * unit) - folds), 0.35, 1.15)
    return lit(place, albedo.astype(np.float32), normal, soft=0.3) * dark[..., None].astype(np.float32)


def _folds(place: Place, rng: np.random.Generator, stretch: float) -> Floats:
    """Soft ridges, longer across the face than down it."""
    size = place.size
    noise = cloud(rng, size, 2.2 * place.unit_px)
    wide = cv2.resize(noise[: max(8, int(size * stretch)), :], (size, size), interpolation=cv2.INTER_CUBIC)
    turned = 0.6 * wide + 0.4 * cloud(rng, size, 1.2 * place.unit_px) * 0.5
    return np.asarray(0.45 * np.abs(np.sin(1.3 * turned)) + 0.2 * turned, dtype=np.float32)


def scarf(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A scarf round the neck, at times up over the chin or the nose."""
    top = float(rng.choice((10.5, 9.0, 7.0, 4.0), p=(0.35, 0.3, 0.2, 0.15)))
    marks, unit = place.landmarks, place.unit_px
    low = int(np.clip(round((top + 1.0) / 2.2), 1, 5))
    left, right = marks[low] - (0.7 * unit, 0), marks[16 - low] + (0.7 * unit, 0)
    middle = place.pixel(rng.uniform(-0.6, 0.6), top)
    middle = middle + (0.5 * (left + right) - place.pixel(0.0, top)) * (0.4, 0.0)
    edge = spline(
        np.stack(
            [
                left,
                0.55 * middle + 0.45 * left + (0, 0.5 * unit),
                middle,
                0.55 * middle + 0.45 * right + (0, 0.5 * unit),
                right,
            ]
        ),
        60,
    )
    edge[:, 1] += 0.18 * unit * np.interp(np.arange(60), np.arange(0, 64, 4), rng.normal(size=16))
    below = place.pixel(0.0, 30.0)
    outline = np.vstack(
        [
            edge,
            right + np.array([3.2, 2.0]) * unit,
            below + np.array([13.0, 0.0]) * unit,
            below - (13 * unit, 0),
            left + np.array([-3.2, 2.0]) * unit,
        ]
    )
    colour = _cloth(place, rng, _folds(place, rng, 0.3), woven=bool(rng.random() < 0.6))
    return [Layer(colour, filled(place.size, outline), regions.FRONT, shadow=0.6)]


def mask(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A surgical or a cloth mask from the nose's bridge to under the chin."""
    marks, unit = place.landmarks, place.unit_px
    top = marks[28] + 0.5 * unit * place.down
    left, right = marks[2], marks[14]
    chin = marks[8] + 0.5 * unit * place.down
    points = np.stack(
        [
            left,
            0.5 * (left + top) + 0.25 * unit * place.down,
            top,
            0.5 * (right + top) + 0.25 * unit * place.down,
            right,
            marks[12],
            marks[10],
            chin,
            marks[6],
            marks[4],
        ]
    )
    alpha = filled(place.size, spline(points, 160, closed=True))
    y, x = np.mgrid[0 : place.size, 0 : place.size].astype(np.float32)
    down = place.down
    v = ((x - top[0]) * down[0] + (y - top[1]) * down[1]) / unit
    u = ((x - top[0]) * down[1] - (y - top[1]) * down[0]) / unit
    pleats = 0.16 * np.abs(np.sin(v * np.pi / 2.4)) * (rng.random() < 0.6)
    dome = 1.9 * np.sqrt(np.clip(1.0 - (u / 7.5) ** 2 - ((v - 4.2) / 7.0) ** 2, 0, 1))
    height = (dome + pleats + 0.03 * cloud(rng, place.size, 0.9 * unit)).astype(np.float32)
    paint = ((0.30, 0.48, 0.58), (0.70, 0.70, 0.70), (0.02, 0.02, 0.025), dyed(rng))[int(rng.integers(4))]
    albedo = np.array(paint, np.float32) * (1.0 + 0.03 * cloud(rng, place.size, 2.0))[..., None]
    colour = lit(place, albedo.astype(np.float32), normal_of(height * unit, 1.0), soft=0.3)
    strings = np.zeros_like(alpha)
    for a, b in ((left, marks[0]), (right, marks[16])):
        scaled = [np.round(np.stack([a, b]) * 16).astype(np.int32)]
        cv2.polylines(strings, scaled, False, 1.0, max(1, round(0.25 * unit)), cv2.LINE_AA, 4)
    cord = np.ones_like(colour) * 0.45
    return [
        Layer(cord.astype(np.float32), strings, regions.FRONT),
        Layer(colour, alpha, regions.FRONT, shadow=0.5),
    ]


def hat(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A woollen hat, a cap with a peak, a hat with a brim, or a hood."""
    kind = str(rng.choice(("beanie", "cap", "brim", "hood")))
    marks = place.landmarks
    line = float(rng.uniform(-6.5, -3.6)) if kind == "beanie" else float(rng.uniform(-6.0, -4.2))
    # A turned head's middle moves against its ears.
    centre = (
        float((marks[27] - 0.5 * (marks[0] + marks[16])) @ (place.down[1], -place.down[0])) / place.unit_px
    )
    half = float(rng.uniform(8.8, 10.2))
    tall = float(rng.uniform(-15.0, -12.5))
    shift = -0.5 * centre
    turns = np.linspace(np.pi, 2 * np.pi, 40)
    crown = np.stack([shift + half * np.cos(turns), line + 0.6 + (line - tall) * np.sin(turns)], -1)
    front = np.stack(
        [np.linspace(half, -half, 40) + shift, line + 0.6 - 0.9 * np.sin(np.linspace(0, np.pi, 40))], -1
    )
    folds = _folds(place, rng, 0.6) * (0.5 if kind == "beanie" else 0.25)
    y, x = np.mgrid[0 : place.size, 0 : place.size].astype(np.float32)
    u, v = _face_cm(place, x, y)
    dome = 5.0 * np.sqrt(np.clip(1.0 - ((u - shift) / (half + 0.4)) ** 2, 0, 1)) + 0.25 * (v - line)
    colour = _cloth(place, rng, (dome + folds).astype(np.float32), woven=kind == "beanie")
    outline = np.vstack([crown, front])
    layers = []
    if kind == "hood":
        outer = np.stack(
            [
                shift + (half + 1.6) * np.cos(t := np.linspace(np.pi * 0.75, np.pi * 2.25, 60)),
                1.0 + (1.0 - tall) * np.sin(t),
            ],
            -1,
        )
        inner = np.stack(
            [shift + 7.6 * np.cos(t[::-1]), -0.2 + (line + 5.5 + 6.2) * 0.9 * np.sin(t[::-1]) - 1.2], -1
        )
        outer = outer[8:-8]
        right, left = np.array([[shift + 7.0, 24.0]]), np.array([[shift - 7.0, 24.0]])
        outline = np.vstack([left - (9, 0), outer, right + np.array([9.0, 0.0]), right, inner[6:-6], left])
    layers.append(
        Layer(
            colour, filled(place.size, place.pixel(outline[:, 0], outline[:, 1])), regions.FRONT, shadow=0.5
        )
    )
    if kind in ("cap", "brim"):
        reach = half * (1.0 if kind == "cap" else 1.75)
        deep = float(rng.uniform(1.4, 3.2))
        turn = np.linspace(0, 2 * np.pi, 80)
        peak = np.stack(
            [
                shift + 0.35 * centre + reach * np.cos(turn),
                line + 0.5 + deep * np.sin(turn) * np.where(np.sin(turn) > 0, 1.0, 0.35),
            ],
            -1,
        )
        flat = np.clip((v - line) / 3.0, -1, 1).astype(np.float32)
        brim = _cloth(place, rng, (0.5 * flat + 0.1 * folds).astype(np.float32), woven=False) * 0.8
        layers.append(
            Layer(
                brim.astype(np.float32),
                filled(place.size, place.pixel(peak[:, 0], peak[:, 1])),
                regions.FRONT,
                shadow=0.7,
            )
        )
    return layers


def _face_cm(place: Place, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Every pixel in face coordinates."""
    down, middle = place.down, place.eyes.mean(0)
    px, py = x - middle[0], y - middle[1]
    return (px * down[1] - py * down[0]) / place.unit_px, (px * down[0] + py * down[1]) / place.unit_px
