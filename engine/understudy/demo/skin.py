"""Skin painted on the head's grid: colour, oil, cavities, relief, and the holes for eyes and mouth.

Convention:
    Textures are (SIZE, SIZE) over the grid's u (columns) and v (rows). Colours are factors on the skin
    tone, so that a face can be painted again in another performer's tone.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from understudy.demo.features import eye_edges, line_middle, lip_heights, lip_line, lip_slit, mouth_share
from understudy.demo.identity import Identity
from understudy.demo.template import COLUMNS, ROWS, Floats, bump, smoothstep, template

SIZE = 1024
RED, GREEN, BLUE, OIL, OPEN, SLOPE_U, SLOPE_V, REGION = range(8)
_CM = 48
_LEFT, _TOP = -8.0, 9.0
_WIDE, _HIGH = 16 * _CM, 22 * _CM


def to_texture(grid: Floats) -> Floats:
    """A grid quantity at every texel."""
    u, v = np.meshgrid(np.linspace(0, COLUMNS - 1, SIZE), np.linspace(0, ROWS - 1, SIZE))
    return np.asarray(
        cv2.remap(grid, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR), dtype=np.float32
    )


@lru_cache(maxsize=1)
def _maps() -> tuple[Floats, Floats, Floats, Floats, Floats]:
    base = template()
    x, y = to_texture(base.flat_x), to_texture(base.flat_y)
    return x, y, to_texture(base.angle), to_texture(base.front), to_texture(base.ring)


@lru_cache(maxsize=1)
def face_region() -> Floats:
    """(ROWS, COLUMNS) how much of each point belongs to the face that a swap replaces."""
    base = template()
    across = smoothstep(1.50, 1.16, np.abs(base.angle))
    down = smoothstep(13.5, 11.7, base.ring)
    top = smoothstep(7.1, 6.0, base.flat_y)
    return np.asarray(across * down * top, dtype=np.float32)


def noise(rng: np.random.Generator, scale_px: float, size: int = SIZE) -> Floats:
    """Smooth noise with unit deviation and details of about `scale_px` texels."""
    small = max(4, int(size / max(scale_px, 1.0)))
    field = rng.standard_normal((small, small)).astype(np.float32)
    smooth = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), dtype=np.float32)


def skin_layers(identity: Identity) -> Floats:
    """Paint a performer's skin.

    Returns:
        (8, SIZE, SIZE) float32: three colour factors, oil, openness to light, relief slopes along u and
        v, and the face region.
    """
    return _painted(identity)[0]


def painted_regions(identity: Identity) -> tuple[Floats, Floats]:
    """Two (SIZE, SIZE) float32 in 0..1: how much of each texel brow hairs cover, and the lips' red."""
    return _painted(identity)[1:]


@lru_cache(maxsize=16)
def _painted(identity: Identity) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng([identity.seed, 51])
    x, y, _, front, ring = _maps()
    ax = np.abs(x)
    colour = np.ones((3, SIZE, SIZE), np.float32)
    _blush(identity, rng, colour, ax, y, front)
    lips = _lip_mask(identity, x, y)
    _lips(identity, rng, colour, lips * front, x, y, front)
    brows = _marks(identity, rng, colour, x, y, front)
    opening = _openness(identity, x, ax, y, front, ring)
    relief = 0.6 * noise(rng, 3.0) + 0.5 * noise(rng, 6.0) + 0.35 * noise(rng, 14.0)
    relief = relief * (0.5 + 0.6 * front) * (1.0 + 0.5 * bump(ax, y, 0.6, -3.6, 1.6, 1.2))
    relief *= smoothstep(14.2, 12.0, ring)
    relief += _creases(identity, x, y, front)
    relief += (
        1.6
        * lips
        * cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 1.2, sigmaY=7.0)
        * 3.0
    )
    slope_u = 0.022 * cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=0.5)
    slope_v = 0.022 * cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=0.5)
    oil = 0.55 + front * (
        0.55 * bump(ax, y, 0.0, 3.8, 2.6, 2.0)
        + 0.6 * bump(ax, y, 0.0, -3.0, 1.2, 2.2)
        + 0.35 * bump(ax, y, 3.8, -2.0, 1.6, 1.2)
        + 0.3 * bump(ax, y, 0.0, -10.4, 1.2, 0.9)
    )
    oil = (oil + 0.08 * noise(rng, 5.0)) * identity.shine
    lips = lips * front
    oil = oil * (1.0 - lips) + lips * (1.25 + 0.25 * identity.femininity)
    region = to_texture(face_region())
    out = np.stack([*colour, oil, opening, slope_u, slope_v, region])
    return np.ascontiguousarray(out, dtype=np.float32), brows, np.asarray(lips, np.float32)


