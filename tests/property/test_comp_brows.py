"""The cover of the plate's brow ends lies where they are, moves with them and leaves the background alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.comp.mattes import brows
from understudy.core.errors import FaceError
from understudy.face.align import TEMPLATE

SIZE = 128
FACE = TEMPLATE * SIZE - 0.5


def turned(yaw: float) -> np.ndarray:
    """The template with one side as much narrower as a turn makes it."""
    middle = FACE[27, 0]
    face = FACE.copy()
    far = face[:, 0] < middle if yaw > 0 else face[:, 0] > middle
    face[far, 0] = middle + (face[far, 0] - middle) * np.cos(abs(yaw)) * (1 - 0.6 * np.sin(abs(yaw)))
    return face


def test_both_ends_are_covered_and_the_rest_of_the_face_is_not():
    cover = brows.ends(FACE, SIZE)
    assert cover.dtype == np.float32 and cover.min() == 0.0 and cover.max() == 1.0
    for point in (17, 26):
        x, y = np.round(FACE[point]).astype(int)
        assert cover[y, x] == 1.0
    for point in (8, 21, 22, 30, 38, 43, 51):
        x, y = np.round(FACE[point]).astype(int)
        assert cover[y, x] == 0.0
    assert cover.mean() < 0.025
    np.testing.assert_allclose(cover, cover[:, ::-1], atol=0.15)


@settings(deadline=None)
@given(x=st.floats(-2, 2), y=st.floats(-2, 2))
def test_it_follows_parts_of_a_pixel(x, y):
    moved = brows.ends(FACE + np.array([x, y]), SIZE)
    there = brows.ends(FACE, SIZE)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for axis, step in ((columns, x), (rows, y)):
        before, after = ((axis * one).sum() / one.sum() for one in (there, moved))
        assert after - before == pytest.approx(step, abs=0.1)


def test_the_far_brow_fades_while_the_head_turns():
    left = [brows.ends(turned(yaw), SIZE)[:, : SIZE // 2].max() for yaw in np.radians(range(0, 50, 5))]
    assert left[0] == 1.0 and left[-1] == 0.0
    assert np.all(np.diff(left) <= 0) and len(set(left)) > 3
    assert brows.ends(turned(-0.8), SIZE)[:, : SIZE // 2].max() == 1.0


@settings(deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([16, 40, 128, 256]))
def test_any_points_give_a_matte(seed, size):
    random = np.random.default_rng(seed)
    points = random.normal(size / 2, size * random.choice([0.01, 0.5, 3.0]), (68, 2))
    cover = brows.ends(points, size)
    assert cover.shape == (size, size) and cover.min() >= 0.0 and cover.max() <= 1.0


def test_points_that_all_lie_together_cover_nothing():
    assert brows.ends(np.full((68, 2), 20.0), 64).max() == 0.0


def test_points_that_are_none_are_refused():
    with pytest.raises(FaceError):
        brows.ends(np.full((68, 2), np.nan), 64)
