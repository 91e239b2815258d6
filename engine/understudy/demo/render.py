"""One frame of a digital performer: build, pose, rasterise, light, and set before the backdrop.

Convention:
    Pixels are scene-linear Rec.709, rows from the top, x right, y down, pixel centres on integers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from understudy.demo.beard import Beard, beard_density, beard_shells
from understudy.demo.expressions import express
from understudy.demo.features import eye_edges
from understudy.demo.hair import SHELLS, hair_of, lash_texture, scalp_shade
from understudy.demo.head import neutral_head
from understudy.demo.identity import Identity
from understudy.demo.labels import region_mattes
from understudy.demo.landmarks import Ints, grid_places, landmark_places
from understudy.demo.lighting import look_table, shadow_map
from understudy.demo.mesh import HAIR, SHIRT, SKIN, GridMesh, Soup, grid_normals, grid_uv, pack
from understudy.demo.parts import ears, eyeballs, lashes, mouth_parts, shirt
from understudy.demo.performance import Camera, PerformanceFrame, Pose
from understudy.demo.raster import rasterise
from understudy.demo.shade import shade
from understudy.demo.skin import REGION, face_region, openings, skin_layers
from understudy.demo.template import COLUMNS, ROWS, Floats, smoothstep, template

PIVOT = np.array([0.0, -9.5, -9.0], np.float32)
_CENTRE_Y = -1.9
_OVERSAMPLE = 2
_BEARD_CUT = 3


@dataclass(frozen=True)
class Rendering:
    """A finished frame and what is known about it."""

    pixels: Floats
    """(H, W, 3) float32, scene-linear Rec.709, not clipped."""
    landmarks: Floats
    """(68, 2) float32, iBUG-68 order, pixels, centres on integers."""
    face_matte: Floats
    """(H, W) float32 in 0..1: facial skin that a swap replaces, eyes and mouth included, hair left out."""
    head_matte: Floats
    """(H, W) float32 in 0..1: head, hair and neck without the shirt."""


@dataclass(frozen=True)
class Labelled:
    """A finished frame, what each of its pixels shows, and the performer without the backdrop."""

    rendering: Rendering
    regions: Floats
    """(H, W, REGIONS) float32 mattes of the regions of `face.regions`."""
    foreground: Floats
    """(H, W, 3) float32, scene-linear Rec.709, premultiplied: the performer, clothes included."""
    alpha: Floats
    """(H, W) float32, of `foreground`."""


@dataclass(frozen=True)
class _Layers:
    colour: Floats
    head: Floats
    face: Floats
    change: Floats
    landmarks: Floats
    foreground: Floats
    alpha: Floats
    regions: Floats | None


def render(
    identity: Identity,
    acting: PerformanceFrame,
    *,
    size: tuple[int, int] = (256, 256),
    face_identity: Identity | None = None,
) -> Rendering:
    """Render one frame.

    Args:
        identity: The performer in the plate.
        acting: Pose, expression, light and camera.
        size: (height, width) in pixels.
        face_identity: Give it to get the truth of a swap: this performer's face, in the tone of
            `identity`, on the head, hair, clothes and backdrop of `identity`.

    Returns:
        The frame. Outside the face region and a margin of some pixels a truth equals its plate.
    """
    plate = _layers(identity, identity, acting, size)
    if face_identity is None or face_identity == identity:
        return Rendering(plate.colour, plate.landmarks, plate.face, plate.head)
    truth = _layers(identity, face_identity, acting, size)
    margin = max(1.0, min(size) / 128.0)
    reach = int(2 * round(2.0 * margin) + 1)
    changed = cv2.dilate(np.maximum(plate.change, truth.change), np.ones((reach, reach), np.uint8))
    weight = np.clip(cv2.GaussianBlur(changed, (0, 0), margin), 0.0, 1.0)
    colour = plate.colour + weight[..., None] * (truth.colour - plate.colour)
    head = plate.head + weight * (truth.head - plate.head)
    return Rendering(colour.astype(np.float32), truth.landmarks, truth.face, head.astype(np.float32))


def render_labelled(
    identity: Identity,
    acting: PerformanceFrame,
    *,
    size: tuple[int, int] = (256, 256),
    beard: Beard | None = None,
) -> Labelled:
    """Render one frame, and say what each of its pixels shows.

    Args:
        identity: The performer.
        acting: Pose, expression, light and camera.
        size: (height, width) in pixels.
        beard: Facial hair; without it the frame's bits are those of `render`.

    """
    drawn = _layers(identity, identity, acting, size, beard, labelled=True)
    assert drawn.regions is not None
    rendering = Rendering(drawn.colour, drawn.landmarks, drawn.face, drawn.head)
    return Labelled(rendering, drawn.regions, drawn.foreground, drawn.alpha)


def _layers(
    identity: Identity,
    face: Identity,
    acting: PerformanceFrame,
    size: tuple[int, int],
    beard: Beard | None = None,
    labelled: bool = False,
) -> _Layers:
    soup, landmarks_3d, up = _scene(identity, face, acting, beard)
    height, width = size
    samples = (height * _OVERSAMPLE, width * _OVERSAMPLE)
    camera = acting.camera
    screen = project(soup.points, camera, samples)
    cuts = _cuts(identity, face, beard)
    owner, near = rasterise(screen, soup.uv, soup.triangles, soup.cut_layer, soup.cut_level, cuts, *samples)
    look = look_table(identity, face, acting.light)
    shadow, frame = shadow_map(soup, cuts, look)
    eye = np.array([0.0, _CENTRE_Y, camera.distance_cm], np.float32)
    lit = shade(
        owner,
        near,
        screen,
        soup.points,
        soup.normals,
        soup.uv,
        soup.shade,
        up,
        soup.triangles,
        soup.material,
        _skin_of(identity, face),
        hair_of(identity).strand,
        look,
        eye,
        shadow,
        frame,
    )
    lit = _average(lit)
    seen = _average((owner >= 0).astype(np.float32))
    colour = lit[..., :3] + (1.0 - seen[..., None]) * backdrop(identity, size) * np.float32(
        2.0**acting.light.exposure
    )
    places = project(landmarks_3d, camera, size)[:, :2]
    change = (lit[..., 5] > 0).astype(np.float32)
    return _Layers(
        np.ascontiguousarray(colour, np.float32),
        lit[..., 3].copy(),
        np.minimum(lit[..., 4], 1.0),
        change,
        places.astype(np.float32),
        lit[..., :3].copy(),
        seen,
        region_mattes(identity, soup, owner, near, screen, _OVERSAMPLE) if labelled else None,
    )


def _average(samples: Floats) -> Floats:
    """Pixels from their 2 × 2 samples."""
    rows = samples[0::2] + samples[1::2]
    return np.asarray(0.25 * (rows[:, 0::2] + rows[:, 1::2]), dtype=np.float32)


def project(points: Floats, camera: Camera, size: tuple[int, int]) -> Floats:
    """World points to the screen.

    Args:
        points: (N, 3) centimetres.
        camera: The camera.
        size: (height, width) of the raster.

    Returns:
        (N, 3) float32: x right, y down with pixel centres on integers, and 1 / distance.
    """
    height, width = size
    near = 1.0 / (camera.distance_cm - points[:, 2])
    scale = min(height, width) / camera.view_height_cm * camera.distance_cm
    x = points[:, 0] * near * scale + 0.5 * width - 0.5
    y = (_CENTRE_Y - points[:, 1]) * near * scale + 0.5 * height - 0.5
    return np.stack([x, y, near], -1).astype(np.float32)


def landmarks_of(identity: Identity, acting: PerformanceFrame, size: tuple[int, int]) -> Floats:
    """The landmarks of a frame alone, a hundred times as fast as the frame.

    Args:
        identity: Who.
        acting: What they do.
        size: (height, width) in pixels.

    Returns:
        (68, 2) float32, as `Rendering.landmarks` of the same frame.
    """
    posed = _pose_rows(express(identity, neutral_head(identity), acting.expression), acting.pose)
    return project(_marks(identity, posed), acting.camera, size)[:, :2]


def rotation(pose: Pose, share: float = 1.0) -> Floats:
    """(3, 3) turn of the head, or of a part of the neck that turns by a share of it."""
    yaw, pitch, roll = (np.radians(a * share) for a in (pose.yaw, pose.pitch, pose.roll))
    cy, sy, cp, sp, cr, sr = (
        np.cos(yaw),
        np.sin(yaw),
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
    )
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    lean = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(lean @ turn @ nod, dtype=np.float32)


def _scene(
    identity: Identity, face: Identity, acting: PerformanceFrame, beard: Beard | None = None
) -> tuple[Soup, Floats, Floats]:
    """All meshes in the world, the landmarks in the world, and the head's up."""
    e, pose = acting.expression, acting.pose
    head = neutral_head(face)
    grid = express(face, head, e)
    lids = {side: _lid_edges(face, grid, side) for side in (-1, 1)}
    if face != identity:
        share = face_region()[..., None]
        own = express(identity, neutral_head(identity), e)
        grid = (own + share * (grid - own)).astype(np.float32)
    posed = _pose_rows(grid, pose)
    matrix = rotation(pose)
    meshes = [
        GridMesh(posed, grid_uv(ROWS, COLUMNS), SKIN, cut_layer=0, cut_level=0.0, normals=grid_normals(posed))
    ]
    covered = identity.hair_style in ("bob", "long")
    parts = ([] if covered else ears(identity)) + mouth_parts(face, e)
    parts += eyeballs(head, e, {s: (lids[s][0][:, 0], lids[s][0][:, 1], lids[s][1][:, 1]) for s in (-1, 1)})
    for side in (-1, 1):
        parts.append(lashes(_from_inner(lids[side][0], side), side, True, 0.42 + 0.22 * face.femininity))
        parts.append(lashes(_from_inner(lids[side][1], side), side, False, 0.16 + 0.08 * face.femininity))
    for part in parts:
        moved = (part.points - PIVOT) @ matrix.T + PIVOT + np.array(pose.translation, np.float32)
        meshes.append(replace(part, points=moved))
    hair = hair_of(identity)
    for (share_h, level), shell in zip(SHELLS, hair.shells, strict=True):
        shape = np.full(shell.shape[:2], 0.45 + 0.55 * share_h, np.float32)
        meshes.append(GridMesh(_pose_rows(shell, pose, 2), hair.uv, HAIR, shape, 1, level))
    if beard is not None:
        meshes += beard_shells(face, beard, posed, _BEARD_CUT)
    body = shirt(identity)
    meshes.append(
        GridMesh(body.points + 0.6 * np.array(pose.translation, np.float32), body.uv, SHIRT, body.shade)
    )
    return pack(meshes), _marks(face, posed), np.ascontiguousarray(matrix[:, 1])


