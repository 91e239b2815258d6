"""Hair as shells over the scalp: a density texture of strands cuts each shell more than the one below.

Source:
    Shell texturing after Lengyel et al. 2001.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from understudy.demo.head import neutral_head
from understudy.demo.identity import Identity
from understudy.demo.mesh import grid_normals
from understudy.demo.skin import SIZE, noise, to_texture
from understudy.demo.template import Floats, smoothstep, template

SHELLS = ((0.10, 0.10), (0.45, 0.22), (0.68, 0.34), (0.86, 0.48), (1.0, 0.62))
"""Height share and cut level of each shell."""


@dataclass(frozen=True)
class _Style:
    front: float
    """Hairline in the middle of the forehead, offset in centimetres from the identity's."""
    temple: float
    """Flat y of the hairline at the temples."""
    side: float
    """Flat y where the hair ends above or over the ears."""
    nape: float
    thick: float
    """Centimetres at the crown."""
    side_thick: float
    edge: float
    """Share of the thickness that hangs at the hairline."""
    hang: float
    """Centimetres by which the ends stand away, for long hair."""


_STYLES = {
    "crop": _Style(0.0, 4.2, -1.2, -8.0, 0.8, 0.45, 0.06, 0.0),
    "short": _Style(-0.2, 4.0, -1.2, -8.5, 1.8, 0.7, 0.10, 0.0),
    "fringe": _Style(-2.2, 3.2, -2.0, -9.0, 2.0, 1.2, 0.55, 0.0),
    "swept": _Style(0.1, 4.4, -1.5, -8.8, 2.3, 0.9, 0.10, 0.0),
    "bob": _Style(0.0, 4.0, -10.5, -11.0, 1.5, 1.8, 0.22, 1.0),
    "long": _Style(0.1, 4.2, -22.0, -22.0, 1.4, 1.6, 0.18, 1.0),
    "receding": _Style(1.9, 6.2, -1.0, -8.0, 0.8, 0.7, 0.06, 0.0),
}


@dataclass(frozen=True)
class Hair:
    """Hair of one performer, at rest."""

    shells: tuple[Floats, ...]
    """(R, C, 3) points of each shell on every second row and column of the head's grid."""
    uv: Floats
    density: Floats
    """(SIZE, SIZE) strands in 0..1, negative where no hair grows."""
    strand: Floats
    """(3, SIZE, SIZE): brightness factor, and relief slopes along u and v."""


def _hairline(identity: Identity, style: _Style, angle: Floats) -> Floats:
    """Flat y of the hair's edge by the angle round the head."""
    a = np.abs(angle)
    keys_a = (0.0, 0.35, 0.75, 1.05, 1.22, 1.42, 1.55, 1.80, 2.1, 2.6, 3.15)
    ear = max(style.side, -1.5) if style.side > -5 else style.side
    over_ear = 1.3 if style.side > -5 else style.side
    temple = style.temple if style.side > -5 else style.temple - 0.5
    front = identity.hairline_cm + style.front
    keys_y = (
        front,
        front + 0.35 * (1.0 - identity.femininity),
        0.5 * (front + temple) + 0.8,
        temple - 0.9,
        temple * 0.35 - 0.6,
        ear,
        over_ear,
        over_ear - 0.6,
        0.5 * (style.nape + style.side),
        style.nape,
        style.nape,
    )
    if style.side < -5:
        keys_a = (0.0, 0.35, 0.75, 1.00, 1.10, 1.18, 1.28, 1.80, 2.1, 2.6, 3.15)
    return np.asarray(np.interp(a, keys_a, keys_y), dtype=np.float32)


