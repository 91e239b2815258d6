"""Props: layers with exact mattes, where they are asked for, in front of what they hide."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from understudy.demo import Identity, PerformanceFrame
from understudy.demo.lighting import look_table
from understudy.demo.props import arrange, clothes, eyewear, food, hats, objects, soft, strands
from understudy.demo.props.hands import GESTURES, Hand, hand_layer
from understudy.demo.props.layer import Layer, Picture, blurred, over
from understudy.demo.props.place import Place
from understudy.demo.render import render_labelled
from understudy.face import regions

SIZE = 160
DRAWERS = {
    "microphone": (lambda p, g: objects.microphone(p, g, (0.0, 8.0), 10.0), regions.FRONT),
    "headset": (objects.headset, regions.FRONT),
    "cutlery": (lambda p, g: objects.cutlery(p, g, (0.0, 7.0), 40.0), regions.FRONT),
    "cup": (lambda p, g: objects.cup(p, g, (0.0, 7.0)), regions.FRONT),
    "slab": (lambda p, g: food.slab(p, g, (0.0, 7.0), -30.0), regions.FRONT),
    "fruit": (lambda p, g: food.fruit(p, g, (0.0, 8.0)), regions.FRONT),
    "rod": (objects.rod, regions.FRONT),
    "board": (objects.board, regions.FRONT),
    "glasses": (lambda p, g: eyewear.glasses(p, g, eyewear.Glasses.drawn(g)), regions.GLASSES),
    "scarf": (clothes.scarf, regions.FRONT),
    "mask": (clothes.mask, regions.FRONT),
    "hat": (hats.hat, regions.FRONT),
    "fringe": (strands.fringe, regions.HAIR),
    "locks": (strands.locks, regions.HAIR),
    "smoke": (soft.smoke, regions.FRONT),
}


@lru_cache(maxsize=1)
def stage() -> tuple[Picture, Place]:
    identity, acting = Identity.from_seed(904), PerformanceFrame()
    drawn = render_labelled(identity, acting, size=(SIZE, SIZE))
    look = look_table(identity, identity, acting.light)
    place = Place(SIZE, drawn.rendering.landmarks, look, identity.skin, identity.hair)
    return Picture(drawn.rendering.pixels, drawn.regions), place


def laid(layers: list[Layer]) -> Picture:
    picture, place = stage()
    for layer in layers:
        picture = over(picture, layer, place.light_xy, place.unit_px)
    return picture


@pytest.mark.parametrize("name", DRAWERS)
def test_a_prop_covers_what_it_hides_and_nothing_else(name: str) -> None:
    draw, region = DRAWERS[name]
    before, place = stage()
    for seed in range(3):
        layers = draw(place, np.random.default_rng(seed))
        for layer in layers:
            assert layer.colour.shape == (SIZE, SIZE, 3) and layer.colour.dtype == np.float32
            assert layer.alpha.shape == (SIZE, SIZE) and layer.alpha.dtype == np.float32
            assert layer.alpha.min() >= 0.0 and layer.alpha.max() <= 1.0
            seen = layer.alpha > 0
            assert np.isfinite(layer.colour[seen]).all() and layer.colour[seen].min() >= 0.0
        after = laid(layers)
        gained = after.mattes - before.mattes
        assert np.allclose(after.mattes.sum(-1), 1.0, atol=1e-4)
        assert gained[..., region].sum() > 0.5
        assert np.delete(gained, region, axis=-1).max() < 1e-5
        free = np.max([layer.alpha for layer in layers], axis=0) == 0
        assert np.array_equal(after.mattes[free], before.mattes[free])


def test_the_same_generator_draws_the_same_props() -> None:
    _, place = stage()
    first, second = (arrange.drawn(place, np.random.default_rng(8), arrange.Cast()) for _ in range(2))
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.colour, b.colour) and np.array_equal(a.alpha, b.alpha)


def test_a_hand_lies_where_it_reaches() -> None:
    _, place = stage()
    layer = hand_layer(place, Hand(GESTURES["flat"], (2.0, 5.0), 0.0))
    x, y = np.round(place.pixel(2.0, 5.0)).astype(int)
    assert layer.alpha[y, x] == 1.0 and layer.region == regions.FRONT
    assert layer.alpha[: int(place.eyes[:, 1].mean() - 9 * place.unit_px)].sum() == 0


def test_spread_fingers_leave_the_face_free_between_them() -> None:
    _, place = stage()
    layer = hand_layer(place, Hand(GESTURES["spread"], (0.0, 6.0), 0.0))
    row = int(place.pixel(0.0, 0.8)[1])
    covered = (layer.alpha[row] > 0.5).astype(int)
    assert (np.diff(covered) == 1).sum() == 4


def test_a_fist_has_no_long_fingers() -> None:
    _, place = stage()
    flat, fist = (hand_layer(place, Hand(GESTURES[g], (0.0, 6.0), 0.0)).alpha for g in ("flat", "fist"))
    top = [np.flatnonzero(alpha.max(1) > 0.5)[0] for alpha in (flat, fist)]
    assert top[1] > top[0] + 4 * place.unit_px


def test_glasses_frame_both_eyes() -> None:
    before, place = stage()
    pair = replace(eyewear.Glasses.drawn(np.random.default_rng(1)), tint=0.9, rimless=False)
    after = laid(eyewear.glasses(place, np.random.default_rng(1), pair))
    for eye in place.eyes:
        x, y = np.round(eye).astype(int)
        assert after.mattes[y, x, regions.GLASSES] > 0.5
    clear = laid(eyewear.glasses(place, np.random.default_rng(1), replace(pair, tint=0.0)))
    x, y = np.round(place.eyes[0]).astype(int)
    assert np.array_equal(clear.mattes[y, x], before.mattes[y, x])


def test_a_moving_layer_keeps_its_area_and_blurs_along_its_way() -> None:
    alpha = np.zeros((64, 64), np.float32)
    alpha[24:40, 24:40] = 1.0
    still = Layer(np.ones((64, 64, 3), np.float32), alpha, regions.FRONT)
    moving = blurred(still, motion_px=(10.0, 0.0)).alpha
    assert moving.sum() == pytest.approx(alpha.sum(), rel=1e-3)
    assert 0.2 < moving[32, 22] < 0.8 and moving[20, 32] < 0.02
    assert np.allclose(blurred(still, motion_px=(10.0, 0.0)).colour[moving > 0.05], 1.0, atol=1e-3)


def test_test_hands_are_held_by_no_training_picture() -> None:
    assert not set(arrange.TRAINING_GESTURES) & set(arrange.TEST_GESTURES)
    assert set(arrange.TRAINING_GESTURES) | set(arrange.TEST_GESTURES) == set(GESTURES)
