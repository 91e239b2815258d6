"""Hats: woollen ones, caps with a peak, hats with a brim, hoods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.demo.props.clothes import cloth, folded
from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place
from understudy.demo.props.texture import filled
from understudy.demo.template import Floats
from understudy.face import regions


@dataclass(frozen=True)
class _Fit:
    """How a hat sits, in face coordinates."""

    line: float
    """Where its edge runs over the forehead."""
    half: float
    tall: float
    centre: float
    """How far the face's middle has turned away from the ears' middle."""

    @property
    def shift(self) -> float:
        return -0.5 * self.centre


def hat(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A woollen hat, a cap with a peak, a hat with a brim, or a hood."""
    kind = str(rng.choice(("beanie", "cap", "brim", "hood")))
    marks = place.landmarks
    line = float(rng.uniform(-6.5, -3.6)) if kind == "beanie" else float(rng.uniform(-6.0, -4.2))
    across = (place.down[1], -place.down[0])
    centre = float((marks[27] - 0.5 * (marks[0] + marks[16])) @ across) / place.unit_px
    fit = _Fit(line, float(rng.uniform(8.8, 10.2)), float(rng.uniform(-15.0, -12.5)), centre)
    folds = folded(place, rng, 0.6) * (0.5 if kind == "beanie" else 0.25)
    u, v = _face_cm(place)
    dome = 5.0 * np.sqrt(np.clip(1.0 - ((u - fit.shift) / (fit.half + 0.4)) ** 2, 0, 1)) + 0.25 * (v - line)
    colour = cloth(place, rng, (dome + folds).astype(np.float32), woven=kind == "beanie")
    outline = _hood(fit) if kind == "hood" else _crown(fit)
    layers = [Layer(colour, _filled(place, outline), regions.FRONT, shadow=0.5)]
    if kind in ("cap", "brim"):
        outline = _peak(fit, rng, fit.half * (1.0 if kind == "cap" else 1.75))
        flat = np.clip((v - line) / 3.0, -1, 1).astype(np.float32)
        brim = cloth(place, rng, (0.5 * flat + 0.1 * folds).astype(np.float32), woven=False) * 0.8
        layers.append(Layer(brim.astype(np.float32), _filled(place, outline), regions.FRONT, shadow=0.7))
    return layers


def _filled(place: Place, outline: Floats) -> Floats:
    return filled(place.size, place.pixel(outline[:, 0], outline[:, 1]))


def _crown(fit: _Fit) -> Floats:
    """Outline of what covers the skull."""
    turns, edge = np.linspace(np.pi, 2 * np.pi, 40), np.linspace(0, np.pi, 40)
    top = fit.line + 0.6 + (fit.line - fit.tall) * np.sin(turns)
    crown = np.stack([fit.shift + fit.half * np.cos(turns), top], -1)
    low = fit.line + 0.6 - 0.9 * np.sin(edge)
    front = np.stack([np.linspace(fit.half, -fit.half, 40) + fit.shift, low], -1)
    return np.vstack([crown, front])


def _hood(fit: _Fit) -> Floats:
    """Outline of a hood: round the head, open to the face, down to the shoulders."""
    turns = np.linspace(np.pi * 0.75, np.pi * 2.25, 60)
    back = turns[::-1]
    outer = np.stack(
        [fit.shift + (fit.half + 1.6) * np.cos(turns), 1.0 + (1.0 - fit.tall) * np.sin(turns)], -1
    )
    high = -0.2 + (fit.line + 5.5 + 6.2) * 0.9 * np.sin(back) - 1.2
    inner = np.stack([fit.shift + 7.6 * np.cos(back), high], -1)
    right, left = np.array([[fit.shift + 7.0, 24.0]]), np.array([[fit.shift - 7.0, 24.0]])
    step = np.array([9.0, 0.0])
    return np.vstack([left - step, outer[8:-8], right + step, right, inner[6:-6], left])


def _peak(fit: _Fit, rng: np.random.Generator, reach: float) -> Floats:
    """Outline of a brim, which hangs lower before the face than behind the head."""
    deep = float(rng.uniform(1.4, 3.2))
    turn = np.linspace(0, 2 * np.pi, 80)
    low = fit.line + 0.5 + deep * np.sin(turn) * np.where(np.sin(turn) > 0, 1.0, 0.35)
    return np.stack([fit.shift + 0.35 * fit.centre + reach * np.cos(turn), low], -1)


def _face_cm(place: Place) -> tuple[Floats, Floats]:
    """Every pixel in face coordinates."""
    y, x = np.mgrid[0 : place.size, 0 : place.size].astype(np.float32)
    down, middle = place.down, place.eyes.mean(0)
    px, py = x - middle[0], y - middle[1]
    return (px * down[1] - py * down[0]) / place.unit_px, (px * down[0] + py * down[1]) / place.unit_px
