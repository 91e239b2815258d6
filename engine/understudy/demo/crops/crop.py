"""One performer's crops: a few rendered faces, each varied many times.

Convention:
    Crops are aligned as `face.align` aligns plates, then moved, turned and scaled a little, as tracks err.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from understudy.demo.beard import Beard
from understudy.demo.crops import backgrounds, camera
from understudy.demo.identity import Identity
from understudy.demo.lighting import look_table
from understudy.demo.performance import Camera, Light, Performance
from understudy.demo.props import arrange
from understudy.demo.props.layer import Picture, over
from understudy.demo.props.place import Place
from understudy.demo.render import Labelled, render_labelled
from understudy.demo.template import Floats
from understudy.face import align, regions
from understudy.face.landmarks import MIRROR

SIZE = 256
FRAME_PX = 320
_VIEW_CM = {"whole_face": 27.0, "head": 37.0}
_BEARD_BLUR_PX = 1.6
_NEAR = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (21, 21))
"""What lies within ten pixels of the head is near it."""


@dataclass(frozen=True)
class Split:
    """Seeds and hands of training or of test; the two share none."""

    identity: int
    performance: int
    gestures: tuple[str, ...]


SPLITS = {
    "training": Split(300_000, 700_000, arrange.TRAINING_GESTURES),
    "test": Split(400_000, 800_000, arrange.TEST_GESTURES),
}


@dataclass(frozen=True)
class Crop:
    """What a network sees, and what it should answer."""

    codes: Floats
    """(SIZE, SIZE, 3) float32 sRGB code values in 0..1."""
    mattes: Floats
    """(SIZE, SIZE, REGIONS) float32 that sum to 1."""
    known: NDArray[np.bool_]
    """(SIZE, SIZE): false where a prop lies far from the head. Where nothing says whether a thing belongs to
    the front or to the background, neither is right."""


@dataclass(frozen=True)
class _Face:
    drawn: Labelled
    coverage: str
    look: Floats
    identity: Identity


def crops(split: str, performer: int, *, frames: int, variants: int) -> Iterator[Crop]:
    """All crops of one performer.

    Args:
        split: `training` or `test`.
        performer: Its number in the split; the same number gives the same bits.
        frames: Faces that are rendered.
        variants: Crops of each, with other props, background, placement and camera.

    Yields:
        frames × variants crops.
    """
    chosen = SPLITS[split]
    rng = np.random.default_rng([chosen.identity, performer])
    identity = Identity.from_seed(chosen.identity + performer)
    chance = 0.55 * (1.0 - identity.femininity)
    beard = Beard.from_seed(chosen.identity + performer) if rng.random() < chance else None
    faces = [_face(identity, beard, chosen, performer, frame, rng) for frame in range(frames)]
    whole = [face for face in faces if face.coverage == "head"]
    for face in faces:
        for _ in range(variants):
            yield _crop(face, whole, chosen, rng)


def _face(
    identity: Identity,
    beard: Beard | None,
    split: Split,
    performer: int,
    frame: int,
    rng: np.random.Generator,
) -> _Face:
    coverage = str(rng.choice(("whole_face", "head"), p=(0.65, 0.35)))
    acting = Performance.from_seed(split.performance + performer, max_yaw=55.0).at(frame * 500.0)
    view = _VIEW_CM[coverage] * float(rng.uniform(0.97, 1.08))
    filmed = replace(
        acting,
        camera=Camera(distance_cm=float(rng.uniform(45.0, 180.0)), view_height_cm=view),
        light=_light(rng),
    )
    drawn = render_labelled(identity, filmed, size=(FRAME_PX, FRAME_PX), beard=beard)
    return _Face(drawn, coverage, look_table(identity, identity, filmed.light), identity)


def _light(rng: np.random.Generator) -> Light:
    """A key from any side, behind the head too; hard or soft."""
    return Light(
        azimuth=float(rng.uniform(-130.0, 130.0)),
        elevation=float(rng.uniform(-25.0, 75.0)),
        exposure=float(np.clip(rng.normal(0.0, 0.4), -1.0, 1.0)),
        warmth=float(rng.uniform(-1.0, 1.0)),
        fill=float(rng.uniform(0.1, 1.0)),
        rim=float(rng.uniform(0.0, 1.2)),
    )


def _placement(face: _Face, rng: np.random.Generator) -> Floats:
    """(2, 3) from the rendered frame to the crop."""
    aligned = align.plate_to_aligned(face.drawn.rendering.landmarks, coverage=face.coverage, size=SIZE)
    turn, scale = np.radians(rng.normal(0, 6)), float(np.exp(rng.normal(0, 0.07)))
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    half, shift = 0.5 * (SIZE - 1), rng.normal(0, 0.025 * SIZE, 2)
    linear = np.array([[c, -s], [s, c]]) @ np.diag((-1.0 if rng.random() < 0.5 else 1.0, 1.0))
    moved = np.column_stack([linear, half + shift - linear @ (half, half)])
    return np.asarray(moved @ np.vstack([aligned, (0.0, 0.0, 1.0)]))


def _warp(planes: Floats, matrix: Floats) -> Floats:
    warped = cv2.warpAffine(
        planes, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.float32)


def _picture(face: _Face, matrix: Floats, rng: np.random.Generator) -> Picture:
    """A face as it lies in its crop, before a background."""
    planes = np.dstack([face.drawn.foreground, face.drawn.alpha, face.drawn.regions]).astype(np.float32)
    # OpenCV warps at most four planes at a time.
    warped = np.dstack([_warp(planes[..., k : k + 4], matrix) for k in range(0, planes.shape[-1], 4)])
    behind = (1.0 - warped[..., 3:4]) * backgrounds.background(rng, SIZE)
    mattes = warped[..., 4:]
    mattes = mattes / mattes.sum(-1, keepdims=True)
    return Picture(warped[..., :3] + behind, _thick_beard(mattes))


def _thick_beard(mattes: Floats) -> Floats:
    """A beard's matte is the share of its neighbourhood that hairs fill, not single hairs."""
    beard = mattes[..., regions.BEARD]
    if beard.max() == 0.0:
        return mattes
    both = beard + mattes[..., regions.SKIN]
    smooth = cv2.GaussianBlur(np.dstack([beard * both, both]), (0, 0), _BEARD_BLUR_PX)
    result = mattes.copy()
    result[..., regions.BEARD] = both * np.clip(smooth[..., 0] / np.maximum(smooth[..., 1], 1e-3), 0.0, 1.0)
    result[..., regions.SKIN] = both - result[..., regions.BEARD]
    return result


