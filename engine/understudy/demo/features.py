"""Brow, eyes, nose, lips, cheeks and chin as smooth displacements of the template.

Convention:
    `ax` is |flat x| and `y` flat y of the template, in centimetres; displacements go along z.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from understudy.demo.identity import Identity
from understudy.demo.template import Floats, bump, smoothstep

EYE_RADIUS = 1.52
LIP_LINE = -7.15
LIP_SLIT = 0.20
"""Half the height of the strip between the lips that the mouth opens by."""


def mouth_share(identity: Identity, x: Floats) -> Floats:
    """How far out along the mouth: 0 in the middle, 1 at the corners, more beyond."""
    return np.asarray(np.abs(x) / identity.mouth_width_cm, dtype=np.float32)


def lip_line(identity: Identity, x: Floats) -> Floats:
    """Flat y of the line where the lips meet."""
    share = mouth_share(identity, x)
    wave = (
        0.07 * np.cos(np.minimum(share, 1.0) * 2.6 * np.pi) * (share < 1.0)
        + 0.03 * np.minimum(share, 1.2) ** 2
    )
    return np.asarray(LIP_LINE + identity.mouth_height_cm + wave, dtype=np.float32)


def lip_slit(identity: Identity, x: Floats) -> Floats:
    """Half height of the strip between the lips; 0 outside the corners."""
    share = mouth_share(identity, x)
    return np.asarray(LIP_SLIT * np.sqrt(np.clip(1.0 - share**2, 0.0, 1.0)), dtype=np.float32)


def lip_heights(identity: Identity, x: Floats) -> tuple[Floats, Floats]:
    """Height of the red of the upper and of the lower lip."""
    share = mouth_share(identity, x)
    arch = np.clip(1.0 - share**2, 0.0, 1.0)
    bow = 1.0 - 0.20 * np.exp(-((share / 0.13) ** 2)) + 0.10 * np.exp(-(((share - 0.24) / 0.16) ** 2))
    upper = 0.80 * identity.lip_upper * arch**0.85 * bow
    lower = 0.96 * identity.lip_lower * arch**0.80
    return np.asarray(upper, dtype=np.float32), np.asarray(lower, dtype=np.float32)


def eye_edges(identity: Identity, x: Floats) -> tuple[Floats, Floats, Floats]:
    """The lids' edges on the flat face, eyes open.

    Returns:
        How far out in the eye (-1 inner corner, 1 outer corner), flat y of the upper and lower edge.
    """
    out = (np.abs(x) - identity.eye_spacing_cm) / identity.eye_width_cm
    arch = np.clip(1.0 - out**2, 0.0, 1.0)
    tilt = identity.eye_tilt_cm * out
    droop = 0.10 * identity.age * smoothstep(0.0, 1.0, np.asarray(out, dtype=np.float32))
    upper = identity.eye_open * 0.47 * arch**0.72 * (1.0 - 0.12 * out) + tilt - droop * arch
    lower = -0.41 * identity.eye_open * arch**0.85 * (1.0 + 0.18 * out) + tilt
    return (
        np.asarray(out, dtype=np.float32),
        np.asarray(upper, dtype=np.float32),
        np.asarray(lower, dtype=np.float32),
    )


def feature_depth(identity: Identity, x: Floats, y: Floats) -> Floats:
    """Displacement along z of the whole face, in centimetres."""
    ax = np.abs(x)
    round_x = np.sqrt(x * x + 0.3).astype(np.float32)  # |x| without its crease in the middle
    depth = _upper_face(identity, round_x, ax, y) + _cheeks(identity, round_x, y) + _chin(identity, x, ax, y)
    return np.asarray(depth + _nose(identity, ax, y) + _mouth(identity, x, ax, y), dtype=np.float32)


def _upper_face(identity: Identity, ax: Floats, eye_x: Floats, y: Floats) -> Floats:
    ex = identity.eye_spacing_cm
    out, upper, _ = eye_edges(identity, eye_x)
    brow = 0.26 * identity.brow_ridge * bump(ax, y, 2.7, 1.75, 1.9, 0.75)
    brow += 0.20 * bump(ax, y, 3.4, 1.9, 2.1, 0.9) + 0.16 * identity.brow_ridge * bump(
        ax, y, 0.0, 2.0, 1.4, 0.7
    )
    forehead = 0.30 * (1.0 - identity.forehead_slope) * bump(ax, y, 2.2, 5.6, 3.0, 2.4)
    forehead += 0.15 * bump(ax, y, 2.4, 5.0, 1.8, 1.8)
    temple = -0.35 * bump(ax, y, 6.2, 2.2, 1.2, 2.2)
    socket = -0.85 * bump(ax, y, ex, 0.25, 1.9, 1.05) - 0.50 * bump(ax, y, 1.55, 0.35, 0.65, 0.85)
    socket += 0.30 * bump(ax, y, ex + 0.1, -1.30, 1.7, 0.62)
    crease_y = upper + 0.34 + 0.10 * identity.eye_open
    near = smoothstep(1.35, 0.8, np.abs(out))
    crease = -0.10 * identity.lid_crease * np.exp(-(((y - crease_y) / 0.10) ** 2)) * near
    fold = 0.16 * np.exp(-(((y - crease_y - 0.42) / 0.34) ** 2)) * near
    bag = (0.05 + 0.10 * identity.age) * bump(ax, y, ex - 0.1, -0.95, 1.3, 0.3)
    return np.asarray(brow + forehead + temple + socket + crease + fold + bag, dtype=np.float32)


def _cheeks(identity: Identity, ax: Floats, y: Floats) -> Floats:
    bone = 0.42 * identity.cheek_bone * bump(ax, y, 4.7, -2.1, 1.7, 1.2)
    apple = 0.38 * bump(ax, y, 3.4, -3.0, 1.5, 1.5)
    hollow = -0.38 * identity.cheek_hollow * bump(ax, y, 4.9, -5.6, 1.5, 1.9)
    along = np.clip((-y - 4.0) / 3.6, 0.0, 1.0)
    fold_x = 1.85 + 1.35 * along**1.2
    ends = smoothstep(-3.6, -4.6, y) * smoothstep(-8.3, -6.9, y)
    depth = 0.07 + 0.16 * identity.age
    fold = -depth * np.exp(-(((ax - fold_x) / 0.28) ** 2)) * ends
    fold += 0.5 * depth * np.exp(-(((ax - fold_x - 0.6) / 0.5) ** 2)) * ends
    return np.asarray(bone + apple + hollow + fold, dtype=np.float32)


def _chin(identity: Identity, x: Floats, ax: Floats, y: Floats) -> Floats:
    mouth = identity.mouth_height_cm
    sulcus = -0.42 * bump(x, y, 0.0, -8.95 + 0.5 * mouth, 1.5, 0.50)
    ball = (0.50 + identity.chin_forward_cm) * bump(x, y, 0.0, -10.35, 1.5 * identity.chin_width, 0.95)
    corners = (
        0.15 * bump(ax, y, 1.3 * identity.chin_width, -10.7, 0.8, 0.8) * max(0.0, 1.0 - identity.femininity)
    )
    return np.asarray(sulcus + ball + corners, dtype=np.float32)


def _nose(identity: Identity, ax: Floats, y: Floats) -> Floats:
    tip_y = -3.95 + identity.nose_lift_cm - identity.nose_length_cm
    reach = 2.0 + 0.15 * identity.nose_tip
    keys_y = (
        min(-5.6, tip_y - 1.2),  # the longest noses end below all others
        tip_y - 1.12,
        tip_y - 0.72,
        tip_y - 0.36,
        tip_y,
        tip_y + 0.5,
        tip_y + 1.5,
        -1.0,
        0.1,
        0.75,
        1.8,
        3.0,
    )
    hump = identity.nose_hump_cm
    keys_h = (
        0.0,
        0.05,
        0.48 * reach,
        0.90 * reach,
        reach,
        0.955 * reach,
        0.735 * reach + hump,
        0.50 * reach + hump,
        0.27 * reach,
        0.15 * reach,
        0.05,
        0.0,
    )
    ridge = PchipInterpolator(keys_y, keys_h, extrapolate=False)(y - 0.22 * np.minimum(ax**2, 1.6))
    ridge = np.nan_to_num(ridge)
    keys_w = (-9.0, tip_y - 0.6, tip_y, tip_y + 0.9, tip_y + 2.0, 0.0, 1.2, 9.0)
    keys_hw = (1.2, 1.2, 1.28, 1.18, 1.04, 0.92, 1.3, 1.5)
    half = PchipInterpolator(keys_w, keys_hw)(np.clip(y, -9.0, 9.0)) * (
        0.5 * identity.nose_bridge + 0.5 * identity.nose_width
    )
    section = np.exp(-(np.abs(ax / half) ** 2.0))
    base = (
        0.42
        * np.exp(-((ax / (1.85 * half)) ** 2))
        * smoothstep(0.6, -2.6, y)
        * smoothstep(tip_y - 1.3, tip_y - 0.5, y)
    )
    nose = ridge * section + base
    nose += 0.24 * identity.nose_tip * bump(ax, y, 0.0, tip_y + 0.05, 0.70, 0.60)
    wing_x = 1.24 * identity.nose_width
    nose += 0.50 * np.exp(-(((ax - wing_x) / 0.50) ** 2) - (((y - tip_y + 0.30) / 0.62) ** 2))
    groove = np.hypot((ax - wing_x) / 0.72, (y - tip_y + 0.2) / 0.86)
    nose += -0.05 * np.exp(-(((groove - 1.0) / 0.20) ** 2)) * smoothstep(0.9, 1.5, ax / identity.nose_width)
    nostril = bump(ax, y, 0.66 * identity.nose_width, tip_y - 0.60, 0.34, 0.22)
    return np.asarray(nose - 0.55 * nostril, dtype=np.float32)


_LIP_PROFILE = PchipInterpolator(
    (-1.0, 0.0, 0.12, 0.35, 0.65, 1.0, 1.5, 2.3, 3.5), (-0.30, -0.12, 0.12, 0.36, 0.40, 0.22, 0.08, 0.0, 0.0)
)


def _mouth(identity: Identity, x: Floats, ax: Floats, y: Floats) -> Floats:
    share = mouth_share(identity, x)
    line, slit = lip_line(identity, x), lip_slit(identity, x)
    upper, lower = lip_heights(identity, x)
    mound = 0.66 * bump(x, y, 0.0, line_middle(identity), 2.3, 1.75)
    corner = -0.16 * bump(ax, y, identity.mouth_width_cm + 0.12, line_middle(identity) - 0.1, 0.5, 0.5)
    fullness = smoothstep(1.04, 0.45, share)
    above, below = y - line - slit, line - slit - y
    t_upper = np.clip(above / np.maximum(upper, 0.18), -1.0, 3.5)
    t_lower = np.clip(below / np.maximum(lower, 0.18), -1.0, 3.5)
    lips = np.where(
        y > line,
        0.72 * identity.lip_upper**0.5 * _LIP_PROFILE(t_upper),
        0.85 * identity.lip_lower**0.5 * _LIP_PROFILE(t_lower),
    )
    philtrum = smoothstep(line_middle(identity) + 0.75, line_middle(identity) + 1.1, y) * smoothstep(
        -4.7, -5.2, y
    )
    groove = (-0.10 * np.exp(-((ax / 0.24) ** 2)) + 0.07 * np.exp(-(((ax - 0.46) / 0.2) ** 2))) * philtrum
    return np.asarray(mound + corner + fullness * lips + groove, dtype=np.float32)


def line_middle(identity: Identity) -> float:
    """Flat y of the lip line in the middle of the mouth."""
    return LIP_LINE + identity.mouth_height_cm + 0.07