def _marks(face: Identity, posed: Floats) -> Floats:
    """(68, 3) landmarks of a posed grid."""
    index, weight = landmark_places(face)
    return np.asarray(np.einsum("kji,kj->ki", posed.reshape(-1, 3)[index], weight), np.float32)


def _pose_rows(grid: Floats, pose: Pose, step: int = 1) -> Floats:
    """Pose a grid on the head's rows; the neck turns less the lower it is."""
    share = smoothstep(18.0, 12.4, template().ring[::step, 0])
    matrices = np.stack([rotation(pose, float(s)) for s in share])
    moved = np.matmul(grid - PIVOT, matrices.transpose(0, 2, 1)) + PIVOT
    shift = (0.6 + 0.4 * share)[:, None, None] * np.array(pose.translation, np.float32)
    return np.asarray(moved + shift, dtype=np.float32)


def _lid_edges(identity: Identity, grid: Floats, side: int) -> tuple[Floats, Floats]:
    """The upper and the lower lid's edge as (K, 3) points, from the left of the picture to the right."""
    places = _lid_places(identity, side)
    flat = grid.reshape(-1, 3)
    upper, lower = (np.einsum("kji,kj->ki", flat[i], w).astype(np.float32) for i, w in places)
    return upper, lower


@lru_cache(maxsize=64)
def _lid_places(identity: Identity, side: int) -> list[tuple[Ints, Floats]]:
    share = np.sin(np.linspace(-np.pi / 2, np.pi / 2, 25)) * 0.995
    x = side * identity.eye_spacing_cm + (share * identity.eye_width_cm).astype(np.float32)
    _, upper, lower = eye_edges(identity, x)
    return [grid_places(np.stack([x, y], -1)) for y in (upper, lower)]


