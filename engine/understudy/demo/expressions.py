"""Moves a neutral head's skin into an expression: jaw, lips, cheeks, brows and lids.

Convention:
    Weights are placed on the template's flat x and y, so they hold for every identity.
"""

from __future__ import annotations

import numpy as np

from understudy.demo.features import eye_edges, line_middle, lip_line, lip_slit, mouth_share
from understudy.demo.head import Head, lay_lids
from understudy.demo.identity import Identity
from understudy.demo.performance import Expression
from understudy.demo.template import Floats, bump, smoothstep, template

HINGE = (-1.6, -8.2)
"""y and z of the jaw's axis."""
_JAW_DEGREES = 19.0


def jaw_angle(expression: Expression) -> float:
    """Radians by which the lower jaw hangs."""
    return float(np.radians(_JAW_DEGREES * expression.mouth_open))


def rotate_jaw(points: Floats, angle: float | Floats) -> Floats:
    """Turn points about the jaw's axis; `angle` in radians, one or one a point."""
    y, z = points[..., 1] - HINGE[0], points[..., 2] - HINGE[1]
    c, s = np.cos(angle), np.sin(angle)
    turned = np.stack([points[..., 0], HINGE[0] + y * c - z * s, HINGE[1] + y * s + z * c], -1)
    return turned.astype(np.float32)


def express(identity: Identity, head: Head, expression: Expression) -> Floats:
    """The head's grid in an expression, lids laid over the eyeballs.

    Args:
        identity: Whose features, for where lips and lids end.
        head: Its neutral head.
        expression: What to show.

    Returns:
        (ROWS, COLUMNS, 3) float32, centimetres.
    """
    points = head.points.copy()
    _brows(points, expression)
    _mouth(identity, points, expression)
    points = _jaw(identity, points, expression)
    _lids(identity, points, expression)
    for side in (-1.0, 1.0):
        lay_lids(points, head.eye_centre, side)
    return points


def _brows(points: Floats, e: Expression) -> None:
    base = template()
    ax, y, front = np.abs(base.flat_x), base.flat_y, base.front
    lift = bump(ax, y, 3.0, 2.3, 2.6, 1.25) * smoothstep(0.45, 1.3, y)
    inner = bump(ax, y, 1.5, 1.9, 1.5, 1.1) * smoothstep(0.45, 1.1, y)
    points[..., 1] += front * (
        0.62 * e.brows_up * lift - 0.42 * e.brows_down * inner - 0.12 * e.brows_down * lift
    )
    points[..., 0] -= front * np.sign(base.flat_x) * 0.28 * e.brows_down * inner
    points[..., 2] += front * 0.14 * e.brows_down * bump(ax, y, 1.0, 1.8, 0.9, 0.6)
    lines = np.cos((y - 3.2) * 2.0 * np.pi / 0.95) * bump(ax, y, 0.0, 4.3, 3.2, 1.5)
    points[..., 2] += front * 0.045 * e.brows_up * lines


def _mouth(identity: Identity, points: Floats, e: Expression) -> None:
    base = template()
    x, y, front = base.flat_x, base.flat_y, base.front
    ax, side = np.abs(x), np.sign(x)
    line, slit = lip_line(identity, x), lip_slit(identity, x)
    strip = np.clip((y - line) / np.maximum(slit, 1e-4), -1.0, 1.0) * slit
    fade = np.exp(-((np.maximum(np.abs(y - line) - slit, 0.0) / 0.8) ** 2))
    points[..., 1] -= front * 0.96 * strip * fade
    middle = line_middle(identity)
    mw = identity.mouth_width_cm
    corner = bump(ax, y, mw, middle, 1.7, 1.5)
    cheek = bump(ax, y, 3.7, -3.3, 1.7, 1.5)
    points[..., 0] += front * side * (e.smile * (0.62 * corner + 0.12 * cheek) - e.pucker * 0.95 * corner)
    points[..., 0] -= front * side * 0.34 * e.mouth_open * (1.0 - 0.7 * e.smile) * corner
    points[..., 1] += front * e.smile * (0.74 * corner + 0.34 * cheek)
    points[..., 2] += front * e.smile * (0.34 * cheek - 0.55 * corner)
    lips = bump(x, y, 0.0, middle, 1.5, 1.2)
    points[..., 2] += front * (0.62 * e.pucker - 0.22 * e.smile) * lips
    upper = smoothstep(-0.08, 0.08, y - line) * bump(x, y, 0.0, middle + 0.5, 2.5, 1.2)
    points[..., 1] += front * upper * (0.10 * e.smile + 0.24 * e.sneer + 0.24 * e.mouth_open)
    points[..., 1] += front * 0.24 * e.sneer * bump(ax, y, 1.4, -4.0, 0.9, 1.0)
    points[..., 2] += front * 0.12 * e.sneer * bump(ax, y, 1.1, -1.2, 0.8, 0.9)
    deep = (0.16 * e.smile + 0.10 * e.sneer) * smoothstep(-3.6, -4.6, y) * smoothstep(-8.0, -6.9, y)
    fold_x = 2.05 + 1.35 * np.clip((-y - 4.0) / 3.2, 0.0, 1.0) ** 1.2
    points[..., 2] -= front * deep * np.exp(-(((ax - fold_x) / 0.26) ** 2))


def _jaw(identity: Identity, points: Floats, e: Expression) -> Floats:
    base = template()
    share = mouth_share(identity, base.flat_x)
    half = 0.02 + 2.6 * smoothstep(0.85, 1.9, share) + 0.5 * lip_slit(identity, base.flat_x)
    below = np.clip(0.5 + 0.5 * (lip_line(identity, base.flat_x) - base.flat_y) / half, 0.0, 1.0)
    weight = below * below * (3.0 - 2.0 * below)
    weight = weight * smoothstep(13.9, 11.9, base.ring) * smoothstep(1.75, 0.75, np.abs(base.angle))
    points = rotate_jaw(points, weight * jaw_angle(e))
    points[..., 0] += 0.55 * e.jaw_side * weight
    return points


def _lids(identity: Identity, points: Floats, e: Expression) -> None:
    base = template()
    x, y = base.flat_x, base.flat_y
    out, upper, lower = eye_edges(identity, x)
    near = smoothstep(1.25, 0.98, np.abs(out)) * base.front
    blink = np.where(x < 0.0, e.blink_left, e.blink_right)
    squint = np.maximum(e.squint, 0.55 * e.smile) * (1.0 - blink)
    gap = np.maximum(upper - lower, 0.0)
    wide = 0.10 * e.brows_up + 0.06 * np.maximum(0.0, e.gaze_y) - 0.20 * np.maximum(0.0, -e.gaze_y)
    down = gap * np.clip(0.80 * blink + 0.13 * squint - wide * (1.0 - blink), -0.2, 1.0)
    rise = gap * np.clip(0.20 * blink + 0.22 * squint, 0.0, 1.0)
    inside = np.clip((y - lower) / np.maximum(gap, 1e-4), 0.0, 1.0)
    above = 1.0 - smoothstep(0.0, 0.95, y - upper)
    below = 1.0 - smoothstep(0.0, 1.1, lower - y)
    move = np.where(
        y > upper, -down * above, np.where(y < lower, rise * below, rise + (-down - rise) * inside)
    )
    points[..., 1] += near * move
