"""How each material answers the lights: skin with a red bleed, wet eyes, teeth, anisotropic hair, cloth.

Kernels that `shade` calls for one sample; each writes scene-linear radiance to `out`.

Convention:
    Scene-linear radiance, Rec.709 primaries, never clipped. World axes: x right, y up, z to the camera.
Source:
    Wrapped diffuse with a width per channel after Green 2004; hair highlights after Kajiya & Kay 1989
    with two shifted lobes.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from understudy.demo.raster import sample

Floats = NDArray[np.floating[Any]]

# Rows of the `look` table handed to the kernel; each holds three numbers.
KEY_DIR, KEY, FILL_DIR, FILL, RIM_DIR, RIM, SKY, GROUND, TONE, HAIR_TONE, IRIS, SHIRT_TONE, MOUTH_TONE = (
    range(13)
)
LOOK_ROWS = 13
_TAPS = 12


@nb.njit(cache=True, inline="always")
def key_share(
    shadow: Floats, frame: Floats, x: float, y: float, z: float, turn: float, spread: float
) -> float:
    """Share of the key light that reaches a point: percentage-closer filtering on a spiral."""
    size = shadow.shape[0]
    u = frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z + frame[0, 3]
    v = frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z + frame[1, 3]
    w = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z + frame[2, 3]
    open_ = 0.0
    ax, ay = np.cos(turn), np.sin(turn)
    for k in range(_TAPS):
        r = spread * np.sqrt((k + 0.5) / _TAPS)
        ax, ay = -0.7373688 * ax - 0.6754903 * ay, 0.6754903 * ax - 0.7373688 * ay  # the golden angle
        px = int(u + r * ax + 0.5)
        py = int(v + r * ay + 0.5)
        if px < 0 or py < 0 or px >= size or py >= size:
            open_ += 1.0
            continue
        gap = (shadow[py, px] - w - 0.10 - 0.03 * r) / 0.22
        open_ += 1.0 - min(1.0, max(0.0, gap))
    return open_ / _TAPS


@nb.njit(cache=True, inline="always")
def _wrap(cosine: float, width: float) -> float:
    t = (cosine + width) / (1.0 + width)
    bent: float = max(0.0, t) ** (1.0 + 0.5 * width)
    return bent / (1.0 + 0.5 * width)


@nb.njit(cache=True, inline="always")
def _shine(n: Floats, light: Floats, v: Floats, power: float) -> float:
    hx, hy, hz = light[0] + v[0], light[1] + v[1], light[2] + v[2]
    s = 1.0 / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-12)
    c = max(0.0, (n[0] * hx + n[1] * hy + n[2] * hz) * s)
    return c**power * (power + 8.0) * 0.0398  # type: ignore[no-any-return]


@nb.njit(cache=True, inline="always")
def dot(a: Floats, b: Floats) -> float:
    """Dot product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]  # type: ignore[no-any-return]


@nb.njit(cache=True, inline="always")
def hashed(x: float, y: float) -> float:
    """A pseudo-random number in 0..1 for a screen place."""
    f = np.sin(x * 12.9898 + y * 78.233) * 43758.5453
    return f - np.floor(f)  # type: ignore[no-any-return]


