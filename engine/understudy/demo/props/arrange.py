"""Which props a picture has, and where they stand: drawn from a random generator.

Convention:
    Face coordinates as in `place`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from understudy.demo.props import clothes, eyewear, food, hats, objects, soft, strands
from understudy.demo.props.hands import GESTURES, Hand, hand_layer
from understudy.demo.props.layer import Layer, Picture, blurred
from understudy.demo.props.place import Place
from understudy.demo.props.surface import bright, dyed

TRAINING_GESTURES = ("flat", "spread", "relaxed", "point", "fist", "grip")
TEST_GESTURES = ("two", "pinch", "claw", "edge")
"""Hands that no training picture holds."""

_OTHER_SKIN = ((0.62, 0.42, 0.33), (0.50, 0.30, 0.20), (0.33, 0.18, 0.11), (0.16, 0.085, 0.055))


@dataclass(frozen=True)
class Cast:
    """What props may be drawn from."""

    gestures: Sequence[str] = TRAINING_GESTURES
    other: Picture | None = None
    """Another performer, of the same size, for the head in front."""


def _mouth_cm(place: Place) -> tuple[float, float]:
    way = place.landmarks[48:68].mean(0) - place.eyes.mean(0)
    down = place.down
    return float(way @ (down[1], -down[0])) / place.unit_px, float(way @ down) / place.unit_px


def _skin(place: Place, rng: np.random.Generator) -> tuple[float, float, float]:
    own = place.skin if rng.random() < 0.8 else _OTHER_SKIN[int(rng.integers(len(_OTHER_SKIN)))]
    red, green, blue = np.array(own) * rng.uniform(0.85, 1.1) * (1.0 + 0.05 * rng.normal(size=3))
    return float(red), float(green), float(blue)


def _hand(place: Place, rng: np.random.Generator, names: Sequence[str]) -> Hand:
    gesture = GESTURES[str(rng.choice(list(names)))]
    first, second, third, fourth = (float(c + rng.normal(0, 7)) for c in gesture.curl)
    gesture = replace(
        gesture,
        curl=(first, second, third, fourth),
        spread=gesture.spread + float(rng.normal(0, 2)),
        thumb=gesture.thumb + float(rng.normal(0, 10)),
        tilt=float(rng.normal(0, 22)),
        roll=float(rng.normal(0, 25)),
    )
    sleeve = dyed(rng) if rng.random() < 0.5 else None
    return Hand(
        gesture,
        (0.0, 0.0),
        0.0,
        palm=bool(rng.random() < 0.35),
        mirrored=bool(rng.random() < 0.5),
        scale=float(rng.uniform(0.82, 1.15)),
        skin=_skin(place, rng),
        seed=int(rng.integers(1 << 30)),
        sleeve=sleeve,
        nails=bright(rng) if rng.random() < 0.12 else None,
    )


def _hands(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    """One hand, at times two, over any part of the face; arms come from below or from a side."""
    layers = []
    for _ in range(2 if rng.random() < 0.15 else 1):
        hand = _hand(place, rng, cast.gestures)
        angle = float(rng.normal(0, 50)) if rng.random() < 0.9 else float(180 + rng.normal(0, 40))
        target = np.array([rng.uniform(-7, 7), rng.uniform(-7, 11)])
        way = np.array([np.sin(np.radians(angle)), -np.cos(np.radians(angle))])
        knuckle = target - float(rng.uniform(0.0, 8.0)) * hand.scale * way
        layers.append(hand_layer(place, replace(hand, reach_cm=(knuckle[0], knuckle[1]), angle=angle)))
    return layers


def _held(
    place: Place,
    rng: np.random.Generator,
    cast: Cast,
    at_cm: tuple[float, float],
    angle: float,
    far_cm: float,
) -> list[Layer]:
    """Fingers round an object, `far_cm` along it from its head."""
    hand = _hand(place, rng, [g for g in ("grip", "fist", "pinch", "claw") if g in cast.gestures])
    side = 1.0 if rng.random() < 0.5 else -1.0
    turned = np.radians(angle)
    way = np.array([np.sin(turned), np.cos(turned)])
    across = np.array([np.cos(turned), -np.sin(turned)])
    at = np.array(at_cm) + far_cm * way - side * 1.0 * across
    gesture = replace(hand.gesture, tilt=0.0, roll=float(rng.normal(0, 12)))
    placed = replace(
        hand,
        gesture=gesture,
        palm=True,
        mirrored=side < 0,
        reach_cm=(float(at[0]), float(at[1])),
        angle=float(np.degrees(np.arctan2(side * across[0], -side * across[1]))),
    )
    return [hand_layer(place, placed)]


def _microphone(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    x, y = _mouth_cm(place)
    at, angle = (x + float(rng.normal(0, 1.5)), y + float(rng.uniform(0.5, 5.5))), float(rng.normal(0, 35))
    layers = objects.microphone(place, rng, at, angle)
    return layers + (_held(place, rng, cast, at, angle, rng.uniform(6.5, 10)) if rng.random() < 0.6 else [])


def _cutlery(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    x, y = _mouth_cm(place)
    at = (x + float(rng.normal(0, 1.0)), y + float(rng.normal(0.8, 1.5)))
    angle = float(rng.uniform(-95, 95))
    layers = objects.cutlery(place, rng, at, angle)
    return layers + (_held(place, rng, cast, at, angle, rng.uniform(11, 15)) if rng.random() < 0.6 else [])


def _cup(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    x, y = _mouth_cm(place)
    at = (x + float(rng.normal(0, 0.8)), y + float(rng.uniform(-0.5, 2.5)))
    layers = objects.cup(place, rng, at)
    return layers + (_held(place, rng, cast, at, 0.0, rng.uniform(4, 7)) if rng.random() < 0.6 else [])


def _food(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    x, y = _mouth_cm(place)
    if rng.random() < 0.5:
        at = (x + float(rng.normal(0, 1)), y + float(rng.uniform(0.5, 3.0)))
        layers = food.fruit(place, rng, at)
        return layers + (_held(place, rng, cast, at, 0.0, rng.uniform(2, 4)) if rng.random() < 0.6 else [])
    at = (x + float(rng.normal(0, 1.5)), y + float(rng.normal(0, 2)))
    angle = float(rng.uniform(-110, 110))
    layers = food.slab(place, rng, at, angle)
    return layers + (_held(place, rng, cast, at, angle, rng.uniform(7, 11)) if rng.random() < 0.6 else [])


def _glasses(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    slip = (
        float(np.clip(rng.normal(0.1, 0.4), -0.3, 2.0))
        if rng.random() < 0.92
        else float(rng.uniform(-6, -4.5))
    )
    return eyewear.glasses(place, rng, eyewear.Glasses.drawn(rng), slip)


def _other_head(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    return soft.other_head(place, rng, cast.other) if cast.other is not None else _hands(place, rng, cast)


Drawer = Callable[[Place, np.random.Generator, Cast], list[Layer]]


def _alone(draw: Callable[[Place, np.random.Generator], list[Layer]]) -> Drawer:
    return lambda place, rng, cast: draw(place, rng)


# What lies nearer to the face comes first; the number is how often it is drawn.
_KINDS: dict[str, tuple[float, Drawer]] = {
    "fringe": (0.09, _alone(strands.fringe)),
    "mask": (0.04, _alone(clothes.mask)),
    "glasses": (0.20, _glasses),
    "locks": (0.09, _alone(strands.locks)),
    "scarf": (0.06, _alone(clothes.scarf)),
    "hat": (0.08, _alone(hats.hat)),
    "headset": (0.03, _alone(objects.headset)),
    "rod": (0.05, _alone(objects.rod)),
    "cutlery": (0.05, _cutlery),
    "food": (0.07, _food),
    "cup": (0.05, _cup),
    "microphone": (0.08, _microphone),
    "hands": (0.27, _hands),
    "board": (0.16, _alone(objects.board)),
    "head": (0.05, _other_head),
    "smoke": (0.05, _alone(soft.smoke)),
}


def drawn(place: Place, rng: np.random.Generator, cast: Cast) -> list[Layer]:
    """Props for one picture: none in a quarter of all, up to three.

    Args:
        place: The face.
        rng: Decides everything.
        cast: What may be drawn from.

    Returns:
        Layers from the face to the camera, some of them out of focus or in motion.
    """
    names = list(_KINDS)
    weights = np.array([_KINDS[name][0] for name in names])
    count = int(rng.choice(4, p=(0.24, 0.46, 0.24, 0.06)))
    chosen = set(rng.choice(len(names), size=count, replace=False, p=weights / weights.sum()))
    layers: list[Layer] = []
    for k, name in enumerate(names):
        if k not in chosen:
            continue
        made = _KINDS[name][1](place, rng, cast)
        worn = name in ("fringe", "mask", "glasses", "locks", "scarf", "hat", "headset")
        if not worn and rng.random() < 0.35:
            sigma = float(rng.choice((0.0, rng.uniform(0.6, 3.5)))) * place.size / 256
            motion = rng.normal(0, 1, 2) * rng.choice((0.0, rng.uniform(2, 12))) * place.size / 256
            made = [blurred(layer, sigma, (float(motion[0]), float(motion[1]))) for layer in made]
        layers += made
    return layers
