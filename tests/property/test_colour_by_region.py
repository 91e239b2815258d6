"""Colour by region: the skin's contrast, without light from one side, and whites that follow the light."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.comp.colour import linear_methods, methods, whites
from understudy.comp.colour.matrix import ColourMatch, measure
from understudy.comp.colour.slope import without_slope
from understudy.comp.colour.whites import Whites, WhitesMatch
from understudy.comp.mattes.polygon import filled
from understudy.face.align import TEMPLATE
from understudy.image.frame import Box
from understudy.swap.colour_transform import ColourTransform

SIZE = 96
POINTS = (TEMPLATE * SIZE - 0.5).astype(np.float32)
EVERYWHERE = np.ones((SIZE, SIZE), np.float32)


def skin(seed: int, tone: float, deviation: float) -> np.ndarray:
    """Light and dark patches of one hue, some pixels wide."""
    noise = np.random.default_rng(seed).standard_normal((SIZE // 4, SIZE // 4)).repeat(4, 0).repeat(4, 1)
    return (tone + deviation * noise[..., None] + [0.02, 0.0, -0.02]).astype(np.float32)


def with_eyes(picture: np.ndarray, white: float) -> np.ndarray:
    """Eyes in one light grey."""
    cover = np.maximum(*(filled(POINTS[part].astype(float), SIZE) for part in (slice(36, 42), slice(42, 48))))
    cover = cover[..., None]
    return (picture + cover * (white - picture)).astype(np.float32)


@given(st.integers(0, 10_000), st.floats(0.5, 1.2), st.floats(-0.2, 0.2), st.floats(-0.1, 0.1))
def test_contrast_is_the_skins_whatever_side_the_light_comes_from(seed, gain, shift, across):
    face = skin(seed, 0.3, 0.03)
    plate = np.asarray(0.3 + shift + gain * (face - 0.3), np.float32)
    light = np.linspace(-across, across, SIZE, dtype=np.float32)[None, :, None]
    flat = without_slope(plate + light, EVERYWHERE)
    solved = methods.solve("contrast", without_slope(face, EVERYWHERE), flat, EVERYWHERE)
    lightness = np.linalg.eigvalsh(solved.matrix[:, :3]).tolist()
    np.testing.assert_allclose(sorted(lightness), sorted([gain, 1.0, 1.0]), atol=0.02)
    # The mean is the lit plate's own.
    np.testing.assert_allclose(
        solved.apply(face).mean(axis=(0, 1)), (plate + light).mean(axis=(0, 1)), atol=2e-3
    )


def test_contrast_keeps_hues_and_is_bounded():
    grey, red = np.array([1.0, 1.0, 1.0]), np.array([2.0, -1.0, -1.0])
    for face, plate in ((0.05, 0.001), (0.001, 0.05)):
        of_face, of_plate = (
            measure(one, one, EVERYWHERE)[0] for one in (skin(1, 0.3, face), skin(2, 0.4, plate))
        )
        matrix = linear_methods.contrast(of_face, of_plate)
        np.testing.assert_allclose(matrix @ red, red, atol=1e-12)
        np.testing.assert_allclose(matrix @ grey, grey * (0.45 if face > plate else 1.25), atol=1e-12)


def test_auto_takes_the_mean_where_hardly_any_skin_shows():
    assert methods.taken("auto", 1.0) == "contrast" and methods.taken("auto", 0.0) == "mean"
    assert methods.taken("histogram", 0.0) == "histogram"


@given(st.integers(0, 10_000), st.floats(0.2, 0.5), st.floats(0.2, 0.5), st.floats(-0.05, 0.05))
def test_whites_follow_the_light_and_not_the_skin(seed, of_face, of_plate, light):
    face = with_eyes(skin(seed, of_face, 0.02), 0.5)
    plate = with_eyes(skin(seed + 1, of_plate, 0.02), 0.5 + light)
    seen = whites.measure(face, plate, EVERYWHERE, face_landmarks=POINTS, plate_landmarks=POINTS)
    found = whites.shift(seen, np.full(3, of_plate - of_face))
    np.testing.assert_allclose(found, [light] * 3, atol=0.025)


def test_shut_eyes_are_moved_with_the_skin_by_a_stop_at_most():
    shut = POINTS.copy()
    shut[36:48, 1] = POINTS[36:48, 1].mean()
    face, plate = skin(1, 0.3, 0.02), skin(2, 0.5, 0.02)
    seen = whites.measure(face, plate, EVERYWHERE, face_landmarks=shut, plate_landmarks=POINTS)
    assert seen.share == 0
    np.testing.assert_allclose(whites.shift(seen, np.full(3, 0.2)), [0.057] * 3)
    nothing = whites.measure(
        face, plate, np.zeros_like(EVERYWHERE), face_landmarks=POINTS, plate_landmarks=POINTS
    )
    assert nothing.share == 0 and np.isfinite(whites.shift(nothing, np.zeros(3))).all()


def test_a_frame_with_shut_eyes_does_not_move_the_mean_of_its_neighbours():
    open_eyes = Whites(np.full(3, 0.4), np.full(3, 0.5), 0.004)
    shut = Whites(np.zeros(3), np.zeros(3), 0.0)
    mean = Whites.mean([open_eyes, shut], [0.5, 0.5])
    np.testing.assert_allclose([mean.face, mean.plate], [[0.4] * 3, [0.5] * 3])
    assert mean.share == pytest.approx(0.002)
    assert Whites.mean([shut, shut], [0.5, 0.5]).share == 0


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(-0.2, 0.2))
def test_what_the_colours_become_can_be_undone(seed, strength, shift):
    match = ColourMatch(np.column_stack([np.eye(3), [0.1, 0.0, -0.1]]))
    matte = whites.matte(POINTS, SIZE)
    transform = ColourTransform(
        match, strength, WhitesMatch(matte, np.full(3, shift)), None, 0.0, np.eye(3, 4)
    )
    face = skin(seed, 0.3, 0.05)
    everything = Box(0, 0, SIZE, SIZE)
    np.testing.assert_allclose(transform.undo(transform.apply(face), everything, SIZE), face, atol=1e-5)


def test_eyes_get_the_whites_shift_and_skin_the_match():
    match = ColourMatch(np.column_stack([np.eye(3), np.full(3, 0.2)]))
    matte = whites.matte(POINTS, SIZE)
    transform = ColourTransform(match, 1.0, WhitesMatch(matte, np.zeros(3)), None, 0.0, np.eye(3, 4))
    moved = transform.apply(np.zeros((SIZE, SIZE, 3), np.float32))
    x, y = np.round(POINTS[36:42].mean(axis=0)).astype(int)
    assert moved[y, x].max() < 0.08 and np.all(moved[matte == 0] == np.float32(0.2))
