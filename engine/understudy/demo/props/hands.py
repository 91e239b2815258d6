"""Hands: a jointed skeleton of capsules with skin, knuckles and nails.

Convention:
    The skeleton is in centimetres: the wrist at 0, y towards the fingers, x towards the little finger, z away
    from the palm. It is turned in space and then seen from the front.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from understudy.demo.props.layer import Layer
from understudy.demo.props.place import Place, lit
from understudy.demo.props.solid import Solid, solid
from understudy.demo.props.texture import cloud
from understudy.demo.template import Floats
from understudy.face import regions

# Knuckle x and y, then the lengths of three bones, of the index to the little finger.
_FINGERS = (
    (-3.1, 9.4, 4.3, 2.6, 2.0),
    (-1.0, 9.8, 4.8, 2.9, 2.1),
    (1.1, 9.4, 4.4, 2.7, 2.1),
    (3.0, 8.5, 3.4, 2.0, 1.8),
)
_RADII_CM = (1.04, 0.97, 0.88, 0.70)
_THUMB = ((-1.8, 1.8, -0.4), (-4.2, 4.6, -1.0), (-5.6, 7.6, -1.2), (-6.1, 10.2, -1.2))
_THUMB_RADII_CM = (1.6, 1.25, 1.05, 0.78)
TIPS = 3
"""Capsules of a finger; each third one ends in a fingertip."""


@dataclass(frozen=True)
class Gesture:
    """How a hand is held. Degrees."""

    curl: tuple[float, float, float, float] = (12.0, 10.0, 12.0, 16.0)
    """Bend of each joint of the index to the little finger, towards the palm."""
    spread: float = 5.0
    """Between neighbouring fingers."""
    thumb: float = 10.0
    """Turn of the thumb away from the palm's side."""
    tilt: float = 0.0
    """Turn of the whole hand about its width: positive brings the fingertips to the camera."""
    roll: float = 0.0
    """Turn about its length."""


GESTURES: dict[str, Gesture] = {
    "flat": Gesture(),
    "spread": Gesture((8.0, 6.0, 8.0, 10.0), 13.0, 30.0),
    "relaxed": Gesture((28.0, 32.0, 38.0, 42.0), 4.0, 5.0),
    "point": Gesture((4.0, 88.0, 90.0, 88.0), 3.0, -18.0),
    "two": Gesture((5.0, 5.0, 90.0, 88.0), 9.0, -20.0),
    "fist": Gesture((82.0, 84.0, 84.0, 82.0), 1.0, -32.0),
    "grip": Gesture((62.0, 64.0, 64.0, 62.0), 1.0, -10.0),
    "pinch": Gesture((46.0, 40.0, 46.0, 50.0), 5.0, -16.0),
    "claw": Gesture((38.0, 36.0, 36.0, 40.0), 11.0, 22.0),
    "edge": Gesture((16.0, 16.0, 16.0, 20.0), 0.0, -12.0),
}


@dataclass(frozen=True)
class Hand:
    """One hand before a face."""

    gesture: Gesture
    reach_cm: tuple[float, float]
    """Where the middle finger's knuckle lies, in face coordinates."""
    angle: float
    """Degrees: 0 points up, 90 to the right of the picture."""
    palm: bool = False
    """Whether the palm faces the camera, not the back with its nails."""
    mirrored: bool = False
    scale: float = 1.0
    skin: tuple[float, float, float] = (0.5, 0.3, 0.2)
    seed: int = 0
    sleeve: tuple[float, float, float] | None = field(default=None)
    nails: tuple[float, float, float] | None = field(default=None)
    """Colour of nail varnish."""


def _turn(axis: int, degrees: float) -> Floats:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = [k for k in range(3) if k != axis]
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def _skeleton(gesture: Gesture) -> list[tuple[Floats, float, Floats, float, str]]:
    """Bones as first end, its radius, second end, its radius, and what it is."""
    bones: list[tuple[Floats, float, Floats, float, str]] = []
    arm = np.array([0.0, -1.0, 0.0])
    bones.append((np.array([0.0, -26.0, 0.0]), 3.6, np.array([0.0, -6.0, 0.0]), 2.7, "arm"))
    bones.append((np.array([0.0, -6.0, 0.0]), 2.6, arm, 2.35, "palm"))
    for k, (x, y, *lengths) in enumerate(_FINGERS):
        joint = np.array([x, y, 0.25 - 0.12 * (k - 1.2) ** 2])
        bones.append((np.array([0.55 * x, 0.6, 0.0]), 1.75, joint, 1.22, "palm"))
        bones.append((np.array([0.75 * x, 3.0, -0.5]), 1.6, joint + np.array([0.0, -1.4, -0.5]), 1.4, "palm"))
        size = 0.88 if k == 3 else 1.0
        way = _turn(2, -gesture.spread * (k - 1.3))
        for b, length in enumerate(lengths):
            bend = gesture.curl[k] * (1.0, 1.1, 0.7)[b]
            way = way @ _turn(0, -bend)
            end = joint + way @ np.array([0.0, length, 0.0])
            bones.append(
                (joint, _RADII_CM[b] * size, end, _RADII_CM[b + 1] * size, "tip" if b == 2 else "finger")
            )
            joint = end
    out = _turn(2, gesture.thumb)
    first = np.array(_THUMB[0])
    points = [first] + [first + out @ (np.array(p) - first) for p in _THUMB[1:]]
    for b in range(3):
        kind = ("palm", "finger", "tip")[b]
        bones.append((points[b], _THUMB_RADII_CM[b], points[b + 1], _THUMB_RADII_CM[b + 1], kind))
    return bones