def _from_inner(edge: Floats, side: int) -> Floats:
    return edge if side > 0 else edge[::-1].copy()


@lru_cache(maxsize=4)
def _cuts(identity: Identity, face: Identity, beard: Beard | None = None) -> Floats:
    """(3 or 4, S, S) cut-outs: eyes and mouth, hair, lashes, and the beard if there is one."""
    layers = [openings(face), hair_of(identity).density, lash_texture()]
    return np.stack(layers if beard is None else [*layers, beard_density(face, beard)])


@lru_cache(maxsize=4)
def _skin_of(identity: Identity, face: Identity) -> Floats:
    """The performer's skin, or the face's painted over it inside the face region."""
    own = skin_layers(identity)
    mixed = own.copy()
    if face != identity:
        share = own[REGION]
        mixed += share * (skin_layers(face) - own)
        mixed[REGION] = share
    roots = scalp_shade(identity)
    for channel in range(3):
        hair = 0.7 * identity.hair[channel] / max(identity.skin[channel], 0.02)
        mixed[channel] += roots * (hair - mixed[channel])
    return np.ascontiguousarray(mixed, dtype=np.float32)


@lru_cache(maxsize=8)
def backdrop(identity: Identity, size: tuple[int, int]) -> Floats:
    """(H, W, 3) an out-of-focus room in the performer's colours."""
    rng = np.random.default_rng([identity.seed, 91])
    height, width = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / width, y / height
    base = np.array(identity.backdrop, np.float32)
    picture = base * (1.25 - 0.75 * y[..., None]) * np.ones((height, width, 3), np.float32)
    for _ in range(7):
        cx, cy, radius = rng.uniform(-0.1, 1.1), rng.uniform(-0.1, 0.9), rng.uniform(0.10, 0.34)
        tint = base * rng.uniform(0.3, 2.2) * (1.0 + 0.25 * rng.normal(size=3))
        soft = smoothstep(1.25, 0.35, np.hypot(x - cx, (y - cy) * 0.9) / radius)[..., None]
        picture = picture * (1.0 - 0.55 * soft) + 0.55 * soft * np.clip(tint, 0.01, None)
    return np.asarray(picture, dtype=np.float32)
