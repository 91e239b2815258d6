"""Beards and moustaches as shells over the skin, cut by strands that run down the face.

Source:
    Shell texturing after Lengyel et al. 2001, as the hair.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from understudy.demo.features import line_middle
from understudy.demo.identity import Identity
from understudy.demo.mesh import BEARD, HAIR, GridMesh, grid_normals
from understudy.demo.skin import SIZE, noise, to_texture
from understudy.demo.template import Floats, bump, smoothstep, template

SHELLS = ((0.12, 0.12), (0.4, 0.26), (0.7, 0.42), (1.0, 0.6))
"""Length share and cut level of each shell."""


@dataclass(frozen=True)
class Beard:
    """Where facial hair grows, and how long."""

    seed: int
    cheeks: float
    """0 none, 1 up to the cheekbone."""
    chin: float
    """0 none, 1 the whole chin and jaw's front."""
    moustache: float
    """0 none, 1 the whole upper lip."""
    length_cm: float
    density: float
    """0 sparse to 1 dense."""

    @classmethod
    def from_seed(cls, seed: int) -> Beard:
        """A full beard, a goatee, a moustache, or sideburns and a chin strap."""
        rng = np.random.default_rng([seed, 0xBEA2D])
        kind = rng.choice(("full", "full", "goatee", "moustache", "short"))
        length = {"full": rng.uniform(0.5, 2.2), "short": rng.uniform(0.12, 0.4)}
        return cls(
            seed=seed,
            cheeks=float(rng.uniform(0.45, 1.0)) if kind in ("full", "short") else 0.0,
            chin=0.0 if kind == "moustache" else 1.0,
            moustache=float(rng.uniform(0.7, 1.0)) * float(rng.random() < 0.9 or kind == "moustache"),
            length_cm=float(length.get(str(kind), rng.uniform(0.2, 1.0))),
            density=float(rng.uniform(0.35, 1.0)),
        )


def _growth(identity: Identity, beard: Beard) -> Floats:
    """Signed centimetres inside the beard's outline, on the head's grid; negative outside."""
    base = template()
    x, y, ax = base.flat_x, base.flat_y, np.abs(base.flat_x)
    middle = line_middle(identity)
    top = -2.2 - 4.2 * (1.0 - beard.cheeks) - 0.62 * np.maximum(0.0, 5.2 - ax)
    cheeks = np.minimum(top - y, (ax - 1.2)) if beard.cheeks > 0 else np.full_like(x, -9.0)
    side = smoothstep(1.75, 1.45, np.abs(base.angle)) * 4.0 - 2.0
    cheeks = np.minimum(np.minimum(cheeks, side), 13.2 - base.ring)
    chin = np.minimum(middle - 1.25 - y, (2.4 if beard.cheeks == 0 else 5.0) - ax)
    chin = np.minimum(chin, 13.2 - base.ring) if beard.chin > 0 else np.full_like(x, -9.0)
    soul = 0.6 - np.hypot(ax / 0.8, (y - middle + 1.35) / 0.8) if beard.chin > 0 else chin
    lip = 0.55 - np.abs(y - middle - 1.32 + 0.20 * ax) if beard.moustache > 0 else np.full_like(x, -9.0)
    lip = np.minimum(lip, (identity.mouth_width_cm + 0.7) * beard.moustache - ax)
    round_mouth = (
        np.hypot(np.maximum(ax - identity.mouth_width_cm * 0.45, 0) / 1.55, (y - middle) / 1.02) - 1.0
    )
    whole = np.maximum(np.maximum(np.minimum(cheeks, round_mouth * 1.4), chin), np.maximum(soul, lip))
    return np.asarray(np.where(base.front > 0.02, whole, -9.0), dtype=np.float32)


def beard_shells(identity: Identity, beard: Beard, posed: Floats, cut_layer: int) -> list[GridMesh]:
    """The beard on a head as it is posed.

    Args:
        identity: Whose face.
        beard: What grows on it.
        posed: (ROWS, COLUMNS, 3) the head's grid in the world.
        cut_layer: Layer of the cut-outs that holds `beard_density`.

    Returns:
        One grid a shell, on every second row and column of the head's.
    """
    growth = _growth(identity, beard)
    normals = cv2.GaussianBlur(grid_normals(posed), (0, 0), 1.5)
    full = smoothstep(-0.1, 1.3, growth) * (
        0.55 + 0.45 * bump(template().flat_x, template().flat_y, 0, -11, 4, 3)
    )
    down = np.array([0.0, -0.55, 0.1], np.float32)
    rows, columns = posed.shape[:2]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    uv = np.stack([u, v], -1).astype(np.float32)[::2, ::2]
    meshes = []
    for share, level in SHELLS:
        reach = (0.03 + beard.length_cm * share * full)[..., None]
        points = posed + reach * (normals + share * down)
        shade = np.full(uv.shape[:2], 0.5 + 0.5 * share, np.float32)
        grid = np.ascontiguousarray(points[::2, ::2]).astype(np.float32)
        meshes.append(GridMesh(grid, uv, HAIR, shade, cut_layer, level, part=BEARD))
    return meshes


def beard_density(identity: Identity, beard: Beard) -> Floats:
    """(SIZE, SIZE) strands in 0..1, negative where none grow."""
    rng = np.random.default_rng([beard.seed, 79])
    height = to_texture(_growth(identity, beard))
    height = height + 0.16 * noise(rng, 24.0) + 0.10 * noise(rng, 6.0)
    fine = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 0.9, sigmaY=7.0)
    locks = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 3.0, sigmaY=16.0)
    raw = fine / fine.std() * 0.7 + locks / locks.std() * 0.45
    wisps = np.clip(0.28 + 0.34 * beard.density + 0.30 * raw, 0.0, 1.0)
    cover = smoothstep(-0.12, 0.45, (height + 0.35 * np.clip(raw, -1.5, 1.5)).astype(np.float32))
    return np.asarray(wisps * cover - 0.05 * (1.0 - cover), dtype=np.float32)
