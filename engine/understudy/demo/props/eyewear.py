"""Glasses and sunglasses, laid through the eyes and back to the ears."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from understudy.demo import materials as rows
from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place, lit
from understudy.demo.props.texture import normal_of
from understudy.demo.template import Floats
from understudy.face import regions


@dataclass(frozen=True)
class Glasses:
    """One pair. Lengths in centimetres."""

    width: float
    height: float
    power: float
    """Of the lens's outline: 2 is round, 5 nearly a rectangle."""
    slope: float
    """How much the outer upper corner rises."""
    frame: float
    colour: tuple[float, float, float]
    metal: bool
    tint: float
    """Opacity of the lens: 0 clear, above 0.8 sunglasses."""
    tint_colour: tuple[float, float, float]
    mirrored: float
    rimless: bool

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Glasses:
        """Any pair that is worn."""
        sun = rng.random() < 0.4
        metal = rng.random() < 0.4
        dark = (
            (0.012, 0.011, 0.011),
            (0.09, 0.035, 0.012),
            (0.25, 0.02, 0.02),
            (0.5, 0.5, 0.48),
            (0.03, 0.05, 0.12),
        )
        metals = ((0.55, 0.55, 0.57), (0.62, 0.43, 0.18), (0.08, 0.08, 0.085))
        options = metals if metal else dark
        weights = None if metal else (0.5, 0.2, 0.1, 0.1, 0.1)
        tints = ((0.008, 0.008, 0.009), (0.03, 0.015, 0.006), (0.01, 0.02, 0.012), (0.01, 0.012, 0.03))
        return cls(
            width=float(rng.uniform(4.6, 6.0)) + 0.3 * sun,
            height=float(rng.uniform(3.2, 5.0)) + 0.3 * sun,
            power=float(rng.uniform(2.0, 4.5)),
            slope=float(rng.uniform(-0.2, 0.6)),
            frame=float(rng.uniform(0.10, 0.2)) if metal else float(rng.uniform(0.2, 0.5)),
            colour=options[int(rng.choice(len(options), p=weights))],
            metal=bool(metal),
            tint=float(rng.uniform(0.75, 0.98)) if sun else float(rng.choice((0.0, 0.0, 0.06, 0.3))),
            tint_colour=tints[int(rng.integers(len(tints)))],
            mirrored=float(rng.uniform(0.0, 0.5)) if sun and rng.random() < 0.4 else 0.0,
            rimless=bool(metal and rng.random() < 0.25),
        )


def _lens(place: Place, pair: Glasses, side: int, centre: Floats, wide_px: float) -> Floats:
    """Signed pixels inside one lens's outline."""
    y, x = np.mgrid[0 : place.size, 0 : place.size].astype(np.float32)
    down = place.down
    right = np.array([down[1], -down[0]])
    u = ((x - centre[0]) * right[0] + (y - centre[1]) * right[1]) / wide_px
    high = 0.5 * pair.height * place.unit_px
    v = ((x - centre[0]) * down[0] + (y - centre[1]) * down[1]) / high
    v = v + pair.slope * 0.25 * side * u
    narrow = 1.0 - 0.14 * np.clip(v, -1, 1)
    r = (np.abs(u / narrow) ** pair.power + np.abs(v) ** pair.power + 1e-9) ** (1.0 / pair.power)
    return np.asarray((1.0 - r) * min(wide_px, high), dtype=np.float32)


def glasses(place: Place, rng: np.random.Generator, pair: Glasses, slip_cm: float = 0.0) -> list[Layer]:
    """Draw a pair on a face.

    Args:
        place: The face.
        rng: For reflections.
        pair: What is worn.
        slip_cm: How far down the nose.

    Returns:
        The clear lens's gleam (no region), and the tinted lenses with frame, bridge and temples (`glasses`).
    """
    unit, size = place.unit_px, place.size
    eyes = place.eyes + (0.25 + slip_cm) * unit * place.down
    gap = float(np.linalg.norm(eyes[1] - eyes[0])) / (6.3 * unit)
    marks = place.landmarks
    nose = marks[27:29].mean(0) + (slip_cm - 0.2) * unit * place.down
    insides, centres = [], []
    for k, side in enumerate((-1, 1)):
        near = abs(float((eyes[k] - nose) @ (eyes[1] - eyes[0]) / np.linalg.norm(eyes[1] - eyes[0])))
        turn = float(np.clip(near / (3.15 * unit), 0.45, 1.08))
        outward = (eyes[k] - nose) / max(float(np.linalg.norm(eyes[k] - nose)), 1e-3)
        centre = eyes[k] + outward * 0.25 * unit * turn
        insides.append(_lens(place, pair, side, centre, 0.5 * pair.width * unit * turn))
        centres.append(centre)
    inside = np.maximum(*insides)
    thick = pair.frame * unit * min(1.0, 0.5 + 0.5 * gap)
    lens = np.clip(inside + 0.5, 0, 1)
    rim = np.clip(0.5 * thick + 0.5 - np.abs(inside), 0, 1) * (0.0 if pair.rimless else 1.0)
    rim = np.maximum(rim, _wires(place, centres, pair, thick, slip_cm * unit * place.down) * (1.0 - lens))
    ridge = normal_of((cv2.GaussianBlur(rim, (0, 0), max(0.6, 0.3 * thick)) * thick).astype(np.float32), 2.0)
    base = np.ones((size, size, 3), np.float32) * np.array(pair.colour, np.float32)
    frame = lit(place, base, ridge, gloss=0.5 if pair.metal else 0.12, power=50.0, soft=0.4)
    return [
        *_glass(place, rng, pair, lens),
        Layer(frame, rim.astype(np.float32), regions.GLASSES, shadow=0.35),
    ]