@nb.njit(cache=True, fastmath=True, error_model="numpy")
def skin_light(
    skin: Floats,
    look: Floats,
    n: Floats,
    v: Floats,
    up: Floats,
    u: float,
    w: float,
    shade: float,
    lit: float,
    out: Floats,
) -> float:
    """Skin: red bleeds furthest into shade; returns the face region's share at this texel."""
    su, sv = sample(skin, 5, u, w), sample(skin, 6, u, w)
    open_ = sample(skin, 4, u, w) * shade
    oil = sample(skin, 3, u, w)
    tx = up[1] * n[2] - up[2] * n[1]
    ty = up[2] * n[0] - up[0] * n[2]
    tz = up[0] * n[1] - up[1] * n[0]
    s = 1.0 / np.sqrt(tx * tx + ty * ty + tz * tz + 1e-9)
    tx, ty, tz = tx * s, ty * s, tz * s
    bx, by, bz = ty * n[2] - tz * n[1], tz * n[0] - tx * n[2], tx * n[1] - ty * n[0]
    rough = np.empty(3, np.float64)
    rough[0], rough[1], rough[2] = (
        n[0] - su * tx - sv * bx,
        n[1] - su * ty - sv * by,
        n[2] - su * tz - sv * bz,
    )
    s = 1.0 / np.sqrt(dot(rough, rough) + 1e-12)
    rough[0], rough[1], rough[2] = rough[0] * s, rough[1] * s, rough[2] * s
    facing = max(0.0, dot(n, v))
    fresnel = 0.028 + 0.35 * (1.0 - facing) ** 5
    key_cos = 0.65 * dot(n, look[KEY_DIR]) + 0.35 * dot(rough, look[KEY_DIR])
    fill_cos = dot(rough, look[FILL_DIR])
    rim_cos = dot(n, look[RIM_DIR])
    sky = 0.5 + 0.5 * rough[1]
    gloss = 0.65 * _shine(rough, look[KEY_DIR], v, 22.0) + 0.35 * _shine(rough, look[KEY_DIR], v, 70.0)
    gloss_fill = _shine(rough, look[FILL_DIR], v, 18.0)
    gloss_rim = _shine(n, look[RIM_DIR], v, 14.0)
    for c in range(3):
        width = 0.30 if c == 0 else (0.13 if c == 1 else 0.08)
        soft = lit ** (0.62 if c == 0 else (0.95 if c == 1 else 1.08))
        albedo = look[TONE, c] * sample(skin, c, u, w)
        hole = open_ ** (0.72 if c == 0 else (1.05 if c == 1 else 1.12))
        diffuse = look[KEY, c] * _wrap(key_cos, width) * soft * (0.35 + 0.65 * hole)
        diffuse += (
            look[FILL, c] * _wrap(fill_cos, 0.5 + width)
            + look[GROUND, c]
            + (look[SKY, c] - look[GROUND, c]) * sky
        ) * hole
        diffuse += look[RIM, c] * max(0.0, rim_cos) * 0.55 * hole
        spec = (
            look[KEY, c] * gloss * lit * max(0.0, min(1.0, 4.0 * key_cos + 0.1))
            + look[FILL, c] * 0.6 * gloss_fill
        )
        spec += look[RIM, c] * gloss_rim * (1.0 - facing) * 1.5
        out[c] = albedo * diffuse + fresnel * oil * open_ * spec
    return sample(skin, 7, u, w)


@nb.njit(cache=True, fastmath=True, error_model="numpy")
def eye_light(
    look: Floats, n: Floats, v: Floats, u: float, w: float, shade: float, lit: float, out: Floats
) -> None:
    """An eyeball: sclera, limbus, iris fibres, pupil and two wet highlights."""
    x, y = 2.0 * u - 1.0, 2.0 * w - 1.0
    r = np.sqrt(x * x + y * y)
    angle = np.arctan2(y, x)
    fibre = (
        0.5 + 0.25 * np.sin(angle * 23.0 + 3.0 * np.sin(angle * 5.0)) + 0.25 * np.sin(angle * 41.0 + 9.0 * r)
    )
    limbus = 1.0 / (1.0 + np.exp(-(r - 0.395) / 0.012))
    pupil = 1.0 / (1.0 + np.exp(-(r - 0.150) / 0.009))
    ring = 1.0 - 0.75 * np.exp(-(((r - 0.39) / 0.045) ** 2))
    light = (0.35 + 0.65 * lit) * max(0.0, 0.30 + 0.70 * dot(n, look[KEY_DIR]))
    gleam = _shine(n, look[KEY_DIR], v, 900.0) * 0.045 + _shine(n, look[FILL_DIR], v, 300.0) * 0.010
    glow = 0.75 + 0.5 * max(0.0, -(x * look[KEY_DIR, 0] + y * look[KEY_DIR, 1])) / 0.5
    for c in range(3):
        white = 0.47 if c == 0 else (0.405 if c == 1 else 0.385)
        white = white * (1.0 - (0.02 if c == 0 else 0.16) * min(1.0, max(0.0, r - 0.6) * 2.0))
        iris = look[IRIS, c] * (0.55 + 0.9 * fibre) * ring * glow * (1.35 - 0.9 * abs(r - 0.25) / 0.25)
        body = pupil * max(0.0, iris) + (1.0 - pupil) * 0.003
        albedo = limbus * white + (1.0 - limbus) * body
        around = look[KEY, c] * light + look[FILL, c] * 0.55 + 0.5 * (look[SKY, c] + look[GROUND, c])
        out[c] = albedo * around * shade + gleam * (
            look[KEY, c] * (0.3 + 0.7 * lit) + 0.4 * look[FILL, c]
        ) * (0.25 + 0.75 * shade)


