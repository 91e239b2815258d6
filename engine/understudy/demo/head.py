"""A performer's neutral head: template, features, and the identity's own proportions.

Convention:
    As in `template`: centimetres, x right, y up, z towards the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from understudy.demo.features import EYE_RADIUS, feature_depth
from understudy.demo.identity import Identity
from understudy.demo.template import Floats, smoothstep, template

_UNDER_LID = 0.10
"""Thickness of a lid over the eyeball, centimetres."""


@dataclass(frozen=True)
class Head:
    """A neutral head on the template's grid."""

    points: Floats
    """(ROWS, COLUMNS, 3) centimetres, lids not yet laid over the eyeballs."""
    eye_centre: tuple[float, float, float]
    """Of the eye at the right of the picture; mirror x for the other."""


@lru_cache(maxsize=16)
def neutral_head(identity: Identity) -> Head:
    """The head at rest, eyes open, kept for later frames."""
    base = template()
    points = base.points.copy()
    points[..., 2] += base.front * feature_depth(identity, base.flat_x, base.flat_y)
    ex = identity.eye_spacing_cm
    centre = np.array(
        [[[ex, -0.02, -0.86 - EYE_RADIUS + 0.10 * (1.0 - identity.brow_ridge)]]], dtype=np.float32
    )
    points = proportion(identity, points)
    placed = proportion(identity, centre)[0, 0]
    return Head(points=points, eye_centre=(float(placed[0]), float(placed[1]), float(placed[2])))


def proportion(identity: Identity, points: Floats) -> Floats:
    """Stretch points by the identity's widths and lengths.

    Args:
        identity: Whose proportions.
        points: (..., 3) on the mean head.

    Returns:
        The same shape on this head.
    """
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    cheek = np.exp(-(((y + 2.0) / 2.6) ** 2))
    jaw = smoothstep(-4.0, -8.0, y) * smoothstep(-13.0, -10.5, y)
    neck = smoothstep(-10.5, -13.0, y)
    side = smoothstep(2.0, 5.0, np.abs(x))
    width = identity.head_width * (1.0 + side * (identity.cheek_width - 1.0) * cheek)
    width = width * (1.0 + jaw * (identity.jaw_width - 1.0) * (0.35 + 0.65 * side))
    width = width * (1.0 + neck * (identity.neck_width - 1.0))
    lower = np.minimum(y + 1.0, 0.0)
    chin = np.minimum(y + 8.4, 0.0)
    chin = np.maximum(chin, -3.2)
    longer = lower * (identity.face_length - 1.0) + chin * (identity.chin_length - 1.0)
    depth = identity.chin_forward_cm * smoothstep(-8.0, -10.0, y) * smoothstep(-3.0, -0.5, z)
    slope = -0.06 * np.maximum(y - 2.5, 0.0) * identity.forehead_slope * smoothstep(-6.0, -2.0, z)
    return np.stack([x * width, y + longer, z + depth + slope], -1).astype(np.float32)


def lay_lids(points: Floats, centre: tuple[float, float, float], side: float) -> None:
    """Push skin in front of one eyeball, in place: a smooth maximum with the lid's sphere along z.

    Args:
        points: (R, C, 3) head points, changed.
        centre: Of the eyeball at the right of the picture.
        side: 1 for that eye, -1 for the other.
    """
    radius = EYE_RADIUS + _UNDER_LID
    dx = points[..., 0] - side * centre[0]
    dy = points[..., 1] - centre[1]
    inside = np.clip(radius**2 - dx**2 - dy**2, 0.0, None)
    sphere = centre[2] + np.sqrt(inside)
    z = points[..., 2]
    blend = 0.22
    share = np.clip(0.5 + 0.5 * (sphere - z) / blend, 0.0, 1.0)
    lifted = z + (sphere - z) * share + blend * share * (1.0 - share)
    weight = smoothstep(0.0, 0.25, inside.astype(np.float32)) * (z > centre[2] - 1.5)
    points[..., 2] = z + (lifted - z) * weight
