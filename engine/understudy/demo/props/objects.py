"""Things held before a face or in the mouth: microphones, cutlery, cups, food, telephones, straws."""

from __future__ import annotations

import itertools

import numpy as np

from understudy.demo.props.food import lump
from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place, lit
from understudy.demo.props.solid import Solid, solid
from understudy.demo.props.surface import axis, bright, dyed, edge, local, metal
from understudy.demo.props.texture import cloud, filled, normal_of, pattern, spline
from understudy.demo.template import Floats
from understudy.face import regions


def microphone(
    place: Place, rng: np.random.Generator, at_cm: tuple[float, float], angle: float
) -> list[Layer]:
    """A hand-held microphone: a grille or a foam ball, a collar and a tapered body.

    Args:
        at_cm: Middle of its head, in face coordinates.
        angle: Degrees; 0 has the body hang straight down.
    """
    origin, along, _ = axis(place, at_cm, angle)
    unit = place.unit_px
    head = float(rng.uniform(2.3, 3.1))
    foam = rng.random() < 0.4
    tip, collar, end = origin, origin + 0.85 * head * along, origin + 24.0 * along
    body = [*collar, -unit, 1.55 * unit, *end, -2 * unit, 1.1 * unit]
    ring = [
        *(origin + 0.70 * head * along),
        -0.2 * unit,
        1.9 * unit,
        *(origin + 0.95 * head * along),
        0,
        1.75 * unit,
    ]
    ball = [*tip, 0.0, head * unit, *(origin + 0.35 * head * along), 0.0, 0.92 * head * unit]
    shape = solid(
        np.array([body, ring, ball], np.float32), place.size, blend_px=0.02 * unit, hollow_px=0.5 * unit
    )
    albedo = _microphone_paint(place, rng, shape, local(place, at_cm, angle), head, foam)
    gloss = 0.02 if foam else 0.30
    colour = lit(place, albedo, shape.normal, gloss=gloss, power=40.0) * shape.openness[..., None]
    return [Layer(colour, shape.alpha, regions.FRONT, shadow=0.5)]


def _microphone_paint(
    place: Place,
    rng: np.random.Generator,
    shape: Solid,
    along_across: tuple[Floats, Floats],
    head: float,
    foam: bool,
) -> Floats:
    """Its body, collar, and grille or foam."""
    tone = np.array(((0.02, 0.02, 0.022), (0.30, 0.30, 0.31))[int(rng.random() < 0.3)], np.float32)
    albedo = np.ones((place.size, place.size, 3), np.float32) * tone
    u, v = along_across
    fine = 5.2
    mesh = 0.5 + 0.5 * np.sin(fine * (u + v) * 2) * np.sin(fine * (u - v) * 2)
    band = np.exp(-(((u - 0.30 * head) / 0.22) ** 2))
    if foam:
        grain = 1.0 + 0.22 * cloud(rng, place.size, 0.18 * place.unit_px)
        surface = np.array(bright(rng), np.float32) * grain[..., None]
    else:
        level = (0.07, 0.32)[int(rng.random() < 0.6)]
        surface = (level * (0.35 + 0.85 * mesh) * (1.0 - 0.6 * band))[..., None] * np.ones(3, np.float32)
    albedo = np.where((shape.owner == 2)[..., None], surface, albedo)
    return np.where((shape.owner == 1)[..., None], np.float32(0.30), albedo).astype(np.float32)