def _crop(face: _Face, others: list[_Face], split: Split, rng: np.random.Generator) -> Crop:
    matrix = _placement(face, rng)
    picture = _picture(face, matrix, rng)
    near = cv2.dilate(1.0 - picture.mattes[..., regions.BACKGROUND], _NEAR) > 0.05
    flipped = float(np.linalg.det(matrix[:, :2])) < 0
    marks = face.drawn.rendering.landmarks @ matrix[:, :2].T + matrix[:, 2]
    look = face.look
    if flipped:
        marks = marks[list(MIRROR)]
        look = look.copy()
        look[[0, 2, 4], 0] *= -1.0
    place = Place(SIZE, marks.astype(np.float32), look, face.identity.skin, face.identity.hair)
    second = None
    if others and rng.random() < 0.3:
        other = others[int(rng.integers(len(others)))]
        second = _picture(other, _placement(other, rng), rng)
    for layer in arrange.drawn(place, rng, arrange.Cast(split.gestures, second)):
        picture = over(picture, layer, place.light_xy, place.unit_px)
    codes, mattes = camera.seen(picture, rng)
    mattes = np.clip(mattes, 0.0, None)
    mattes = mattes / mattes.sum(-1, keepdims=True)
    known = near | (mattes[..., regions.BACKGROUND] > 0.98)
    return _cut(Crop(codes, mattes, known), rng) if rng.random() < 0.12 else Crop(codes, mattes, known)


def _cut(crop: Crop, rng: np.random.Generator) -> Crop:
    """The crop of a face at its plate's border: black beyond it."""
    way, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.22, 0.5) * SIZE
    y, x = np.mgrid[0:SIZE, 0:SIZE] - 0.5 * (SIZE - 1)
    beyond = x * np.cos(way) + y * np.sin(way) > far
    codes, mattes = crop.codes.copy(), crop.mattes.copy()
    codes[beyond] = 0.0
    mattes[beyond] = np.eye(mattes.shape[-1], dtype=np.float32)[regions.BACKGROUND]
    return Crop(codes, mattes, crop.known | beyond)