def _tint(colour: Floats, amount: Floats, factor: tuple[float, float, float]) -> None:
    for plane, wanted in zip(colour, factor, strict=True):
        plane *= 1.0 + amount * (wanted - 1.0)


def _blush(
    identity: Identity, rng: np.random.Generator, colour: Floats, ax: Floats, y: Floats, front: Floats
) -> None:
    ex = identity.eye_spacing_cm
    red = 0.55 * bump(ax, y, 3.7, -3.0, 1.7, 1.5) + 0.75 * bump(ax, y, 0.4, -4.1, 1.3, 0.9)
    red += 0.25 * bump(ax, y, 0.0, -10.3, 1.5, 0.9) + 0.30 * bump(ax, y, 1.7, 0.0, 0.6, 0.6)
    red += 0.12 * bump(ax, y, 0.0, 2.2, 1.2, 0.8)
    red += 0.10 * noise(rng, 60) + 0.09 * noise(rng, 22) + 0.06 * noise(rng, 8)
    _tint(colour, red * front, (0.99, 0.80, 0.78))
    _tint(colour, 0.14 * np.clip(noise(rng, 130), -1.5, 1.5), (0.92, 0.93, 0.97))
    under = bump(ax, y, ex - 0.25, -1.0, 1.5, 0.6) * (0.7 + 0.5 * identity.age)
    lid = bump(ax, y, ex, 0.75, 1.6, 0.55)
    _tint(colour, front * (0.85 * under + 0.75 * lid), (0.80, 0.68, 0.70))
    forehead = bump(ax, y, 0.0, 4.6, 4.5, 2.0)
    _tint(colour, front * forehead, (1.03, 1.01, 0.95))
    muzzle = bump(ax, y, 1.2, -7.6, 3.0, 2.4)
    _tint(colour, 0.5 * front * muzzle, (0.93, 0.94, 0.95))
    speck = 0.020 * noise(rng, 2.0) + 0.020 * noise(rng, 4.0)
    colour *= 1.0 + speck


def _lip_mask(identity: Identity, x: Floats, y: Floats) -> Floats:
    line, slit = lip_line(identity, x), lip_slit(identity, x)
    upper, lower = lip_heights(identity, x)
    inside = np.where(y > line, (line + slit + upper - y), (y - (line - slit - lower)))
    soft = 0.09
    return smoothstep(-soft, soft, inside.astype(np.float32)) * smoothstep(
        1.02, 0.9, mouth_share(identity, x)
    )


def _lips(
    identity: Identity,
    rng: np.random.Generator,
    colour: Floats,
    mask: Floats,
    x: Floats,
    y: Floats,
    front: Floats,
) -> None:
    dark = float(np.mean(identity.skin)) < 0.2
    pale = 0.80 if dark else 0.86
    redness = identity.lip_redness
    grain = (
        1.0
        + 0.08
        * cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 1.3, sigmaY=8)
        * 5.0
    )
    _tint(colour, mask * grain, (pale, 0.77 - 0.25 * redness, 0.80 - 0.25 * redness))
    line = lip_line(identity, x)
    inner = np.exp(-(((y - line) / 0.17) ** 2)) * smoothstep(1.12, 0.95, mouth_share(identity, x)) * front
    _tint(colour, inner, (0.55, 0.36, 0.36))


def _marks(
    identity: Identity, rng: np.random.Generator, colour: Floats, x: Floats, y: Floats, front: Floats
) -> Floats:
    """Paint stroke by stroke: brows, stubble, freckles and moles; returns the brows' share of each texel."""
    brow, stubble, spots = _strokes(identity, rng)
    u = ((x - _LEFT) * _CM).astype(np.float32)
    v = ((_TOP - y) * _CM).astype(np.float32)
    facing = smoothstep(0.3, 0.8, front)

    def lay(plane: Floats) -> Floats:
        return np.asarray(cv2.remap(plane, u, v, cv2.INTER_LINEAR) * facing, dtype=np.float32)

    _tint(colour, lay(spots), (0.62, 0.46, 0.36))
    beard_shadow = identity.stubble * cv2.GaussianBlur(lay(stubble), (0, 0), 6.0)
    _tint(colour, np.clip(0.9 * beard_shadow, 0, 1), (0.62, 0.66, 0.74))
    _tint(colour, 0.38 * identity.stubble * lay(stubble), (0.35, 0.33, 0.33))
    amount = np.clip(lay(brow), 0.0, 1.0)
    tone = np.maximum(np.array(identity.skin, np.float32), 0.02)
    wanted = np.minimum(np.array(identity.brow_colour, np.float32) * 0.45 / tone, 0.34)
    colour += amount * (wanted[:, None, None] - colour)
    _, upper, lower = eye_edges(identity, x)
    out = (np.abs(x) - identity.eye_spacing_cm) / identity.eye_width_cm
    near = smoothstep(1.06, 0.9, np.abs(out).astype(np.float32)) * front
    line = np.exp(-((np.maximum(y - upper, 0) / 0.085) ** 2)) * (y > 0.5 * (upper + lower))
    _tint(colour, np.clip(1.1 * near * line, 0, 1), (0.16, 0.13, 0.13))
    low = np.exp(-((np.maximum(lower - y, 0) / 0.07) ** 2)) * (y <= 0.5 * (upper + lower))
    _tint(colour, near * low * 0.8, (0.75, 0.50, 0.48))
    return amount