def headset(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A thin microphone boom from one ear to the mouth's corner."""
    side = int(rng.integers(2))
    marks = place.landmarks
    ear, mouth = marks[1 if side == 0 else 15], marks[48 if side == 0 else 54]
    middle = 0.5 * (ear + mouth) + place.unit_px * 1.2 * place.down
    curve = spline(np.stack([ear, middle, mouth + 0.4 * place.unit_px * place.down]), 14)
    unit = place.unit_px
    rows = [[*a, 0, 0.14 * unit, *b, 0, 0.14 * unit] for a, b in itertools.pairwise(curve)]
    rows.append([*curve[-1], 0, 0.5 * unit, *(curve[-1] + 0.4 * (curve[-1] - curve[-2])), 0, 0.45 * unit])
    shape = solid(np.array(rows, np.float32), place.size, blend_px=0.05 * unit)
    tone = ((0.02, 0.02, 0.02), (0.45, 0.28, 0.20))[int(rng.random() < 0.3)]
    albedo = np.ones((place.size, place.size, 3), np.float32) * np.array(tone, np.float32)
    return [Layer(lit(place, albedo, shape.normal, gloss=0.1), shape.alpha, regions.FRONT, shadow=0.3)]


def cutlery(place: Place, rng: np.random.Generator, at_cm: tuple[float, float], angle: float) -> list[Layer]:
    """A spoon or a fork whose head is at the mouth, the handle running away from it."""
    unit = place.unit_px
    u, v = local(place, at_cm, angle)
    layers = []
    handle = 0.45 - np.abs(v) + 0.02 * np.clip(u - 3.0, 0, 14)
    handle = np.minimum(np.minimum(handle, u - 2.2), 17.0 - u)
    handle = np.where(u < 4.0, np.minimum(handle, 0.32 - np.abs(v)), handle)
    if rng.random() < 0.65:
        bowl = 1.0 - np.hypot(u / 3.1, v / (2.0 - 0.12 * u))
        inside = np.maximum(bowl * 1.9, handle)
        depth = np.where(bowl > 0, -np.sqrt(np.clip(bowl, 0, 1)) * 1.4, 0.35 * np.sqrt(np.clip(handle, 0, 1)))
    else:
        tines = 0.24 - np.abs((v + 1.6) % 0.8 - 0.4)
        fork = np.minimum(np.minimum(1.45 - np.abs(v), u + 3.0), 2.6 - u)
        fork = np.where(
            u < 0.2,
            np.minimum(fork, tines),
            np.minimum(fork, 1.5 - np.abs(v) - 0.45 * np.clip(u - 0.9, 0, 3)),
        )
        inside = np.maximum(fork, handle)
        depth = 0.5 * np.sqrt(np.clip(inside, 0, 1))
    normal = normal_of((depth * unit).astype(np.float32), 1.6)
    tint = ((0.75, 0.75, 0.77), (0.80, 0.60, 0.30), (0.75, 0.75, 0.77))[int(rng.integers(3))]
    layers.append(Layer(metal(place, normal, tint), edge(inside, place), regions.FRONT, shadow=0.4))
    if rng.random() < 0.5:
        layers.append(lump(place, rng, at_cm, 1.5))
    return layers


def cup(place: Place, rng: np.random.Generator, at_cm: tuple[float, float]) -> list[Layer]:
    """A mug, a paper cup or a tin that is drunk from; its far rim is at the lips."""
    tilt = float(rng.uniform(-18, 18))
    u, v = local(place, at_cm, tilt)
    radius, taper = float(rng.uniform(3.4, 4.6)), float(rng.uniform(0.0, 0.10))
    tall = float(rng.uniform(8.0, 12.0))
    half = radius - taper * np.clip(u, 0, tall)
    flat = 0.30
    rim = 1.0 - np.hypot(v / radius, u / (radius * flat))
    low = tall + flat * np.sqrt(np.clip(half**2 - v**2, 0, None))
    body = np.minimum(np.minimum(half - np.abs(v), u), low - u)
    inside = np.maximum(body, rim * radius * flat)
    across = np.clip(v / np.maximum(half, 0.5), -0.999, 0.999)
    axes = axis(place, at_cm, tilt)
    side = axes[2] / place.unit_px
    normal = np.dstack([across * side[0], -across * side[1], np.sqrt(1.0 - across**2)]).astype(np.float32)
    albedo = np.ones((place.size, place.size, 3), np.float32) * np.array(bright(rng), np.float32)
    if rng.random() < 0.6:
        other = np.array(bright(rng), np.float32)
        low_band, high_band = sorted(rng.uniform(0.15, 0.95, 2) * tall)
        albedo = np.where(((u > low_band) & (u < high_band))[..., None], other, albedo)
    colour = lit(place, albedo.astype(np.float32), normal, gloss=float(rng.uniform(0.02, 0.3)), power=60.0)
    hollow = np.clip(rim / 0.04, 0, 1)[..., None] * np.clip((rim - 0.10) / 0.03, 0, 1)[..., None]
    drink = np.array((0.05, 0.025, 0.012), np.float32) * (1.0 + np.clip(-u, -1, 3) * 0.3)[..., None]
    colour = colour * (1.0 + 0.25 * np.clip(rim / 0.02, 0, 1)[..., None] * (1 - hollow))
    colour = colour + hollow * (drink - colour)
    layers = []
    if rng.random() < 0.6:
        ring = np.hypot(v - (radius + 0.9) * (1 if rng.random() < 0.5 else -1), (u - 0.45 * tall) * 0.8)
        loop = 0.5 - np.abs(ring - 2.0)
        bump = normal_of((np.sqrt(np.clip(loop, 0, 1)) * place.unit_px).astype(np.float32), 1.5)
        plain = np.ones_like(albedo) * albedo[place.size // 2, place.size // 2]
        layers.append(Layer(lit(place, plain, bump, gloss=0.1), edge(loop, place), regions.FRONT, shadow=0.3))
    layers.append(Layer(colour.astype(np.float32), edge(inside, place), regions.FRONT, shadow=0.5))
    return layers


def rod(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A straw, a cigarette or a pen from the mouth, or a pole that stands before the camera."""
    unit = place.unit_px
    mouth = place.landmarks[48:68].mean(0)
    if rng.random() < 0.6:
        angle = np.radians(rng.uniform(-70, 70))
        down = place.down
        right = np.array([down[1], -down[0]])
        way = np.cos(angle) * down + np.sin(angle) * right
        radius, start, end = float(rng.uniform(0.22, 0.5)), mouth, mouth + rng.uniform(6, 16) * unit * way
    else:
        radius, at = float(rng.uniform(0.6, 2.4)), place.pixel(rng.uniform(-6, 6), rng.uniform(-3, 8))
        way = np.array([np.cos(a := rng.uniform(0, np.pi)), np.sin(a)])
        start, end = at - 40 * unit * way, at + 40 * unit * way
    row = [*start, 0, radius * unit, *end, 0, radius * unit]
    shape = solid(np.array([row], np.float32), place.size, blend_px=0.1 * unit)
    length_cm = float(np.linalg.norm(end - start)) / unit
    stripe = (np.sin(shape.along * length_cm * 3.0 + 2.0 * shape.across) > 0) * float(rng.random() < 0.4)
    first, second = np.array(bright(rng), np.float32), np.array(bright(rng), np.float32)
    albedo = (first + stripe[..., None] * (second - first)).astype(np.float32)
    colour = lit(place, albedo, shape.normal, gloss=0.2, power=40.0)
    return [Layer(colour, shape.alpha, regions.FRONT, shadow=0.45)]


def board(place: Place, rng: np.random.Generator) -> list[Layer]:
    """A board, a sheet or a cloth, plain or in any pattern, before the face or at its side."""
    unit, size = place.unit_px, place.size
    across = rng.random() < 0.6
    middle = (
        place.pixel(rng.uniform(-6, 6), rng.uniform(-5, 11))
        if across
        else place.pixel(rng.choice((-1, 1)) * rng.uniform(6, 11), rng.uniform(-8, 13))
    )
    if rng.random() < 0.5:
        turn = rng.uniform(0, np.pi)
        axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        half = np.array([rng.uniform(3.0, 18.0), rng.uniform(1.0, 4.5)]) * unit
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + rng.normal(0, 0.3 * unit, (4, 2))
        outline = middle + corners @ axes
    else:
        turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 9))))
        radii = rng.uniform(2.0, 7.0, len(turns)) * unit
        outline = middle + radii[:, None] * np.stack([np.cos(turns), np.sin(turns)], -1)
        outline = spline(outline, 160, closed=True) if rng.random() < 0.6 else outline
    rough = cloud(rng, size, rng.uniform(0.3, 3.0) * unit)
    normal = normal_of((rough * unit * rng.uniform(0.0, 0.2)).astype(np.float32), 2.0)
    albedo = pattern(rng, size, np.array([bright(rng), dyed(rng), dyed(rng)], np.float32))
    colour = lit(place, albedo, normal, gloss=0.05)
    return [Layer(colour, filled(size, outline), regions.FRONT, shadow=float(rng.uniform(0.0, 0.5)))]
