"""The 68 landmarks as places on the head's grid.

Convention:
    iBUG-68 order: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, lips 48-67, each from the left of the
    picture to the right. The jaw's points lie on the surface, not on the silhouette.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from understudy.demo.features import eye_edges, lip_heights, lip_line, lip_slit
from understudy.demo.identity import Identity
from understudy.demo.template import Floats, template

Ints = NDArray[np.int64]

_JAW = (
    (76, -0.6),
    (75, -2.6),
    (73, -4.7),
    (68, -6.7),
    (60, -8.3),
    (48, -9.7),
    (33, -10.8),
    (16, -11.5),
    (0, -11.75),
)
"""Degrees round the head and flat y, from the ear to the chin."""


@lru_cache(maxsize=32)
def landmark_places(identity: Identity) -> tuple[Ints, Floats]:
    """Where the landmarks lie.

    Returns:
        (68, 4) grid vertices (flat numbers) and (68, 4) float32 bilinear weights.
    """
    return grid_places(flat_targets(identity))


def grid_places(targets: Floats) -> tuple[Ints, Floats]:
    """Find flat places on the grid.

    Args:
        targets: (K, 2) flat x and y on the template.

    Returns:
        (K, 4) grid vertices (flat numbers) and (K, 4) float32 bilinear weights.
    """
    base = template()
    index = np.empty((len(targets), 4), np.int64)
    weight = np.empty((len(targets), 4), np.float32)
    columns = base.flat_x.shape[1]
    for k, (x, y) in enumerate(targets):
        distance = (base.flat_x - x) ** 2 + (base.flat_y - y) ** 2 + 1e3 * (base.front < 0.02)
        row, column = np.unravel_index(int(np.argmin(distance)), distance.shape)
        r, c = _refine(base.flat_x, base.flat_y, float(row), float(column), float(x), float(y))
        r0, c0 = int(r), int(c)
        fr, fc = r - r0, c - c0
        index[k] = [
            r0 * columns + c0,
            r0 * columns + c0 + 1,
            (r0 + 1) * columns + c0,
            (r0 + 1) * columns + c0 + 1,
        ]
        weight[k] = [(1 - fr) * (1 - fc), (1 - fr) * fc, fr * (1 - fc), fr * fc]
    return index, weight


def _refine(
    grid_x: Floats, grid_y: Floats, row: float, column: float, x: float, y: float
) -> tuple[float, float]:
    """Newton steps to the fractional row and column whose flat place is (x, y)."""
    rows, columns = grid_x.shape
    for _ in range(4):
        r0, c0 = min(int(row), rows - 2), min(int(column), columns - 2)
        fr, fc = row - r0, column - c0
        cell = np.stack([grid_x[r0 : r0 + 2, c0 : c0 + 2], grid_y[r0 : r0 + 2, c0 : c0 + 2]]).astype(float)
        here = (cell * np.outer([1 - fr, fr], [1 - fc, fc])).sum((1, 2))
        down = (cell[:, 1] - cell[:, 0]) @ [1 - fc, fc]
        across = (cell[:, :, 1] - cell[:, :, 0]) @ [1 - fr, fr]
        jacobian = np.stack([down, across], 1)
        if abs(np.linalg.det(jacobian)) < 1e-9:
            break
        step = np.linalg.solve(jacobian, np.array([x, y]) - here)
        row = float(np.clip(row + np.clip(step[0], -2, 2), 0, rows - 1.001))
        column = float(np.clip(column + np.clip(step[1], -2, 2), 0, columns - 1.001))
    return row, column


def flat_targets(identity: Identity) -> Floats:
    """(68, 2) flat x and y of the landmarks on the template."""
    left_jaw = [(-_side_x(a, y), y) for a, y in _JAW]
    right_jaw = [(-x, y) for x, y in left_jaw[-2::-1]]
    brow = []
    for t in (1.0, 0.76, 0.5, 0.26, 0.02):
        arch = 0.55 * identity.brow_arch * np.sin(np.pi * min(1.0, t * 0.86 + 0.05)) ** 1.4
        y = 1.52 + identity.brow_height_cm + arch + identity.brow_tilt * (t - 0.4) - 0.10 * t
        brow.append((1.30 + 3.45 * t, y + 0.22 * identity.brow_thickness * (1.05 - t)))
    tip = -3.95 + identity.nose_lift_cm - identity.nose_length_cm
    nose = [(0.0, 0.2), (0.0, 0.2 + (tip - 0.2) * 0.36), (0.0, 0.2 + (tip - 0.2) * 0.70), (0.0, tip)]
    wide = identity.nose_width
    base = [
        (x * wide, tip + dy)
        for x, dy in ((-1.35, -0.62), (-0.68, -0.86), (0, -1.02), (0.68, -0.86), (1.35, -0.62))
    ]
    points = [*left_jaw, *right_jaw, *((-x, y) for x, y in brow), *reversed(brow), *nose, *base]
    points += _eye(identity, -1.0) + _eye(identity, 1.0) + _lips(identity)
    return np.array(points, np.float32)


def _side_x(degrees: float, y: float) -> float:
    """The template's x at an angle and a flat height."""
    base = template()
    column = int(np.argmin(np.abs(base.angle[0] - np.radians(degrees))))
    order = np.argsort(base.flat_y[:, column])
    return float(np.interp(y, base.flat_y[order, column], base.flat_x[order, column]))


def _eye(identity: Identity, side: float) -> list[tuple[float, float]]:
    def at(out: float, upper: bool) -> tuple[float, float]:
        x = identity.eye_spacing_cm + out * identity.eye_width_cm
        _, high, low = eye_edges(identity, np.array([x], np.float32))
        return side * x, float(high[0] if upper else low[0])

    if side < 0:
        return [
            at(0.999, True),
            at(0.36, True),
            at(-0.36, True),
            at(-0.999, True),
            at(-0.36, False),
            at(0.36, False),
        ]
    return [
        at(-0.999, True),
        at(-0.36, True),
        at(0.36, True),
        at(0.999, True),
        at(0.36, False),
        at(-0.36, False),
    ]


def _lips(identity: Identity) -> list[tuple[float, float]]:
    def at(share: float, edge: int) -> tuple[float, float]:
        x = np.array([share * identity.mouth_width_cm], np.float32)
        line, slit = float(lip_line(identity, x)[0]), float(lip_slit(identity, x)[0])
        high, low = (float(h[0]) for h in lip_heights(identity, x))
        return float(x[0]), line + {2: slit + high, 1: slit, 0: 0.0, -1: -slit, -2: -slit - low}[edge]

    outer = [(-0.99, 0), (-0.62, 2), (-0.24, 2), (0, 2), (0.24, 2), (0.62, 2), (0.99, 0)]
    outer += [(0.62, -2), (0.28, -2), (0, -2), (-0.28, -2), (-0.62, -2)]
    inner = [(-0.9, 0), (-0.3, 1), (0, 1), (0.3, 1), (0.9, 0), (0.3, -1), (0, -1), (-0.3, -1)]
    return [at(share, edge) for share, edge in outer + inner]
