"""What is not skin of the head grid: eyeballs, lashes, teeth, mouth, ears and shirt.

Convention:
    Centimetres in the head's own axes before it is posed, x right, y up, z towards the camera.
"""

from __future__ import annotations

import numpy as np

from understudy.demo.expressions import jaw_angle, rotate_jaw
from understudy.demo.features import EYE_RADIUS, line_middle
from understudy.demo.head import Head, proportion
from understudy.demo.identity import Identity
from understudy.demo.mesh import EAR, EYE, LASH, MOUTH, SHIRT, SKIN, TEETH, GridMesh, grid_uv
from understudy.demo.performance import Expression
from understudy.demo.template import Floats, smoothstep

_GAZE_DEGREES = (21.0, 13.0)
EAR_UV = (0.20, 0.50)
"""A spot of the head's skin texture beside the ear; the ear takes its skin from there."""


def eyeballs(
    head: Head, expression: Expression, lids: dict[int, tuple[Floats, Floats, Floats]]
) -> list[GridMesh]:
    """Both eyeballs, turned by the gaze and shaded by the lids.

    Args:
        head: Neutral head, for where the eyes sit.
        expression: Its gaze.
        lids: For side -1 and 1, the lids' edges now: x (sorted), upper y, lower y.

    Returns:
        Two grids whose uv are the gaze's own x and y in eye radii, brought to 0..1.
    """
    latitude = np.linspace(0.0, 1.75, 44)[:, None]
    longitude = np.linspace(0.0, 2.0 * np.pi, 49)[None]
    lx = np.sin(latitude) * np.cos(longitude)
    ly = np.sin(latitude) * np.sin(longitude)
    lz = np.cos(latitude) * np.ones_like(longitude)
    bulge = 1.0 + 0.045 * np.exp(-((latitude / 0.34) ** 4)) * np.ones_like(longitude)
    yaw, pitch = (
        np.radians(_GAZE_DEGREES[0] * expression.gaze_x),
        np.radians(_GAZE_DEGREES[1] * expression.gaze_y),
    )
    balls = []
    for side in (-1, 1):
        toe = yaw - side * 0.02
        y1, z1 = ly * np.cos(pitch) + lz * np.sin(pitch), -ly * np.sin(pitch) + lz * np.cos(pitch)
        local = np.stack([lx * np.cos(toe) + z1 * np.sin(toe), y1, -lx * np.sin(toe) + z1 * np.cos(toe)], -1)
        centre = np.array([side * head.eye_centre[0], head.eye_centre[1], head.eye_centre[2]])
        points = centre + (EYE_RADIUS - 0.03) * bulge[..., None] * local
        edge_x, upper, lower = lids[side]
        below = np.interp(points[..., 0], edge_x, upper) - points[..., 1]
        over = points[..., 1] - np.interp(points[..., 0], edge_x, lower)
        shade = 0.26 + 0.74 * smoothstep(-0.04, 0.36, below.astype(np.float32)) * (
            0.6 + 0.4 * smoothstep(-0.02, 0.14, over.astype(np.float32))
        )
        ends = np.minimum(points[..., 0] - edge_x[0], edge_x[-1] - points[..., 0])
        shade = shade * (0.62 + 0.38 * smoothstep(0.0, 0.4, ends.astype(np.float32)))
        uv = np.stack([0.5 + 0.5 * lx, 0.5 + 0.5 * ly], -1).astype(np.float32)
        uv[latitude[:, 0] > 1.4] = 1.0
        balls.append(GridMesh(points.astype(np.float32), uv, EYE, shade.astype(np.float32)))
    return balls


def lashes(edge: Floats, side: int, upper: bool, length_cm: float) -> GridMesh:
    """A strip of lashes along one lid.

    Args:
        edge: (K, 3) points of the lid's edge from the inner to the outer corner.
        side: 1 for the eye at the right of the picture.
        upper: Upper or lower lid.
        length_cm: Of the longest hair.

    Returns:
        The strip; its hairs are cut out by a texture layer.
    """
    share = np.linspace(0.0, 1.0, len(edge))[:, None]
    out = np.array([[0.0, 0.42 if upper else -0.75, 0.95 if upper else 0.6]]) + side * np.array(
        [[0.75, 0.0, 0.0]]
    ) * (share - 0.35)
    grow = length_cm * (0.45 + 0.75 * share) * np.sin(np.pi * np.clip(share, 0.0, 1.0)) ** 0.35
    rows = []
    for t in np.linspace(0.0, 1.0, 4):
        lift = np.array([[0.0, 0.45 * t * t if upper else -0.2 * t * t, 0.0]])
        rows.append(edge + grow * (t * out + lift) + np.array([[0.0, 0.0, 0.02]]))
    points = np.stack(rows).astype(np.float32)
    uv = grid_uv(4, len(edge))
    return GridMesh(points, uv, LASH, cut_layer=2, cut_level=0.5)


