"""Beyond a face's matte its own colours go on, whatever was drawn there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.comp.merge import edge_extend
from understudy.core.errors import PlateError
from understudy.image.frame import FloatImage

BLUE = np.float32([0.1, 0.2, 0.9])


def face(seed: int, height: int, width: int) -> FloatImage:
    random = np.random.default_rng(seed)
    return cv2.GaussianBlur(random.normal(0.4, 0.2, (height, width, 3)).astype(np.float32), (0, 0), 2)


def disc(height: int, width: int, x: float, y: float, radius: float) -> FloatImage:
    rows, columns = np.mgrid[:height, :width]
    away = np.hypot((columns / width - x) * width, (rows / height - y) * height)
    return np.clip((radius * min(height, width) - away) / 3 + 0.5, 0, 1).astype(np.float32)


@settings(deadline=None)
@given(
    st.integers(0, 99),
    st.integers(8, 200),
    st.integers(8, 200),
    st.floats(-0.2, 1.2),
    st.floats(-0.2, 1.2),
    st.floats(0.0, 0.7),
)
def test_a_covered_face_stays_and_what_is_round_it_never_shows(seed, height, width, x, y, radius):
    matte = disc(height, width, x, y, radius)
    drawn = face(seed, height, width)
    blue = np.where(matte[..., None] > 0, drawn, BLUE).astype(np.float32)
    out, again = edge_extend.extended(drawn, matte), edge_extend.extended(blue, matte)
    assert out.shape == drawn.shape and out.dtype == np.float32 and np.isfinite(out).all()
    assert np.array_equal(out[matte >= 0.5], drawn[matte >= 0.5])
    if matte.any():
        np.testing.assert_array_equal(out, again)
        covered = drawn[matte > 0]
        assert (out <= covered.max(0) + 1e-3).all() and (out >= covered.min(0) - 1e-3).all()
    else:
        assert np.array_equal(again, blue)


def test_the_nearest_colours_go_on() -> None:
    drawn = np.zeros((128, 128, 3), np.float32)
    drawn[:, :64], drawn[:, 64:] = (0.6, 0.4, 0.3), (0.3, 0.4, 0.6)
    matte = disc(128, 128, 0.5, 0.5, 0.3)
    out = edge_extend.extended(drawn, matte)
    np.testing.assert_allclose(out[64, 12], (0.6, 0.4, 0.3), atol=0.02)
    np.testing.assert_allclose(out[64, 116], (0.3, 0.4, 0.6), atol=0.02)


def test_a_picture_that_is_covered_is_given_back() -> None:
    drawn = face(1, 16, 16)
    assert edge_extend.extended(drawn, np.ones((16, 16), np.float32)) is drawn


def test_a_matte_of_another_size_is_refused() -> None:
    with pytest.raises(PlateError, match="do not fit"):
        edge_extend.extended(face(1, 16, 16), np.ones((8, 8), np.float32))