def _strokes(identity: Identity, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    brow = np.zeros((_HIGH, _WIDE), np.float32)
    stubble, spots = np.zeros_like(brow), np.zeros_like(brow)
    thick = identity.brow_thickness
    for side in (-1.0, 1.0):
        for _ in range(int(330 * (0.6 + 0.4 * thick))):
            t = rng.beta(1.1, 1.35)
            height = rng.uniform(-1, 1)
            width = thick * 0.40 * (0.75 + 0.5 * t if t < 0.35 else 0.95 * (1.05 - t) ** 0.7 + 0.08)
            bx = 1.30 + 3.45 * t
            by = (
                1.52
                + identity.brow_height_cm
                + 0.55 * identity.brow_arch * np.sin(np.pi * min(1.0, t * 0.86 + 0.05)) ** 1.4
            )
            by += identity.brow_tilt * (t - 0.4) - 0.10 * t + height * width
            lean = np.radians(68 - 72 * t**0.6 - 26 * height * min(1, 3 * t))
            reach = rng.uniform(0.28, 0.52)
            dx, dy = reach * np.cos(lean), reach * np.sin(lean)
            a = ((side * bx - _LEFT) * _CM, (_TOP - by) * _CM)
            b = ((side * (bx + dx) - _LEFT) * _CM, (_TOP - by - dy) * _CM)
            _line(brow, a, b, float(rng.uniform(0.45, 0.95)))
    brow = np.maximum(brow, 0.62 * cv2.GaussianBlur(brow, (0, 0), 5.0))
    count = 5200
    px, py = rng.uniform(-6.5, 6.5, count), rng.uniform(-12.0, -3.5, count)
    chance = _beard(identity, np.abs(px), py)
    for i in np.flatnonzero(rng.random(count) < chance):
        a = ((px[i] - _LEFT) * _CM, (_TOP - py[i]) * _CM)
        _line(stubble, a, (a[0] + rng.uniform(-2, 2), a[1] + rng.uniform(2, 5)), float(rng.uniform(0.4, 1.0)))
    freckles = int(420 * identity.freckles) + 5
    for _ in range(freckles):
        fx, fy = rng.normal(0, 3.0), rng.normal(-2.2, 2.2)
        size = rng.uniform(0.6, 2.0)
        at = (int((fx - _LEFT) * _CM * 8), int((_TOP - fy) * _CM * 8))
        cv2.circle(spots, at, int(size * 8), float(rng.uniform(0.12, 0.5)), -1, cv2.LINE_AA, 3)
    for _ in range(int(rng.integers(0, 4))):
        at = (int((rng.uniform(-5, 5) - _LEFT) * _CM * 8), int((_TOP - rng.uniform(-10, 4)) * _CM * 8))
        cv2.circle(spots, at, int(rng.uniform(2.0, 4.0) * 8), 0.9, -1, cv2.LINE_AA, 3)
    soft_brow, soft_spots = cv2.GaussianBlur(brow, (0, 0), 0.8), cv2.GaussianBlur(spots, (0, 0), 1.1)
    return soft_brow.astype(np.float32), stubble, soft_spots.astype(np.float32)


def _line(plane: Floats, a: tuple[float, float], b: tuple[float, float], level: float) -> None:
    start = (int(a[0] * 8), int(a[1] * 8))
    end = (int(b[0] * 8), int(b[1] * 8))
    cv2.line(plane, start, end, level, 2, cv2.LINE_AA, 3)


def _beard(identity: Identity, ax: Floats, y: Floats) -> Floats:
    """Where a beard grows, 0..1."""
    middle = line_middle(identity)
    cheek = smoothstep(-4.6 - 0.1, -7.2, (y - 0.42 * ax + 1.2).astype(np.float32))
    lip = bump(ax, y, 1.1, middle + 1.35, 1.3, 0.5)
    mouth = bump(ax, y, 0.0, middle - 0.1, 2.6, 1.15)
    return np.asarray(np.clip(np.maximum(cheek, 0.9 * lip) - 1.4 * mouth * (1 - lip), 0, 1), dtype=np.float32)


def _openness(identity: Identity, x: Floats, ax: Floats, y: Floats, front: Floats, ring: Floats) -> Floats:
    """Painted ambient occlusion: sockets, nostrils, under the nose and lips, folds, throat."""
    ex = identity.eye_spacing_cm
    tip_y = -3.95 + identity.nose_lift_cm - identity.nose_length_cm
    dark = 0.34 * bump(ax, y, ex - 1.1, 0.55, 0.9, 0.8) + 0.16 * bump(ax, y, ex, 0.6, 1.7, 0.6)
    dark += 0.97 * np.clip(1.25 * bump(ax, y, 0.64 * identity.nose_width, tip_y - 0.72, 0.27, 0.14), 0, 1)
    dark += 0.14 * bump(ax, y, 0.0, tip_y - 1.10, 1.4, 0.34)
    dark += (
        0.20
        * np.exp(
            -(
                ((np.hypot((ax - 1.28 * identity.nose_width) / 0.72, (y - tip_y + 0.2) / 0.86) - 1.05) / 0.16)
                ** 2
            )
        )
        * (ax > 1.3 * identity.nose_width)
    )
    _, lower = lip_heights(identity, x)
    below = lip_line(identity, x) - lower - 0.28
    dark += 0.34 * np.exp(-(((y - below) / 0.30) ** 2)) * np.exp(-((x / 1.5) ** 2))
    dark += 0.40 * bump(ax, y, identity.mouth_width_cm + 0.02, line_middle(identity) - 0.1, 0.24, 0.2)
    out, upper, _ = eye_edges(identity, x)
    crease_y = upper + 0.34 + 0.10 * identity.eye_open
    near = smoothstep(1.15, 0.7, np.abs(out))
    dark += 0.42 * identity.lid_crease * np.exp(-(((y - crease_y) / 0.075) ** 2)) * near
    dark = np.clip(dark, 0.0, 0.97) * front
    throat = 0.45 * smoothstep(11.9, 13.2, ring)
    return np.asarray((1.0 - dark) * (1.0 - throat), dtype=np.float32)


def _creases(identity: Identity, x: Floats, y: Floats, front: Floats) -> Floats:
    """Lines of age: forehead, crow's feet, under the eyes."""
    age = max(0.0, identity.age - 0.25) / 0.75
    if age == 0.0:
        return np.zeros_like(x)
    wobble = 0.12 * np.sin(x * 1.3 + identity.seed) + 0.06 * np.sin(x * 3.1)
    lines = np.zeros_like(x)
    middle = np.exp(-((x / 3.0) ** 4))
    for k, at in enumerate((3.3, 4.2, 5.1)):
        lines += np.exp(-(((y - at - wobble * (1 + 0.4 * k)) / 0.055) ** 2)) * middle
    ax = np.abs(x)
    for slope in (-0.45, 0.0, 0.4):
        ray = slope * (ax - 4.9)
        lines += 0.8 * np.exp(-(((y - ray) / 0.05) ** 2)) * np.exp(-(((ax - 5.4) / 0.5) ** 2))
    lines += (
        0.8
        * np.exp(-(((y + 1.15 + 0.12 * (ax - 3.1) ** 2) / 0.06) ** 2))
        * np.exp(-(((ax - 2.9) / 1.1) ** 2))
    )
    return np.asarray(-6.0 * age * lines * front, dtype=np.float32)


@lru_cache(maxsize=16)
def openings(identity: Identity) -> Floats:
    """(SIZE, SIZE) signed distance in centimetres to the eyes' and mouth's openings, negative inside."""
    x, y, _, front, _ = _maps()
    _, upper, lower = eye_edges(identity, x)
    out = np.abs(np.abs(x) - identity.eye_spacing_cm) - identity.eye_width_cm
    eyes = np.maximum(np.maximum(y - upper, lower - y), out)
    line, slit = lip_line(identity, x), lip_slit(identity, x)
    mouth = np.maximum(np.abs(y - line) - slit, np.abs(x) - identity.mouth_width_cm)
    hole = np.minimum(eyes, mouth)
    return np.asarray(np.where(front > 0.5, hole, 1.0), dtype=np.float32)