def mouth_parts(identity: Identity, expression: Expression) -> list[GridMesh]:
    """Both rows of teeth, the tongue and the dark of the mouth."""
    middle = line_middle(identity)
    angle = jaw_angle(expression)
    upper = _teeth_row(middle + 0.90, middle - 0.38, 0.28, 2.1)
    lower = _teeth_row(middle - 1.35, middle - 0.40, 0.02, 1.95)
    back = np.linspace(0.0, np.pi / 2, 14)[:, None]
    turn = np.linspace(0.0, 2.0 * np.pi, 33)[None]
    radius = np.maximum(np.cos(back), 0.0) ** 0.4
    bag = np.stack(
        [
            2.35 * radius * np.cos(turn),
            middle + 1.5 * radius * np.sin(turn),
            -0.5 - 4.0 * np.sin(back) + 0 * turn,
        ],
        -1,
    )
    low = smoothstep(0.5, -0.5, (bag[..., 1] - middle).astype(np.float32))
    deep = np.clip(1.0 - np.sin(back) * 0.9, 0.1, 1.0) * np.ones_like(turn)
    cap = np.linspace(0.0, np.pi / 2, 12)[:, None]
    tongue = np.stack(
        [
            1.5 * np.sin(cap) * np.cos(turn),
            middle - 1.5 + 0.6 * np.cos(cap) + 0.0 * turn,
            -1.5 + 1.55 * np.sin(cap) * np.sin(turn),
        ],
        -1,
    )
    placed = [proportion(identity, p.astype(np.float32)) for p in (upper, lower, bag, tongue)]
    placed[1] = rotate_jaw(placed[1], angle)
    placed[2] = rotate_jaw(placed[2], low * angle)
    placed[3] = rotate_jaw(placed[3], 0.92 * angle)
    for k in (1, 3):
        placed[k][..., 0] += 0.5 * expression.jaw_side
    for p in placed:
        p[..., 2] -= 0.45 * expression.pucker + 0.16 * expression.smile
        p[..., 0] *= 1.0 - 0.22 * expression.pucker
    sides = np.abs(np.linspace(-1.0, 1.0, upper.shape[1]))[None] * np.ones((upper.shape[0], 1))
    shade = (1.0 - 0.82 * sides**1.6).astype(np.float32)
    uv_low = grid_uv(*lower.shape[:2])
    uv_up = grid_uv(*upper.shape[:2])
    return [
        GridMesh(placed[0], uv_up, TEETH, shade),
        GridMesh(placed[1], uv_low, TEETH, 0.62 * shade),
        GridMesh(placed[2], grid_uv(*bag.shape[:2]), MOUTH, (0.22 * deep).astype(np.float32)),
        GridMesh(placed[3], grid_uv(*tongue.shape[:2]), MOUTH, np.full(tongue.shape[:2], 0.75, np.float32)),
    ]


def _teeth_row(root_y: float, edge_y: float, front_z: float, half_width: float) -> Floats:
    """(10, 121, 3) dental arch; row 0 in the gum, last row the biting edge."""
    t = np.linspace(0.0, 1.0, 10)[:, None]
    arch = np.linspace(-1.25, 1.25, 121)[None]
    tooth = np.abs(np.sin(arch * 14.0 / 1.25 * np.pi / 2 + 0.0)) ** 0.5
    x = half_width * np.sin(arch) + 0.0 * t
    z = front_z - 2.6 * (1.0 - np.cos(arch)) + 0.07 * tooth * t - 0.16 * (t - 0.5) ** 2 - 0.08 * t
    y = root_y + (edge_y - root_y) * (t - 0.02 * t * (1.0 - tooth) * (t > 0.8))
    return np.stack([x, y + 0.0 * x, z], -1).astype(np.float32)