@nb.njit(cache=True, fastmath=True, error_model="numpy")
def teeth_light(
    look: Floats, n: Floats, v: Floats, u: float, w: float, shade: float, lit: float, out: Floats
) -> None:
    """Ivory with dark seams, and gum above `gum_line`."""
    gap = abs(np.sin(u * 14.0 * np.pi))
    seam = 1.0 - 0.50 * np.exp(-((gap / 0.16) ** 2)) * min(1.0, max(0.0, w - 0.1) * 2.0)
    gum_line = 0.22 + 0.04 * (1.0 - gap)
    tooth = 1.0 / (1.0 + np.exp(-(w - gum_line) / 0.015))
    light = (0.25 + 0.75 * lit) * max(0.0, 0.35 + 0.65 * dot(n, look[KEY_DIR]))
    gleam = 0.035 * _shine(n, look[KEY_DIR], v, 60.0) * lit
    for c in range(3):
        ivory = 0.60 if c == 0 else (0.545 if c == 1 else 0.44)
        gum = 0.36 if c == 0 else (0.13 if c == 1 else 0.12)
        albedo = tooth * ivory * seam * (0.85 + 0.15 * w) + (1.0 - tooth) * gum
        out[c] = shade * (
            albedo * (look[KEY, c] * light * 0.8 + look[FILL, c] * 0.5 + 0.4 * look[SKY, c])
            + gleam * look[KEY, c]
        )


@nb.njit(cache=True, fastmath=True, error_model="numpy")
def hair_light(
    strand: Floats,
    look: Floats,
    n: Floats,
    v: Floats,
    up: Floats,
    u: float,
    w: float,
    shade: float,
    lit: float,
    out: Floats,
) -> None:
    """Strands with a sharp pale highlight and a broad one in the hair's own colour."""
    bright, su, sv = sample(strand, 0, u, w), sample(strand, 1, u, w), sample(strand, 2, u, w)
    d = dot(up, n)
    t = np.empty(3, np.float64)
    for k in range(3):
        t[k] = up[k] - d * n[k]
    s = 1.0 / np.sqrt(dot(t, t) + 1e-6)
    for k in range(3):
        t[k] *= s
    sx, sy, sz = t[1] * n[2] - t[2] * n[1], t[2] * n[0] - t[0] * n[2], t[0] * n[1] - t[1] * n[0]
    m = np.empty(3, np.float64)
    m[0], m[1], m[2] = n[0] + su * sx, n[1] + su * sy, n[2] + su * sz
    s = 1.0 / np.sqrt(dot(m, m))
    for k in range(3):
        m[k] *= s
    for k in range(3):
        t[k] += 0.35 * sv * n[k] + 0.25 * su * (sx if k == 0 else (sy if k == 1 else sz))
    key_cos, fill_cos = dot(m, look[KEY_DIR]), dot(m, look[FILL_DIR])
    rim_cos = dot(n, look[RIM_DIR])
    lobe, lobe2 = 0.0, 0.0
    h = np.empty(3, np.float64)
    for k in range(3):
        h[k] = look[KEY_DIR, k] + v[k]
    s = 1.0 / np.sqrt(dot(h, h) + 1e-9)
    along = dot(t, h) * s / np.sqrt(dot(t, t))
    lobe = np.sqrt(max(0.0, 1.0 - (along - 0.08) ** 2)) ** 70.0
    lobe2 = np.sqrt(max(0.0, 1.0 - (along + 0.12) ** 2)) ** 18.0
    sky = 0.5 + 0.5 * n[1]
    for c in range(3):
        tone = look[HAIR_TONE, c] * bright
        diffuse = look[KEY, c] * _wrap(key_cos, 0.25) * lit + look[FILL, c] * _wrap(fill_cos, 0.5)
        diffuse += (
            look[GROUND, c] + (look[SKY, c] - look[GROUND, c]) * sky + look[RIM, c] * max(0.0, rim_cos) * 0.5
        )
        spec = (
            lit
            * max(0.0, min(1.0, 0.3 + key_cos))
            * look[KEY, c]
            * bright
            * (0.030 * lobe + 0.55 * look[HAIR_TONE, c] * lobe2)
        )
        edge = (
            look[RIM, c]
            * (0.02 + 0.3 * look[HAIR_TONE, c])
            * max(0.0, rim_cos + 0.2)
            * (1.0 - max(0.0, dot(n, v))) ** 2
        )
        out[c] = shade * (tone * diffuse * 0.85 + spec * 0.8 + edge * bright)


@nb.njit(cache=True, fastmath=True, error_model="numpy")
def plain_light(
    look: Floats, n: Floats, v: Floats, row: int, shade: float, lit: float, gloss: float, out: Floats
) -> None:
    """Cloth or the inside of the mouth: diffuse, with an optional wet highlight."""
    key_cos, fill_cos = dot(n, look[KEY_DIR]), dot(n, look[FILL_DIR])
    sky = 0.5 + 0.5 * n[1]
    wet = gloss * _shine(n, look[KEY_DIR], v, 40.0) * lit
    for c in range(3):
        light = look[KEY, c] * _wrap(key_cos, 0.1) * lit + look[FILL, c] * _wrap(fill_cos, 0.5)
        light += (
            look[GROUND, c]
            + (look[SKY, c] - look[GROUND, c]) * sky
            + look[RIM, c] * max(0.0, dot(n, look[RIM_DIR])) * 0.6
        )
        out[c] = shade * (look[row, c] * light + wet * look[KEY, c])