def _support(points: Floats, style: _Style) -> Floats:
    """What the hair lies on: the scalp, and for long hair a curtain that falls from it past the neck."""
    if style.hang == 0.0:
        return points
    base = template()
    curtain = points.copy()
    side = np.sign(points[..., 0])
    below = smoothstep(4.0, -5.0, base.flat_y) * smoothstep(1.0, 1.25, np.abs(base.angle))
    widest = np.maximum.accumulate(np.abs(points[..., 0]), axis=0) * (1.0 - 0.02 * below)
    behind = np.minimum.accumulate(points[..., 2], axis=0)
    rear = smoothstep(1.7, 2.4, np.abs(base.angle))
    curtain[..., 0] += below * (side * widest - points[..., 0])
    curtain[..., 2] += below * rear * 0.8 * (behind - points[..., 2])
    curtain[..., 2] += below * 0.8
    smooth = cv2.GaussianBlur(curtain, (0, 0), 1.0, sigmaY=12.0)
    low = smoothstep(5.0, 1.0, base.flat_y)[..., None]
    return np.asarray(curtain + low * (smooth - curtain), dtype=np.float32)


def _outward(points: Floats) -> Floats:
    """Normals of the support, smoothed, and upright at the crown where the grid comes to a point."""
    normals = cv2.GaussianBlur(grid_normals(points), (0, 0), 2.0, sigmaY=4.0)
    crown = smoothstep(2.6, 1.0, template().ring)[..., None]
    away = points - np.array([0.0, 2.0, -8.6], np.float32)
    away = away / np.linalg.norm(away, axis=-1, keepdims=True)
    normals = normals + crown * (away - normals)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-6), dtype=np.float32)


@lru_cache(maxsize=16)
def scalp_shade(identity: Identity) -> Floats:
    """(SIZE, SIZE) how much hair colour shows on the skin: short hairs that soften the hairline."""
    rng = np.random.default_rng([identity.seed, 78])
    base = template()
    height = to_texture(base.flat_y - _hairline(identity, _STYLES[identity.hair_style], base.angle))
    height = height + 0.25 * noise(rng, 30.0) + 0.12 * noise(rng, 8.0) + 0.08 * noise(rng, 3.0)
    return 0.9 * smoothstep(-0.55, 0.65, height)


@lru_cache(maxsize=16)
def hair_of(identity: Identity) -> Hair:
    """Grow a performer's hair; kept for later frames."""
    style = _STYLES[identity.hair_style]
    rng = np.random.default_rng([identity.seed, 77])
    base = template()
    height = base.flat_y - _hairline(identity, style, base.angle)
    points = _support(neutral_head(identity).points, style)
    normals = _outward(points)
    back = smoothstep(0.9, 2.2, np.abs(base.angle))
    top = smoothstep(3.0, 9.0, base.flat_y)
    thick = style.side_thick + (style.thick - style.side_thick) * top + 0.5 * back * (style.thick > 1.0)
    thick = thick * identity.hair_volume
    if style.hang > 0:
        thick = thick * (1.0 - 0.45 * smoothstep(1.0, -8.0, base.flat_y))
        inward = 1.0 - smoothstep(1.0, 1.5, np.abs(base.angle))
        thick = thick * (1.0 - 0.9 * inward * smoothstep(4.5, 0.5, base.flat_y))
    edge = style.edge * smoothstep(-0.3, 0.3, height)
    thick = thick * (edge + (1.0 - edge) * smoothstep(-0.3, 3.4, height) ** 0.8)
    clump = cv2.GaussianBlur(
        cv2.resize(noise(rng, 40.0), (thick.shape[1], thick.shape[0])), (0, 0), 1.0, sigmaY=22.0
    )
    clump = clump / clump.std() * smoothstep(0.4, 1.8, base.ring)
    part = 1.0
    if identity.hair_style in ("swept", "bob", "long", "short"):
        offset = base.points[..., 0] - identity.part_side * 1.9
        part = 1.0 - 0.35 * np.exp(-((offset / 0.55) ** 2)) * smoothstep(3.0, 7.0, base.flat_y) * (
            base.points[..., 2] > -10
        )
    thick = thick * (1.0 + 0.12 * clump) * part
    lift = np.zeros_like(points)
    if style.edge < 0.4:
        brow = (
            smoothstep(1.1, 0.3, np.abs(base.angle))
            * smoothstep(2.0, 5.0, base.flat_y)
            * smoothstep(11.5, 8.5, base.flat_y)
        )
        lift[..., 1], lift[..., 2] = 0.75 * brow, -0.45 * brow
    shells = []
    for share, _ in SHELLS:
        grown = points + (normals + lift) * (thick * share)[..., None]
        shells.append(np.ascontiguousarray(grown[::2, ::2]).astype(np.float32))
    uv_rows, uv_columns = np.meshgrid(np.linspace(0, 1, 131), np.linspace(0, 1, 113), indexing="ij")
    uv = np.stack([uv_columns, uv_rows], -1).astype(np.float32)
    density, strand = _strands(identity, style, rng, to_texture(height))
    return Hair(tuple(shells), uv, density, strand)