def _glass(place: Place, rng: np.random.Generator, pair: Glasses, lens: Floats) -> list[Layer]:
    """The lenses: a tint with a gradient, and what they mirror."""
    size = place.size
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    room = np.clip(0.5 + 0.6 * np.sin(7.0 * (x * rng.uniform(-1, 1) + y) + rng.uniform(0, 6)), 0, 1)
    streak = np.clip(
        1.0 - np.abs(((x - y * rng.uniform(0.3, 1.2)) * rng.uniform(4, 9)) % 1.0 - 0.5) * 5, 0, 1
    )
    light = place.look[rows.KEY] * 0.35 + place.look[rows.SKY] * 0.5
    gleam = (rng.uniform(0.02, 0.10) * room + rng.uniform(0.0, 0.18) * streak) * lens
    layers = []
    if pair.tint > 0.1:
        fade = 1.0 - rng.uniform(0, 0.35) * np.clip((y - place.eyes[:, 1].mean() / size) * 6 + 0.5, 0, 1)
        colour = (
            np.array(pair.tint_colour, np.float32) * light * 2 + pair.mirrored * 0.6 * room[..., None] * light
        )
        layers.append(
            Layer(colour.astype(np.float32), (lens * pair.tint * fade).astype(np.float32), regions.GLASSES)
        )
    colour = np.ones((size, size, 3), np.float32) * (light * 2.0).astype(np.float32)
    layers.append(Layer(colour, gleam.astype(np.float32), -1))
    return layers


def _wires(place: Place, centres: list[Floats], pair: Glasses, thick: float, slip: Floats) -> Floats:
    """Matte of the bridge and the temples."""
    size, unit, marks = place.size, place.unit_px, place.landmarks
    plane = np.zeros((size, size), np.float32)
    lift = -0.22 * pair.height * unit * place.down
    between = centres[1] - centres[0]
    step = between / max(float(np.linalg.norm(between)), 1e-3)
    sides = (0.40 * pair.width * unit * step, -0.40 * pair.width * unit * step)
    bridge = np.stack([centres[0] + sides[0], marks[27] + slip, centres[1] + sides[1]]) + 0.6 * lift
    bridge[1] += 0.2 * lift
    strokes = [(bridge, max(1.0, 0.9 * thick))]
    for centre, jaw, way in ((centres[0], marks[0], -1.0), (centres[1], marks[16], 1.0)):
        hinge = centre + way * 0.46 * pair.width * unit * step * _turned(place, centre) + lift
        ear = jaw - 0.9 * unit * place.down + np.minimum(0.0, slip @ place.down) * 0.5 * place.down
        if (ear - hinge) @ step * way > 0.05 * unit:
            strokes.append((np.stack([hinge, ear]), max(0.8, 0.8 * thick)))
    for points, width in strokes:
        scaled = [np.round(points * 16).astype(np.int32)]
        cv2.polylines(plane, scaled, False, 1.0, max(1, round(width)), cv2.LINE_AA, 4)
    return plane


def _turned(place: Place, centre: Floats) -> float:
    """How much narrower a lens looks on a turned head."""
    eyes = place.eyes
    step = (eyes[1] - eyes[0]) / max(float(np.linalg.norm(eyes[1] - eyes[0])), 1e-3)
    near = abs(float((centre - place.landmarks[27]) @ step))
    return float(np.clip(near / (3.4 * place.unit_px), 0.45, 1.05))