def _capsules(place: Place, hand: Hand) -> tuple[Floats, list[str]]:
    bones = _skeleton(hand.gesture)
    scale = place.unit_px * hand.scale
    # Curled fingers bend towards -z, the palm's side.
    side = np.diag([-1.0 if hand.mirrored else 1.0, 1.0, 1.0])
    facing = np.diag([-1.0, 1.0, -1.0]) if hand.palm else np.eye(3)
    turn = _turn(2, -hand.angle) @ _turn(0, hand.gesture.tilt) @ _turn(1, hand.gesture.roll) @ facing @ side
    middle = turn @ np.array([-1.0, 9.8, 0.0])
    at = place.pixel(*hand.reach_cm)
    down = place.down
    axes = np.array([[down[1], -down[0]], [-down[0], -down[1]]]).T  # x right, y up to the picture

    def seen(point: Floats) -> list[float]:
        x, y, z = turn @ point - middle
        px = at + scale * (axes @ np.array([x, y]))
        return [float(px[0]), float(px[1]), float(scale * z)]

    rows = [[*seen(a), ra * scale, *seen(b), rb * scale] for a, ra, b, rb, _ in bones]
    return np.array(rows, np.float32), [bone[4] for bone in bones]


def hand_layer(place: Place, hand: Hand) -> Layer:
    """Draw a hand.

    Args:
        place: The face that it is before.
        hand: How it is held, and whose skin it has.

    Returns:
        The layer, region `front`.
    """
    capsules, kinds = _capsules(place, hand)
    shape = solid(capsules, place.size, blend_px=0.28 * place.unit_px, hollow_px=0.45 * place.unit_px)
    albedo = _skin(place, hand, shape, np.array([("arm", "palm", "finger", "tip").index(k) for k in kinds]))
    colour = lit(place, albedo, shape.normal, gloss=0.035, power=16.0, soft=0.25)
    return Layer(colour * shape.openness[..., None], shape.alpha, regions.FRONT, shadow=0.55)


def _skin(place: Place, hand: Hand, shape: Solid, kind_of: Floats) -> Floats:
    rng = np.random.default_rng([hand.seed, 0x4A4D])
    kind = np.where(shape.owner >= 0, kind_of[np.maximum(shape.owner, 0)], -1)
    size, unit = place.size, place.unit_px
    albedo = np.ones((size, size, 3), np.float32) * np.array(hand.skin, np.float32)
    if hand.palm:  # palms are lighter and redder than backs
        albedo = albedo * 0.6 + 0.4 * np.array((0.56, 0.33, 0.25), np.float32)
    speck = 1.0 + 0.06 * cloud(rng, size, 2.5 * unit) + 0.025 * cloud(rng, size, 0.4 * unit)
    albedo *= speck[..., None]
    finger = kind >= 2
    ends = np.exp(-(((shape.along - 0.04) / 0.10) ** 2)) + np.exp(-(((shape.along - 0.98) / 0.10) ** 2))
    albedo *= 1.0 - (finger * 0.20 * ends)[..., None] * np.array((0.35, 1.0, 1.0), np.float32)
    lines = np.sin(shape.along * 60.0) * np.exp(-(((shape.along - 0.03) / 0.10) ** 2))
    albedo *= 1.0 - (finger * 0.10 * np.clip(lines, 0, 1))[..., None]
    tip = kind == 3
    pink = tip * np.clip((shape.along - 0.3) / 0.5, 0, 1) * 0.18
    albedo *= 1.0 - pink[..., None] * np.array((0.0, 0.7, 0.6), np.float32)
    if not hand.palm:
        nail = _nail(shape) * tip
        wanted = np.array(
            hand.nails if hand.nails else np.array(hand.skin) * 0.45 + (0.36, 0.25, 0.22), np.float32
        )
        albedo += nail[..., None] * (wanted - albedo)
    if hand.sleeve is not None:
        cloth = (kind == 0) * np.clip((0.75 - shape.along) / 0.02, 0, 1)
        weave = 1.0 + 0.12 * cloud(rng, size, 0.2 * unit) + 0.15 * cloud(rng, size, 2.0 * unit)
        albedo += cloth[..., None] * (np.array(hand.sleeve, np.float32) * weave[..., None] - albedo)
    return np.asarray(np.clip(albedo, 0.005, 0.9), dtype=np.float32)


def _nail(shape: Solid) -> Floats:
    """How much of a fingertip's pixel is nail."""
    off = np.hypot((shape.along - 0.80) / 0.34, shape.across / 0.62)
    return np.asarray(cv2.GaussianBlur(np.clip((1.0 - off) / 0.15, 0, 1).astype(np.float32), (0, 0), 0.5))
