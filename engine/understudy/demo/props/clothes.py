"""Cloth, and what is made of it: scarves and masks."""

from __future__ import annotations

import cv2
import numpy as np

from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place, lit
from understudy.demo.props.surface import dyed
from understudy.demo.props.texture import cloud, filled, knit, normal_of, spline
from understudy.demo.template import Floats
from understudy.face import regions


def cloth(place: Place, rng: np.random.Generator, folds: Floats, woven: bool) -> Floats:
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


def folded(place: Place, rng: np.random.Generator, stretch: float) -> Floats:
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
    colour = cloth(place, rng, folded(place, rng, 0.3), woven=bool(rng.random() < 0.6))
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
    return [_strings(place, left, right), Layer(colour, alpha, regions.FRONT, shadow=0.5)]


def _strings(place: Place, left: Floats, right: Floats) -> Layer:
    """From a mask's corners to the ears."""
    alpha = np.zeros((place.size, place.size), np.float32)
    for corner, ear in ((left, place.landmarks[0]), (right, place.landmarks[16])):
        scaled = [np.round(np.stack([corner, ear]) * 16).astype(np.int32)]
        cv2.polylines(alpha, scaled, False, 1.0, max(1, round(0.25 * place.unit_px)), cv2.LINE_AA, 4)
    return Layer(np.full((*alpha.shape, 3), 0.45, np.float32), alpha, regions.FRONT)