def ears(identity: Identity) -> list[GridMesh]:
    """Both ears: helix, antihelix, concha, tragus and lobe on a tilted disc."""
    r = np.linspace(0.0, 1.0, 26)[:, None]
    phi = np.linspace(0.0, 2.0 * np.pi, 65)[None]
    up, back = np.sin(phi), np.cos(phi)
    tall, wide = 2.95 * identity.ear_size, 1.7 * identity.ear_size
    outline = 1.0 + 0.13 * np.sin(phi) - 0.05 * np.cos(2 * phi)
    reach = np.minimum(r / 0.9, 1.0)
    v = tall * reach * up * np.where(up > 0, 1.0, 1.0)
    w = wide * outline * reach * back + 0.12 * v
    rim = np.exp(-(((r - 0.86) / 0.09) ** 2)) * smoothstep(-0.9, 0.1, back.astype(np.float32))
    rim = np.maximum(rim, np.exp(-(((r - 0.86) / 0.09) ** 2)) * smoothstep(0.2, 0.8, up.astype(np.float32)))
    anti = np.exp(-(((r - 0.58) / 0.11) ** 2)) * smoothstep(-0.7, 0.3, back.astype(np.float32))
    concha = np.exp(-(((w + 0.25) / 0.62) ** 2) - ((v + 0.35) / 0.95) ** 2)
    tragus = np.exp(-(((w + 1.25) / 0.38) ** 2) - ((v + 0.35) / 0.5) ** 2)
    lobe = np.exp(-(((v + 2.5 * identity.ear_size) / 0.7) ** 2))
    height = 0.42 * rim + 0.30 * anti * (1 - 0.6 * lobe) - 0.50 * concha + 0.35 * tragus + 0.18 * lobe
    height = height + 0.55 * reach**2 * (0.5 + 0.5 * back) - 1.1 * np.clip((r - 0.9) / 0.1, 0.0, 1.0)
    shade = 1.0 - 0.72 * np.clip(concha * 1.2, 0, 1) - 0.35 * np.exp(-(((r - 0.72) / 0.07) ** 2)) * (1 - lobe)
    flare = np.radians(24.0)
    meshes = []
    for side in (-1.0, 1.0):
        depth = height + 0.05
        x = (
            6.95 * identity.head_width
            + depth * np.cos(flare)
            + (w + wide) * np.sin(flare) * 0.75 * (1.0 - 0.9 * smoothstep(-0.9, -2.9, v))
        )
        z = -8.55 - (w + 0.2 * wide) * np.cos(flare) * 0.95 + depth * np.sin(flare)
        y = -1.55 * identity.face_length + v
        points = np.stack([side * x, y + 0 * x, z], -1).astype(np.float32)
        if side < 0:
            points = points[:, ::-1].copy()
        uv = np.empty((*points.shape[:2], 2), np.float32)
        uv[..., 0] = EAR_UV[0] if side < 0 else 1.0 - EAR_UV[0]
        uv[..., 1] = EAR_UV[1]
        ear_shade = np.clip(shade if side > 0 else shade[:, ::-1], 0.1, 1.0).astype(np.float32)
        meshes.append(GridMesh(points, uv, SKIN, ear_shade, part=EAR))
    return meshes


def shirt(identity: Identity) -> GridMesh:
    """Shoulders in a crew-neck shirt; it does not turn with the head."""
    t = np.linspace(0.0, 1.0, 46)[:, None]
    turn = np.linspace(-np.pi, np.pi, 97)[None]
    sine, cosine = np.sin(turn), np.cos(turn)
    grow = np.clip(t - 0.06, 0.0, 1.0) / 0.94
    wide = (
        6.4 * identity.neck_width
        + (13.6 - 2.2 * identity.femininity) * np.sin(np.clip(grow / 0.62, 0, 1) * np.pi / 2) ** 1.2
    )
    deep = 6.2 + 4.2 * np.clip(grow / 0.5, 0, 1) ** 0.8
    drop = -14.4 - 3.4 * np.clip(grow / 0.62, 0, 1) ** 1.25 - 24.0 * np.clip(grow - 0.5, 0, 1) ** 1.3
    front_drop = -1.9 - 3.0 * np.clip(grow / 0.5, 0, 1) ** 0.9
    y = drop + np.clip(cosine, 0, None) * front_drop + np.clip(-cosine, 0, None) * 1.2
    collar = 0.34 * np.exp(-(((t - 0.05) / 0.028) ** 2)) - 1.2 * np.clip(0.03 - t, 0, 1) / 0.03
    x = np.sign(sine) * np.abs(sine) ** 0.9 * (wide + collar)
    z = -9.6 + cosine * (deep + collar)
    fold = 0.18 * np.sin(5.0 * turn + 3.0 * np.sin(9.0 * t + identity.seed)) * np.clip(grow * 3.0, 0, 1)
    points = np.stack([x, y + 0.5 * fold, z + fold], -1).astype(np.float32)
    shade = (0.55 + 0.45 * smoothstep(0.0, 0.16, t.astype(np.float32))) * np.ones_like(turn)
    return GridMesh(points, grid_uv(*points.shape[:2]), SHIRT, shade.astype(np.float32))
