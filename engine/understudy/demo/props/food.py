"""What is eaten or held like food: a bite, bars and slices, fruit, biscuits, a telephone."""

from __future__ import annotations

import numpy as np

from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place, lit
from understudy.demo.props.surface import bright, edge, local
from understudy.demo.props.texture import cloud, normal_of
from understudy.face import regions


def lump(place: Place, rng: np.random.Generator, at_cm: tuple[float, float], radius_cm: float) -> Layer:
    """A bite of food: an uneven lump."""
    u, v = local(place, at_cm, float(rng.uniform(0, 360)))
    rough = cloud(rng, place.size, 0.5 * place.unit_px)
    inside = 1.0 - np.hypot(u / radius_cm, v / (0.75 * radius_cm)) + 0.12 * rough
    height = place.unit_px * radius_cm * np.sqrt(np.clip(inside, 0, 1)) + 0.10 * place.unit_px * rough
    food = (
        (0.55, 0.42, 0.20),
        (0.45, 0.10, 0.05),
        (0.60, 0.55, 0.45),
        (0.14, 0.07, 0.03),
        (0.20, 0.30, 0.06),
    )
    albedo = np.array(food[int(rng.integers(5))], np.float32) * (1.0 + 0.2 * rough[..., None])
    colour = lit(place, albedo, normal_of(height.astype(np.float32), 1.0), gloss=0.08, power=30.0)
    return Layer(colour, edge(inside * radius_cm, place), regions.FRONT, shadow=0.3)


def slab(place: Place, rng: np.random.Generator, at_cm: tuple[float, float], angle: float) -> list[Layer]:
    """A bar, a telephone, a slice or a board: a rounded box with a face and an edge."""
    u, v = local(place, at_cm, angle)
    kind = str(rng.choice(("chocolate", "phone", "cereal", "board")))
    long, wide = {"chocolate": (13, 3.6), "phone": (14.5, 7.2), "cereal": (10, 3.0), "board": (26, 5)}[kind]
    corner = 0.25 if kind in ("chocolate", "board") else 0.9
    du, dv = np.abs(u - 0.45 * long) - 0.5 * long + corner, np.abs(v) - 0.5 * wide + corner
    inside = corner - np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) - np.minimum(np.maximum(du, dv), 0)
    unit, size = place.unit_px, place.size
    bevel = 0.35 * np.sqrt(np.clip(inside / 0.35, 0, 1))
    rough = cloud(rng, size, 0.35 * unit)
    if kind == "chocolate":
        groove = np.minimum(np.abs((u % 2.4) - 1.2), np.abs((v % 1.8) - 0.9))
        bevel = bevel + 0.25 * np.clip(0.9 - groove, 0, 0.5)
        albedo = np.ones((size, size, 3), np.float32) * np.array((0.10, 0.045, 0.022), np.float32)
    elif kind == "cereal":
        bevel = bevel + 0.12 * rough
        albedo = np.array((0.42, 0.26, 0.10), np.float32) * (1.0 + 0.30 * rough[..., None])
    elif kind == "phone":
        albedo = np.ones((size, size, 3), np.float32) * np.array(bright(rng), np.float32) * 0.5
        lens = np.hypot(u - 1.6, np.abs(v + 1.8) - 0.0)
        albedo = np.where(((lens < 0.9) & (lens > 0.55))[..., None], np.float32(0.02), albedo)
    else:
        wood = 1.0 + 0.25 * np.sin(9.0 * v + 1.5 * cloud(rng, size, 4 * unit)) + 0.1 * rough
        albedo = np.array(bright(rng), np.float32) * wood[..., None]
    normal = normal_of((bevel * unit).astype(np.float32), 1.5)
    gloss = {"phone": 0.5, "chocolate": 0.10}.get(kind, 0.02)
    colour = lit(place, np.asarray(albedo, np.float32), normal, gloss=gloss, power=50.0)
    alpha = edge(inside, place)
    if kind in ("chocolate", "cereal"):  # bitten off at the lips
        bite = np.hypot(u + 0.8, v * 0.8) - 1.9 + 0.25 * rough
        alpha = np.minimum(alpha, edge(bite, place))
    return [Layer(colour, alpha, regions.FRONT, shadow=0.5)]


def fruit(place: Place, rng: np.random.Generator, at_cm: tuple[float, float]) -> list[Layer]:
    """An apple, an orange or a biscuit at the mouth."""
    unit, size = place.unit_px, place.size
    u, v = local(place, at_cm, float(rng.uniform(-30, 30)))
    radius = float(rng.uniform(3.0, 4.2))
    r = np.hypot(u, v) / radius
    z = np.sqrt(np.clip(1.0 - r**2, 0, 1))
    rough = cloud(rng, size, 0.25 * unit)
    kind = str(rng.choice(("apple", "orange", "biscuit")))
    if kind == "biscuit":
        height = 0.4 * unit * np.sqrt(np.clip((1.0 - r) / 0.2, 0, 1)) + 0.06 * unit * rough
        albedo = np.array((0.50, 0.31, 0.13), np.float32) * (1.0 + 0.15 * rough[..., None])
        for _ in range(11):
            cx, cy = rng.uniform(-0.75, 0.75, 2) * radius
            chip = np.clip((0.45 - np.hypot(u - cx, v - cy)) / 0.1, 0, 1)
            albedo = albedo + chip[..., None] * (np.array((0.07, 0.03, 0.015)) - albedo)
        gloss = 0.0
    else:
        dip = np.exp(-((np.hypot(u + 0.75 * radius, v) / (0.25 * radius)) ** 2)) * (kind == "apple")
        height = unit * radius * z - 0.3 * unit * dip + 0.02 * unit * rough * (kind == "orange")
        if kind == "apple":
            share = np.clip(
                0.5 + 0.35 * cloud(rng, size, 3 * unit) + 0.2 * np.sin(9 * np.arctan2(v, u)), 0, 1
            )
            red, green = np.array((0.45, 0.03, 0.02)), np.array((0.45, 0.42, 0.06))
            albedo = red + share[..., None] * (green - red) * float(rng.uniform(0.2, 1.0))
        else:
            albedo = np.ones((size, size, 3)) * np.array((0.75, 0.26, 0.02))
        gloss = 0.25
    normal = normal_of(height.astype(np.float32), 1.0)
    colour = lit(place, np.asarray(albedo, np.float32), normal, gloss=gloss, power=45.0)
    return [Layer(colour, edge((1.0 - r) * radius, place), regions.FRONT, shadow=0.5)]