def _strands(
    identity: Identity, style: _Style, rng: np.random.Generator, height: Floats
) -> tuple[Floats, Floats]:
    """Strand density and relief; hair runs down the grid's columns with a slow sideways wander."""
    fine = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 0.9, sigmaY=22.0)
    middle = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 2.6, sigmaY=40.0)
    locks = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 8.0, sigmaY=60.0)
    raw = fine / fine.std() * 0.55 + middle / middle.std() * 0.6 + locks / locks.std() * 0.55
    u, v = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
    sway = 10.0 + (26.0 if style.thick > 1.5 else 6.0)
    slant = identity.part_side * (0.5 if identity.hair_style in ("swept", "fringe", "short") else 0.12)
    shift = sway * noise(rng, 170.0) + 5.0 * noise(rng, 60.0) + slant * v
    raw = cv2.remap(raw, u + shift.astype(np.float32), v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    wisps = np.clip(0.5 + 0.32 * raw, 0.0, 1.0)
    short = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 0.8, sigmaY=8.0)
    short = np.clip(short / short.std(), -2.0, 2.0) * 0.5
    height = height + 0.22 * noise(rng, 30.0) + 0.12 * noise(rng, 12.0)
    ragged = 0.6 + (0.75 if style.edge > 0.2 else 0.25)
    loose = wisps - 0.5 if style.edge > 0.4 else 0.9 * short
    cover = smoothstep(-0.15, ragged, (height + ragged * 0.9 * loose).astype(np.float32))
    density = (0.30 + 0.70 * wisps) * cover - 0.05 * (1.0 - cover)
    density = np.maximum(density, smoothstep(0.085, 0.04, v / SIZE) * (cover > 0.5))
    relief = raw * smoothstep(0.01, 0.05, v / SIZE)
    slope_u = 0.35 * cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=0.25)
    slope_v = 0.35 * cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=0.25)
    bright = np.clip(1.0 + 0.34 * raw + 0.10 * noise(rng, 90.0), 0.25, 2.2)
    return density.astype(np.float32), np.ascontiguousarray(
        np.stack([bright, slope_u, slope_v]), dtype=np.float32
    )


@lru_cache(maxsize=1)
def lash_texture() -> Floats:
    """(SIZE, SIZE) cut-out of lashes: roots at v = 0, tips at v = 1."""
    rng = np.random.default_rng(9)
    plane = np.zeros((SIZE, SIZE), np.float32)
    for u in np.linspace(0.02, 0.98, 46):
        start = u + rng.normal(0, 0.006)
        tip = start + rng.normal(0.0, 0.012)
        length = rng.uniform(0.6, 1.0)
        for t in np.linspace(0, 1, 60):
            x = (start + (tip - start) * t) * SIZE
            half = (1.0 - 0.8 * t) * 7.0
            y = int(t * length * (SIZE - 1))
            plane[y : y + 20, max(0, int(x - half)) : max(0, int(x + half))] = 1.0
    return plane
